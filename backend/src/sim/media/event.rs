//! What stands in the topics that viewers write and read, as JSON. Field names are a public format.

use serde::{Deserialize, Serialize};

use super::ids::{CampaignId, IncidentId, MessageId, RequestId, RoomId, SessionId, VideoId, ViewerId};

/// Where and with what a view happens: the dimensions of the cube.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// Who delivers.
    pub cdn: String,
    /// The viewer's network.
    pub isp: String,
    /// Where the viewer is.
    pub region: String,
    /// With what.
    pub device: String,
    /// The app's release.
    pub app_version: String,
}

impl Cell {
    /// The names of the dimensions, in order.
    pub const DIMENSIONS: [&str; 5] = ["cdn", "isp", "region", "device", "app_version"];

    /// The values, in the order of [`Self::DIMENSIONS`].
    pub fn values(&self) -> [&str; 5] {
        [&self.cdn, &self.isp, &self.region, &self.device, &self.app_version]
    }
}

/// What a player is doing (CMCD v2, CTA-5004-A: key `sta`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlayerState {
    /// The first picture is awaited.
    Starting,
    /// It plays.
    Playing,
    /// It waits for data.
    Rebuffering,
    /// It gave up.
    Fatal,
    /// The viewer gave up before the first picture.
    Quit,
}

/// A player's report: the state since the one before. Short names are those of CMCD v2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Qoe {
    /// Unique within a run.
    pub event_id: String,
    /// Session.
    pub sid: SessionId,
    /// Content.
    pub cid: VideoId,
    /// Event time, epoch ms.
    pub ts: i64,
    /// State.
    pub sta: PlayerState,
    /// Encoded bitrate, kbit/s.
    pub br: u32,
    /// Buffer length, ms.
    pub bl: u32,
    /// Whether the buffer ran empty since the last report.
    #[serde(default)]
    pub bs: bool,
    /// Time spent rebuffering since the last report, ms.
    pub bsd: u32,
    /// Measured throughput, kbit/s, rounded to hundreds.
    #[serde(default)]
    pub mtp: u32,
    /// Latency of what is live, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ltc: Option<u32>,
    /// Frames dropped since the session began.
    #[serde(default)]
    pub dfa: u32,
    /// Time it played since the last report, ms.
    pub played_ms: u32,
    /// Start delay, ms; with the first report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msd: Option<u32>,
    /// Error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ec: Option<String>,
    /// Where and with what.
    #[serde(flatten)]
    pub cell: Cell,
}

impl Qoe {
    /// A start that failed.
    pub fn is_failed_start(&self) -> bool {
        self.msd.is_some() && self.ec.is_some()
    }

    /// The viewer left before the first picture.
    pub fn is_exit_before_start(&self) -> bool {
        self.sta == PlayerState::Quit
    }

    /// A start that failed, a fatal error, or a tenth of the time spent waiting: what a viewer would call bad.
    pub fn is_bad(&self) -> bool {
        self.ec.is_some() || u64::from(self.bsd) * 9 > u64::from(self.played_ms)
    }
}

/// What a viewer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaybackAction {
    /// Started or went on.
    Play,
    /// Paused.
    Pause,
    /// Went back.
    SeekBack,
    /// Went forward.
    Skip,
    /// Gave it stars.
    Rate,
    /// Still watching.
    Heartbeat,
    /// Ended it.
    Stop,
}

/// An event of a viewing session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Playback {
    /// Unique within a run.
    pub event_id: String,
    /// Who.
    pub user_id: ViewerId,
    /// Also the record's key.
    pub session_id: SessionId,
    /// What.
    pub video_id: VideoId,
    /// Event time, epoch ms.
    pub ts: i64,
    /// What happened.
    pub action: PlaybackAction,
    /// Where in the title, s.
    pub position_s: i64,
    /// How long the title is, s; 0 for live.
    pub length_s: i64,
    /// With what.
    pub device: String,
    /// The app's release.
    #[serde(default)]
    pub app_version: String,
    /// One to five, of who rates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stars: Option<u8>,
    /// Which side of the A/B test the viewer is on, always the same one.
    #[serde(default)]
    pub variant: String,
}

/// How a viewer is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceAction {
    /// Came.
    Join,
    /// Is still there.
    Beat,
    /// Left.
    Leave,
}

/// A viewer in a live room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Also the record's key.
    pub room: RoomId,
    /// Who.
    pub user_id: ViewerId,
    /// How.
    pub action: PresenceAction,
    /// Event time, epoch ms.
    pub ts: i64,
}

/// A message in a live room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Unique within a run.
    pub message_id: MessageId,
    /// Also the record's key.
    pub room: RoomId,
    /// Who.
    pub user_id: ViewerId,
    /// Event time, epoch ms.
    pub ts: i64,
    /// What.
    pub text: String,
}

/// An emoji in a live room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Unique within a run.
    pub event_id: String,
    /// Also the record's key.
    pub room: RoomId,
    /// Who.
    pub user_id: ViewerId,
    /// Which.
    pub emoji: String,
    /// Event time, epoch ms.
    pub ts: i64,
}

/// A player asks for an ad.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AdRequest {
    /// Unique.
    pub request_id: RequestId,
    /// Also the record's key.
    pub user_id: ViewerId,
    /// The viewing session.
    pub session_id: SessionId,
    /// What is watched.
    pub content_id: VideoId,
    /// Which break of the session, and which place in it, from 0 on.
    #[serde(default)]
    pub pod: u32,
    /// Which place.
    #[serde(default)]
    pub slot: u32,
    /// What is known of the user: the audiences it belongs to.
    #[serde(default)]
    pub segments: Vec<String>,
    /// With what.
    pub device: String,
    /// Where.
    pub geo: String,
    /// Event time, epoch ms.
    pub ts: i64,
    /// How long it waits for the ad server, ms: the world says so while the server is slow.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wait_ms: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Which ad a player shows; without a campaign none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdDecision {
    /// Of which request.
    pub request_id: RequestId,
    /// Also the record's key.
    pub user_id: ViewerId,
    /// The viewing session.
    #[serde(default)]
    pub session_id: SessionId,
    /// Whose ad; `None` when nobody may or wants to pay.
    pub campaign_id: Option<CampaignId>,
    /// Which of the campaign's ads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ad_id: Option<String>,
    /// What an impression costs, in millionths of the currency.
    pub price_micros: i64,
    /// Event time of the request, epoch ms.
    pub ts: i64,
    /// Why none, or that one was found.
    pub reason: String,
    /// How long it took from the request's arrival in the task that decides, in microseconds; 0 in virtual time.
    #[serde(default)]
    pub latency_us: i64,
}

/// How far an ad came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdAction {
    /// The impression: what is paid for.
    Start,
    /// A quarter of it.
    Q1,
    /// Half of it.
    Mid,
    /// Three quarters.
    Q3,
    /// All of it.
    Complete,
    /// It was clicked.
    Click,
    /// It broke off.
    Error,
}

/// A player tells of an ad. Networks being what they are, it may tell twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdEvent {
    /// Of which request.
    pub request_id: RequestId,
    /// Also the record's key.
    pub user_id: ViewerId,
    /// How far it came.
    pub action: AdAction,
    /// Event time, epoch ms.
    pub ts: i64,
}

/// What a player is told to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum PlayerAction {
    /// Take another CDN.
    SwitchCdn {
        /// Which.
        to: String,
    },
    /// Take a lower bitrate than the network offers.
    CapBitrate {
        /// The most, kbit/s.
        kbit_s: u32,
    },
    /// Run the release before.
    RollBackApp {
        /// Which.
        to: String,
    },
}

/// A command to all players of a combination of attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerCommand {
    /// Unique: the incident and the number of its commands.
    pub command_id: String,
    /// Because of which incident.
    pub incident_id: IncidentId,
    /// Whom it is for: dimension and value, all of them.
    pub attributes: Vec<(String, String)>,
    /// What to do.
    #[serde(flatten)]
    pub action: PlayerAction,
    /// Until then, epoch ms of event time.
    pub until_ms: i64,
    /// Since then.
    pub ts: i64,
}

impl PlayerCommand {
    /// Whether it is for a player.
    pub fn is_for(&self, cell: &Cell) -> bool {
        let value_of = |name: &str| Cell::DIMENSIONS.iter().position(|known| *known == name).map(|at| cell.values()[at]);
        self.attributes.iter().all(|(name, value)| value_of(name) == Some(value))
    }
}

/// What stands first on everybody's screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeRow {
    /// Titles, best first.
    pub titles: Vec<VideoId>,
    /// Event time, epoch ms.
    pub ts: i64,
}
