//! What the pipeline is made of: names, windows, limits.

/// The pipeline's short name.
pub const ID: &str = "media";
/// Reports of players, keyed by session.
pub const QOE: &str = "media.qoe";
/// What viewers do, keyed by session.
pub const PLAYBACK: &str = "media.playback";
/// Counts of a few seconds by cell, from one partition of [`QOE`] each; keyed by what they are about (a run, a case).
pub const SLICES: &str = "media.qoe.slices";
/// Counts by minute and cell, keyed by cell.
pub const CUBE: &str = "media.qoe.cube";
/// Incidents as they open, change and close, keyed by incident.
pub const INCIDENTS: &str = "media.incidents";
/// What the search says where it was asked, keyed by what the slices are about.
pub const CAUSES: &str = "media.causes";
/// What players are told, keyed by incident.
pub const COMMANDS: &str = "media.commands.player";
/// Messages, keyed by room.
pub const CHAT: &str = "media.live.chat";
/// Emoji, keyed by room.
pub const REACTIONS: &str = "media.live.reactions";
/// Who comes and goes, keyed by room.
pub const PRESENCE: &str = "media.live.presence";
/// Figures of each room for every two seconds, keyed by room.
pub const ROOMS: &str = "media.live.rooms";
/// What became of each message, keyed by room.
pub const MODERATED: &str = "media.live.moderated";
/// Requests for ads, keyed by user.
pub const AD_REQUESTS: &str = "media.ad.requests";
/// Decisions, keyed by user.
pub const AD_DECISIONS: &str = "media.ad.decisions";
/// What became of ads, keyed by user.
pub const AD_EVENTS: &str = "media.ad.events";
/// Campaigns, keyed by id.
pub const CAMPAIGNS: &str = "media.campaigns";
/// The catalogue, keyed by title.
pub const TITLES_TABLE: &str = "media.titles";
/// Who wants to spend how much, keyed by campaign.
pub const LEASE_REQUESTS: &str = "media.ad.lease_requests";
/// Who may spend how much, keyed by campaign.
pub const LEASES: &str = "media.ad.leases";
/// Impressions that are paid for, keyed by campaign.
pub const CHARGES: &str = "media.ad.charges";
/// What each campaign has spent, keyed by campaign.
pub const SPEND: &str = "media.ad.spend";
/// Figures of each title, keyed by title.
pub const TITLE_STATS: &str = "media.title_stats";
/// Both sides of the A/B test, keyed by side.
pub const AB: &str = "media.ab";
/// How each ad that was shown was watched, keyed by user.
pub const AD_SESSIONS: &str = "media.ad.sessions";
/// What stands first on everybody's screen.
pub const HOME_ROW: &str = "media.home_row";
/// What came too late for its room's window, keyed by room.
pub const LATE: &str = "media.live.late";
/// What somebody should look at: the topic that pipelines share.
pub const ALERTS: &str = "alerts";
/// Rows of given data that could not be read.
pub const DLQ: &str = "media.dlq";
/// What each application could not read, with the reason.
pub const DEAD_LETTERS: [&str; 7] = [
    "media-qoe.dlq",
    "media-incidents.dlq",
    "media-engagement.dlq",
    "media-live.dlq",
    "media-ads.dlq",
    "media-budget.dlq",
    "media-billing.dlq",
];
/// The truth, which no topology reads.
pub const TRUTH: &str = "_truth.media";

/// Topics that the world writes.
pub const INPUTS: [&str; 9] = [QOE, PLAYBACK, CHAT, REACTIONS, PRESENCE, AD_REQUESTS, AD_EVENTS, CAMPAIGNS, TITLES_TABLE];
/// Topics that the applications write.
pub const RESULTS: [&str; 18] = [
    SLICES,
    CUBE,
    INCIDENTS,
    CAUSES,
    COMMANDS,
    ROOMS,
    LATE,
    MODERATED,
    AD_DECISIONS,
    LEASE_REQUESTS,
    LEASES,
    CHARGES,
    SPEND,
    TITLE_STATS,
    HOME_ROW,
    AB,
    AD_SESSIONS,
    ALERTS,
];
/// Counts reports.
pub const QOE_APP: &str = "media-qoe";
/// Finds incidents.
pub const INCIDENTS_APP: &str = "media-incidents";
/// Who watches what for how long.
pub const ENGAGEMENT_APP: &str = "media-engagement";
/// Live rooms.
pub const LIVE_APP: &str = "media-live";
/// Decides on ads.
pub const ADS_APP: &str = "media-ads";
/// Lends budgets.
pub const BUDGET_APP: &str = "media-budget";
/// Bills ads.
pub const BILLING_APP: &str = "media-billing";
/// Partitions of a topic this pipeline creates.
pub const PARTITIONS: i32 = 3;

/// The length of a slice: short, so that an incident is seen within seconds.
pub const SLICE_MS: i64 = 4_000;
/// How much later than its successors a report may come.
pub const QOE_GRACE_MS: i64 = 2_000;
/// A combination with fewer views in two slices is no incident, unless another number is set.
pub const VIEWS_MIN: f64 = 25.0;
/// The setting for it.
pub const VIEWS_MIN_SETTING: &str = "views_min";
/// The setting that tells whether players are told what helps: 1, or 0.
pub const REMEDIES_SETTING: &str = "remedies";
/// The setting for how late players' records may come.
pub const DISORDER_SETTING: &str = "disorder_ms";
/// The windows of the cube.
pub const CUBE_MS: i64 = 60_000;
/// The windows of live rooms (Hotstar's emoji: two seconds), and how long they stay open.
pub const ROOM_MS: i64 = 2_000;
/// How much later than its successors a message may come: so little that a cheer is on the wall within three seconds; what comes later is
/// told apart.
pub const ROOM_GRACE_MS: i64 = 750;
/// Who was not heard of for so long has left a room.
pub const PRESENT_MS: i64 = 60_000;
/// What a session does without a word for so long is not watching.
pub const SESSION_SILENCE_MS: i64 = 60_000;
/// A session is forgotten after so long.
pub const SESSION_KEPT_MS: i64 = 30 * 60_000;
/// How often the home row may change.
pub const HOME_ROW_EVERY_MS: i64 = 10_000;
/// Titles in the home row.
pub const HOME_ROW_TITLES: usize = 10;
/// Within so long after its decision an impression is paid for.
pub const IMPRESSION_MS: i64 = 10 * 60_000;
/// An ad of which nothing is heard for so long is over, however far it came.
pub const AD_SILENCE_MS: i64 = 30_000;
/// So often a paced campaign hands out what its plan allows by then: six times a minute, so that a minute's budget is not gone in its first seconds.
pub const PACE_MS: i64 = 10_000;
/// A frequency cap counts impressions decided within this.
pub const CAP_MS: i64 = 3_600_000;

/// The checks, each with the topic that holds what it judges.
pub const JUDGED: [(&str, &str); 21] = [
    ("cube_equals_reports", CUBE),
    ("incidents_found_in_time", INCIDENTS),
    ("incident_cells_exact", INCIDENTS),
    ("incidents_not_false", INCIDENTS),
    ("root_causes_told", CAUSES),
    ("root_causes_named", CAUSES),
    ("watch_time_exact", TITLE_STATS),
    ("title_stats_equal_batch", TITLE_STATS),
    ("ab_equals_players", AB),
    ("room_counts_exact", ROOMS),
    ("room_viewers_exact", ROOMS),
    ("unique_viewers", ROOMS),
    ("messages_moderated_once", MODERATED),
    ("moderation", MODERATED),
    ("ads_decided_once", AD_DECISIONS),
    ("ads_within_targets", AD_DECISIONS),
    ("frequency_caps_kept", AD_DECISIONS),
    ("spend_within_budget", SPEND),
    ("leases_follow_plans", LEASES),
    ("impressions_billed_once", CHARGES),
    ("ad_sessions_equal_batch", AD_SESSIONS),
];
