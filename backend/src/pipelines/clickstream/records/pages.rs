//! How often pages are viewed: what each partition counted, and the most viewed ones of all.

use serde::{Deserialize, Serialize};

/// What one partition counted in one pane, which windows of pages are made of; on its way to where all of them meet. A pane with many pages is
/// told in several parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagePart {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// Event time, included.
    pub pane_start: i64,
    /// Pages with their views.
    pub pages: Vec<Viewed>,
    /// A page of the pane that no part names has no more views than this.
    pub unnamed_max: u64,
    /// Nothing before this time will be told any more.
    pub closed_until: i64,
}

/// Views of one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewed {
    /// Which page.
    pub page: String,
    /// Views at most.
    pub views: u64,
    /// So many of them, at most, are not its own: 0 where it was counted exactly.
    pub error: u64,
}

/// A record of `clickstream.page_stats`, keyed by page: its views in one of the windows in which it is among the most viewed ones. The last
/// one of a page and window holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageStats {
    /// Which run.
    pub run: String,
    /// Which page.
    pub page: String,
    /// Event time, included.
    pub window_start: i64,
    /// Event time, excluded.
    pub window_end: i64,
    /// Views at most.
    pub views: u64,
    /// So many of them, at most, are not its own: 0 where it was counted exactly.
    pub error: u64,
}
