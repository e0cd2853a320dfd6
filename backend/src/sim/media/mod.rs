//! A video service and its viewers: players that start, play, stall and give up, live rooms that chat and cheer, ads that are asked for.
//!
//! The rate is a promise, as in [`crate::sim::clickstream`]: one event per slot of the schedule. A slot goes to the player who is
//! due; when nobody is due, somebody arrives. The loop is closed: players obey commands (another CDN, a lower bitrate, an older
//! release of the app), watch what the home row puts first, and show the ads that were decided for them.

mod audience;
mod catalogue;
mod chat;
mod event;
mod fault;
mod forecasts;
mod generator;
mod goal;
mod ids;
mod player;
mod sheet;
mod write;

pub use catalogue::{
    APPS, CDNS, Campaign, DEVICES, EMOJI, ISPS, REGIONS, ROOMS, TITLES, Title, campaigns, room_name, title_id, title_length_ms, titles,
};
pub use event::{
    AdAction, AdDecision, AdEvent, AdRequest, Cell, ChatMessage, HomeRow, Playback, PlaybackAction, PlayerAction, PlayerCommand,
    PlayerState, Presence, PresenceAction, Qoe, Reaction,
};
pub use fault::{Fault, FaultKind, Shown};
pub use forecasts::{Deviation, DeviationKind, DeviationRow};
pub use generator::{AD_PATIENCE_MS, DISORDER_MAX_MS, Generator, GeneratorParams, Record, STAYED_MS, Topic, Truth, TruthRecord};
pub use ids::{CampaignId, IncidentId, MessageId, RequestId, RoomId, SessionId, VideoId, ViewerId};
pub use sheet::{Sheet, SheetKind, SheetRow};
