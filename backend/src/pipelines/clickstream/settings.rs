//! What the pipeline is made of: names, windows, limits.

use crate::stream::{SessionWindows, TumblingWindows};

/// The pipeline's short name.
pub const ID: &str = "clickstream";
/// The events, keyed by user.
pub const EVENTS: &str = "user_activity";
/// Final sessions, keyed by user.
pub const SESSIONS: &str = "clickstream.sessions";
/// Counts per window and partition.
pub const STATS: &str = "clickstream.stats";
/// Views per page, window and partition.
pub const PAGES: &str = "clickstream.pages";
/// How far sessions came, cumulative, per partition.
pub const FUNNEL: &str = "clickstream.funnel";
/// Conversion per variant, cumulative, per partition.
pub const AB: &str = "clickstream.ab";
/// What could not be read, with the reason.
pub const DEAD_LETTERS: &str = "clickstream-processor.dlq";
/// What only the checks are told.
pub const TRUTH: &str = "_truth.clickstream";
/// Every topic, input first.
pub const TOPICS: [&str; 8] = [EVENTS, SESSIONS, STATS, PAGES, FUNNEL, AB, DEAD_LETTERS, TRUTH];
/// The result topics, which the dashboard reads.
pub const RESULTS: [&str; 5] = [SESSIONS, STATS, PAGES, FUNNEL, AB];
/// The consumer group of the processors.
pub const GROUP: &str = "clickstream-processor";
/// Partitions of a topic this pipeline creates.
pub const PARTITIONS: i32 = 4;

/// A session ends after 30 minutes without an event, the web analytics convention.
pub const SESSION_GAP_MS: i64 = 30 * 60_000;
/// How much later than its successors an event may come.
pub const GRACE_MS: i64 = 10_000;
/// A user is active who did something in the last five minutes.
pub const ACTIVE_MS: i64 = 5 * 60_000;
/// Pages counted by name per window and partition; the rest counts as one.
pub const PAGES_PER_WINDOW_MAX: usize = 1_000;
/// Open sessions per partition; beyond it the oldest close early and are counted (some 300 bytes each).
pub const OPEN_SESSIONS_MAX: u64 = 500_000;
/// What takes the views of pages beyond [`PAGES_PER_WINDOW_MAX`].
pub const OTHER_PAGES: &str = "(other)";

/// The sessions' windows.
pub const SESSION_WINDOWS: SessionWindows = SessionWindows { gap_ms: SESSION_GAP_MS, grace_ms: GRACE_MS };

/// The windows of counts: one second of the wall clock, so that a dashboard moves at any speed of event time.
pub fn stats_windows(speed: u32) -> TumblingWindows {
    TumblingWindows { size_ms: i64::from(speed.max(1)) * 1_000, grace_ms: GRACE_MS }
}
