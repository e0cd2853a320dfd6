//! Ways to break the processing on purpose: for each, the check that must turn red.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// An impression is billed whenever it is told of.
    BillTwice,
    /// Ads are decided without a lease.
    IgnoreBudgets,
    /// Budgets are lent as fast as they are asked for.
    LendAtOnce,
    /// Ads are decided without looking at what the user has seen.
    IgnoreCaps,
    /// Ads are decided without looking at whom they are for.
    IgnoreSegments,
    /// Emoji of a heart count twice.
    CountTwice,
    /// Every sign of a viewer is taken for another viewer.
    CountBeats,
    /// Nobody leaves a room.
    ForgetLeaves,
    /// Starts that fail are not counted.
    ForgetFailedStarts,
    /// The last tenth of a title that was reached is not counted.
    ForgetTenths,
    /// Stars that are given are not counted.
    ForgetStars,
    /// One message in ten is not judged.
    PassOver,
    /// One request in ten gets no answer.
    LoseRequests,
    /// Each incident is told once more for every network.
    Scatter,
    /// Pauses count as watched.
    WatchPauses,
    /// Incidents are blamed on the first attribute of their cause alone.
    BlameWidest,
    /// Causes that are asked for are told by their first attribute alone.
    BlameParts,
    /// Who asks for a cause gets no answer.
    LeaveUnanswered,
    /// Nothing is taken for an incident.
    SleepThrough,
    /// No message is hidden.
    TrustEverybody,
    /// Who leaves early is left out of the A/B test.
    ForgetQuitters,
    /// Ads end at half.
    CutAdsShort,
}

impl Sabotage {
    /// Each with its name and the check that it must turn red.
    pub const ALL: [(Self, &str, &str); 22] = [
        (Self::BillTwice, "bill_twice", "impressions_billed_once"),
        (Self::IgnoreBudgets, "ignore_budgets", "spend_within_budget"),
        (Self::LendAtOnce, "lend_at_once", "leases_follow_plans"),
        (Self::IgnoreCaps, "ignore_caps", "frequency_caps_kept"),
        (Self::IgnoreSegments, "ignore_segments", "ads_within_targets"),
        (Self::CountTwice, "count_twice", "room_counts_exact"),
        (Self::CountBeats, "count_beats", "unique_viewers"),
        (Self::ForgetLeaves, "forget_leaves", "room_viewers_exact"),
        (Self::PassOver, "pass_over", "messages_moderated_once"),
        (Self::LoseRequests, "lose_requests", "ads_decided_once"),
        (Self::ForgetFailedStarts, "forget_failed_starts", "cube_equals_reports"),
        (Self::ForgetTenths, "forget_tenths", "title_stats_equal_batch"),
        (Self::ForgetStars, "forget_stars", "title_stats_equal_batch"),
        (Self::Scatter, "scatter", "incidents_not_false"),
        (Self::WatchPauses, "watch_pauses", "watch_time_exact"),
        (Self::BlameWidest, "blame_widest", "incident_cells_exact"),
        (Self::BlameParts, "blame_parts", "root_causes_named"),
        (Self::LeaveUnanswered, "leave_unanswered", "root_causes_told"),
        (Self::SleepThrough, "sleep_through", "incidents_found_in_time"),
        (Self::TrustEverybody, "trust_everybody", "moderation"),
        (Self::ForgetQuitters, "forget_quitters", "ab_equals_players"),
        (Self::CutAdsShort, "cut_ads_short", "ad_sessions_equal_batch"),
    ];

    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(sabotage, ..)| *sabotage)
    }
}

/// How the applications are built.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the slices of players are about: the run's name.
    pub run: String,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// How incidents are found and what is done about them.
    pub detection: Detection,
}

/// How incidents are found and what is done about them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// A combination with fewer views is no incident.
    pub views_min: f64,
    /// Players are told what helps.
    pub is_remedied: bool,
}

impl Default for Detection {
    fn default() -> Self {
        Self { views_min: super::settings::VIEWS_MIN, is_remedied: true }
    }
}

impl Options {
    /// Whether this is broken.
    pub fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }
}
