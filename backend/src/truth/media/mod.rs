//! The media pipeline judged: incidents against faults, rooms and titles against what viewers did, money against budgets.

mod ads;
mod attendance;
mod cube;
mod engaged;
mod incidents;
mod rooms;
mod swarm;
mod watch;

use std::collections::BTreeMap;

use weir_model::Check;

use super::Seen;
pub use ads::Ads;
pub use cube::Cube;
pub use engaged::Engaged;
pub use incidents::Incidents;
pub use rooms::Rooms;
pub use watch::Watch;

/// All judges of a run.
#[derive(Debug, Default)]
pub struct MediaTruth {
    incidents: Incidents,
    rooms: Rooms,
    watch: Watch,
    cube: Cube,
    ads: Ads,
    engaged: Engaged,
}

impl MediaTruth {
    /// Takes a record in; topics in any order, each partition in the order of offsets.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        self.incidents.observe(seen);
        self.rooms.observe(seen);
        self.watch.observe(seen);
        self.cube.observe(seen);
        self.ads.observe(seen);
        self.engaged.observe(seen);
    }

    /// The verdicts; what can be told only when everything is processed is pending until `is_over`.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        let mut checks = self.incidents.verdicts(is_over);
        checks.extend(self.rooms.verdicts(is_over));
        checks.extend(self.watch.verdicts(is_over));
        checks.extend(self.cube.verdicts(is_over));
        checks.extend(self.ads.verdicts(is_over));
        checks.extend(self.engaged.verdicts(is_over));
        checks
    }

    /// Figures against truth.
    pub fn scores(&self) -> BTreeMap<String, f64> {
        let mut scores = self.incidents.scores();
        scores.extend(self.rooms.scores());
        scores.extend(self.ads.scores());
        scores
    }
}
