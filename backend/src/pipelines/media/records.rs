//! What stands in the result topics. Field names are a public format. Input events are those of [`crate::sim::media`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    pipelines::shape::text_key,
    sim::media::{AdAction, CampaignId, IncidentId, MessageId, RequestId, RoomId, SessionId, VideoId, ViewerId},
};

text_key!(ViewerId, SessionId, VideoId, RoomId, CampaignId, RequestId, IncidentId);

/// Counts of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Reports.
    pub total: u64,
    /// Those that a viewer would call bad.
    pub failures: u64,
    /// Starts tried.
    pub attempts: u64,
    /// Starts that failed.
    pub start_failures: u64,
    /// Viewers who left before the first picture.
    #[serde(default)]
    pub exits_before_start: u64,
    /// The sum of start delays, ms.
    pub startup_ms: u64,
    /// Time waited, ms.
    pub stalled_ms: u64,
    /// Time played, ms.
    pub played_ms: u64,
    /// Bitrate times reports, kbit/s.
    pub kbit_s: u64,
}

impl Counts {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.failures += other.failures;
        self.attempts += other.attempts;
        self.start_failures += other.start_failures;
        self.exits_before_start += other.exits_before_start;
        self.startup_ms += other.startup_ms;
        self.stalled_ms += other.stalled_ms;
        self.played_ms += other.played_ms;
        self.kbit_s += other.kbit_s;
    }
}

/// A record of the cube: a cell's minute, from one partition of the reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CubeRow {
    /// Event time, included.
    pub window_start: i64,
    /// Event time, excluded.
    pub window_end: i64,
    /// The values, in the order of the dimensions.
    pub values: Vec<String>,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Counts of all cells over a short time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Event time, included.
    pub start_ms: i64,
    /// Event time, excluded.
    pub end_ms: i64,
    /// The dimensions.
    pub dimensions: Vec<String>,
    /// Cells: values in the order of the dimensions, views, failures.
    pub cells: Vec<(Vec<String>, u64, u64)>,
    /// Which part of the whole this is: the partition it comes from.
    pub source: i32,
    /// Time that viewers watched or waited, by cell in the same order, ms; unknown for given data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched_ms: Vec<u64>,
    /// Somebody asks for the cause of what happens here.
    #[serde(default)]
    pub is_asked: bool,
    /// Further cells of this source's slice follow.
    #[serde(default)]
    pub has_more: bool,
    /// Leaves that come with their forecast, in place of cells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forecasts: Vec<Forecast>,
}

/// A leaf of a measure that was forecast: its values, in the order of the dimensions, and the measure as it is and as it was forecast, in
/// one part, or in two: the dividend and the divisor of a quotient.
pub type Forecast = (Vec<String>, Vec<(f64, f64)>);

/// A combination of attributes with its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Dimension and value, sorted by dimension.
    pub attributes: Vec<(String, String)>,
    /// How much it explains; only to be compared.
    pub score: f64,
    /// Views in it.
    pub total: f64,
    /// Failures among them.
    pub failures: f64,
    /// Failures that were to be expected.
    pub expected: f64,
}

/// A record of [`super::settings::CAUSES`]: alternatives, best first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Causes {
    /// The slice that was asked about.
    pub start_ms: i64,
    /// Alternatives, each for the whole.
    pub ranked: Vec<Cause>,
    /// Explanations, best first: causes that together explain what happens.
    #[serde(default)]
    pub sets: Vec<Vec<Cause>>,
}

/// Where an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Just seen: its cause may still change.
    Open,
    /// Confirmed by the windows after it.
    Ongoing,
    /// The newest windows are quiet.
    Recovering,
    /// Over.
    Closed,
}

/// A record of `media.incidents`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id, also the key.
    pub incident_id: IncidentId,
    /// What the slices are about: a run, a case.
    pub scope: String,
    /// Where it is.
    pub state: IncidentState,
    /// The likeliest cause.
    pub cause: Cause,
    /// Other explanations, next best first.
    pub alternatives: Vec<Cause>,
    /// Event time of the first slice it showed in.
    pub since_ms: i64,
    /// Event time at which it was opened: the end of the slice, and the time that slice had to be waited for.
    pub opened_ms: i64,
    /// Event time of its end.
    pub closed_ms: Option<i64>,
    /// Of the views it is about, the share that fails beyond the usual: now, and at its worst.
    pub extra_share: f64,
    /// At its worst.
    pub peak_share: f64,
    /// Views it is about in the newest slice.
    pub views: u64,
    /// Viewers it is about, on average over the newest slice; 0 where nobody knows, as of given data.
    #[serde(default)]
    pub viewers: u64,
    /// Of the same viewers, wherever a remedy moved them, the share of bad views: when it was given, and now.
    #[serde(default)]
    pub bad_before: Option<f64>,
    /// Now.
    #[serde(default)]
    pub bad_now: f64,
    /// What players were told.
    pub remedy: Option<String>,
}

/// A record of `media.live.late`: what came when its room's window was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateEvent {
    /// Where.
    pub room: RoomId,
    /// The window it would have counted in.
    pub window_start: i64,
    /// What it was.
    pub what: LateWhat,
    /// Its event time.
    pub ts: i64,
}

/// What can come too late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LateWhat {
    /// A message.
    Message,
    /// This emoji.
    Emoji(String),
    /// A sign of a viewer.
    Presence,
}

/// A record of `media.live.rooms`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
pub struct RoomStats {
    /// Which.
    pub room: RoomId,
    /// Event time, included.
    pub window_start: i64,
    /// Event time, excluded.
    pub window_end: i64,
    /// Event time at which it was told.
    #[serde(default)]
    pub published_ms: i64,
    /// Viewers at the window's end.
    pub viewers: u64,
    /// Different viewers of the day so far: exactly, and as a sketch of two kilobytes says.
    #[serde(default)]
    pub unique_viewers: u64,
    /// The sketch's answer.
    #[serde(default)]
    pub unique_viewers_hll: u64,
    /// Emoji in the window.
    pub emoji: BTreeMap<String, u64>,
    /// Messages in it.
    pub messages: u64,
    /// Messages that were hidden.
    pub hidden: u64,
    /// The mean mood of those that were shown, -1 to 1.
    pub sentiment: f64,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moderation {
    /// Everybody sees it.
    Shown,
    /// Only its writer does.
    Hidden,
}

/// A record of `media.live.moderated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moderated {
    /// Which message.
    pub message_id: MessageId,
    /// Where.
    pub room: RoomId,
    /// Whose.
    pub user_id: ViewerId,
    /// What becomes of it.
    pub verdict: Moderation,
    /// The rules that spoke against it.
    pub rules: Vec<String>,
    /// Its mood, -1 to 1.
    pub sentiment: f64,
    /// Event time.
    pub ts: i64,
}

/// A record of `media.title_stats`: since the start.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TitleStats {
    /// Plays begun.
    pub starts: u64,
    /// Different viewers who began it, by day.
    #[serde(default)]
    pub viewers: u64,
    /// Bad reports of its players.
    #[serde(default)]
    pub bad_reports: u64,
    /// Plays that reached nine tenths of the title.
    pub completions: u64,
    /// Time watched.
    pub watched_ms: i64,
    /// Plays that reached each tenth of the title.
    pub retention: [u64; 10],
    /// How often it was rated.
    #[serde(default)]
    pub ratings: u64,
    /// The sum of the stars it was given.
    #[serde(default)]
    pub stars: u64,
    /// Time watched of late: halves every two minutes.
    pub recent_ms: i64,
    /// As of when what halves is.
    pub recent_at_ms: i64,
    /// Time watched within the last moments: halves every ten seconds.
    #[serde(default)]
    pub lately_ms: i64,
    /// Bad reports of players within the last moments, in millionths: halves likewise.
    #[serde(default)]
    pub lately_bad_micros: i64,
}

/// A wish to spend of a campaign's budget, cumulative, so that asking twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// Of which campaign.
    pub campaign_id: CampaignId,
    /// Who: the partition that decides.
    pub holder: i32,
    /// All that it wants to be allowed to spend since the beginning.
    pub want_micros: i64,
    /// The campaign's budget.
    pub budget_micros: i64,
    /// When the campaign begins, and over how long its budget is spread; 0 for not at all.
    #[serde(default)]
    pub from_ms: i64,
    /// Over how long.
    #[serde(default)]
    pub flight_ms: i64,
}

/// A campaign's budget as it is shared out.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LeaseBook {
    /// All that each partition may spend since the beginning.
    pub granted_micros: BTreeMap<i32, i64>,
    /// The budget.
    pub budget_micros: i64,
    /// Event time as of which it was shared out.
    #[serde(default)]
    pub as_of_ms: i64,
    /// All that the plan allowed by then.
    #[serde(default)]
    pub planned_micros: i64,
}

/// A paid impression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Of which request.
    pub request_id: RequestId,
    /// Who pays.
    pub campaign_id: CampaignId,
    /// How much.
    pub price_micros: i64,
    /// Event time of the impression.
    pub ts: i64,
}

/// What a campaign has spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spend {
    /// Impressions paid for.
    pub impressions: u64,
    /// What for.
    pub spent_micros: i64,
}

/// A record of `media.ad.sessions`: all that players told of one ad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdSession {
    /// Of which request.
    pub request_id: RequestId,
    /// Who saw it.
    pub user_id: ViewerId,
    /// Whose ad.
    pub campaign_id: CampaignId,
    /// Event time of the first event.
    pub started_ms: i64,
    /// Of the last one.
    pub ended_ms: i64,
    /// How far it came: a start, a quarter, half, three quarters, all of it.
    pub reached: AdAction,
    /// It was clicked.
    pub is_clicked: bool,
    /// It broke off.
    pub is_broken: bool,
}

/// A record of `media.ab`: one side of the A/B test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AbSide {
    /// Viewing sessions of which it is known whether the viewer stayed.
    pub sessions: u64,
    /// Those who watched for [`STAYED_MS`](crate::sim::media::STAYED_MS) and more.
    pub stayed: u64,
}
