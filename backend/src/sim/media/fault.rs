//! What can go wrong on purpose, and for whom.

use super::event::Cell;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A CDN delivers nothing; in one region or everywhere.
    CdnDown {
        /// Which.
        cdn: String,
        /// Where; everywhere when `None`.
        region: Option<String>,
    },
    /// A network is jammed; in one region or everywhere.
    IspCongested {
        /// Which.
        isp: String,
        /// Where; everywhere when `None`.
        region: Option<String>,
    },
    /// The peering of a CDN with a network is broken.
    Peering {
        /// Between this.
        cdn: String,
        /// And this.
        isp: String,
        /// Where; everywhere when `None`.
        region: Option<String>,
    },
    /// A release of the app fails on a device.
    BadRelease {
        /// Which.
        app_version: String,
        /// Where.
        device: String,
    },
    /// A title's renditions are broken: it stalls on whatever it is played.
    BadEncode {
        /// The title's number.
        title: usize,
    },
    /// Requests for ads wait for seconds, and most ads reach players that have given up waiting.
    AdServerSlow,
    /// Bots flood a live room.
    ChatRaid {
        /// The room's number.
        room: usize,
    },
    /// Everybody in a room cheers.
    GoalMoment {
        /// The room's number.
        room: usize,
    },
    /// Everybody asks for an ad at once, and one dear campaign wants them all.
    AdBudgetRace,
}

/// A fault with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// Since, event time, epoch ms.
    pub from_ms: i64,
    /// Until.
    pub until_ms: i64,
}

/// Where a fault shows in the cube: dimension and value, sorted by dimension; empty where it shows elsewhere.
pub type Shown = Vec<(String, String)>;

impl FaultKind {
    /// Where it shows in the cube.
    pub fn shown(&self) -> Shown {
        let mut at: Vec<(&str, &String)> = match self {
            Self::CdnDown { cdn, region } => [("cdn", cdn)].into_iter().chain(region.as_ref().map(|it| ("region", it))).collect(),
            Self::IspCongested { isp, region } => [("isp", isp)].into_iter().chain(region.as_ref().map(|it| ("region", it))).collect(),
            Self::Peering { cdn, isp, region } => {
                [("cdn", cdn), ("isp", isp)].into_iter().chain(region.as_ref().map(|it| ("region", it))).collect()
            }
            Self::BadRelease { app_version, device } => vec![("app_version", app_version), ("device", device)],
            // The cube does not know titles: their own figures tell.
            Self::BadEncode { .. } | Self::AdServerSlow => Vec::new(),
            Self::ChatRaid { .. } | Self::GoalMoment { .. } | Self::AdBudgetRace => Vec::new(),
        };
        at.sort_unstable();
        at.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }

    /// The share of views it ruins where it shows.
    pub(super) fn strength(&self) -> f64 {
        match self {
            Self::CdnDown { .. } => 0.85,
            Self::IspCongested { .. } => 0.35,
            Self::Peering { .. } | Self::BadRelease { .. } | Self::BadEncode { .. } => 0.5,
            Self::ChatRaid { .. } | Self::GoalMoment { .. } | Self::AdBudgetRace | Self::AdServerSlow => 0.0,
        }
    }
}

impl Fault {
    /// Whether it is at work.
    pub fn is_active(&self, now_ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&now_ms)
    }

    /// By how much more a view of this title fails now, whatever its cell; live rooms have no title.
    pub(super) fn extra_of_title(&self, title: Option<usize>, now_ms: i64) -> f64 {
        match self.kind {
            FaultKind::BadEncode { title: broken } if title == Some(broken) && self.is_active(now_ms) => self.kind.strength(),
            _ => 0.0,
        }
    }

    /// By how much more a view in this cell fails now.
    pub(super) fn extra(&self, cell: &Cell, now_ms: i64) -> f64 {
        let shown = if self.is_active(now_ms) { self.kind.shown() } else { return 0.0 };
        let value_of = |name: &str| Cell::DIMENSIONS.iter().position(|known| *known == name).map(|at| cell.values()[at]);
        let is_hit = !shown.is_empty() && shown.iter().all(|(name, value)| value_of(name) == Some(value));
        if is_hit { self.kind.strength() } else { 0.0 }
    }
}
