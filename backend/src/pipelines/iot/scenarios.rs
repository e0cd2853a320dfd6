//! Guided demos.

use super::{
    records::{Anomaly, DeviceState, Rollup},
    settings::{ALERTS, ANOMALIES, DEVICE_STATE, ID, SITE_ROLLUPS},
    standing::{COMPLETE, OUTAGE},
};
use crate::pipelines::{
    alert::Alert,
    shape::{Act, Expectation, Observed, Scenario, Step},
};

/// All of them.
pub(super) const SCENARIOS: &[Scenario] = &[OFFLINE, BEARING, MOVED];

const OFFLINE: Scenario = Scenario {
    id: "fleet_offline",
    title: "A third of the fleet loses its network",
    story: "Devices go dark, keep measuring, and send later: gaps open and close, and no roll-up stays wrong",
    length_s: 56,
    steps: &[
        Step { at_s: 0, says: "Each square of the grid is a device. All of them report twice a second.", acts: &[], expects: None },
        Step {
            at_s: 14,
            says: "Thirty percent lose their network. Their last wills say so at once: squares turn red.",
            acts: &[Act::Fault("offline_30:for=18s")],
            expects: Some(Expectation {
                id: "devices_go_offline",
                what: "a quarter of the fleet is offline",
                within_s: 4,
                topic: ALERTS,
                is_met_by: |record| read::<Alert>(record).is_some_and(|alert| alert.pipeline == ID && alert.rule == OUTAGE),
            }),
        },
        Step {
            at_s: 30,
            says: "They come back. The newest reading comes first, then what was kept: gaps fill, and closed windows are corrected.",
            acts: &[],
            expects: Some(Expectation {
                id: "rollups_are_corrected",
                what: "a twentieth of a window of the fleet came after it was told",
                within_s: 18,
                topic: SITE_ROLLUPS,
                is_met_by: |record| {
                    read::<Rollup>(record).is_some_and(|rollup| rollup.node_id == "fleet" && rollup.late * 20 >= rollup.readings)
                },
            }),
        },
        Step {
            at_s: 34,
            says: "Not one reading is missing.",
            acts: &[],
            expects: Some(Expectation {
                id: "gaps_fill",
                what: "the fleet is back, and no reading of it is missing",
                within_s: 20,
                topic: ALERTS,
                is_met_by: |record| read::<Alert>(record).is_some_and(|alert| alert.pipeline == ID && alert.rule == COMPLETE),
            }),
        },
    ],
};

const BEARING: Scenario = Scenario {
    id: "worn_bearing",
    title: "A bearing wears out",
    story: "A machine shakes in a way its power does not explain: it is shut down within seconds, by command, and repaired",
    length_s: 45,
    steps: &[
        Step { at_s: 0, says: "Machines draw power and shake with their load. The pipeline learns how they do.", acts: &[], expects: None },
        Step {
            at_s: 22,
            says: "A bearing wears out. Vibration alone is not yet unusual; vibration without power is.",
            acts: &[Act::Fault("bearing:device=machine-0011")],
            expects: Some(Expectation {
                id: "vibration_is_found",
                what: "machine-0011 has an anomaly of vibration",
                within_s: 8,
                topic: ANOMALIES,
                is_met_by: |record| {
                    read::<Anomaly>(record).is_some_and(|anomaly| anomaly.device_id.0 == "machine-0011" && anomaly.kind == "vibration")
                },
            }),
        },
        Step {
            at_s: 24,
            says: "Nobody was called: the machine got a command over the same network, obeyed, and answered.",
            acts: &[],
            expects: Some(Expectation {
                id: "machine_stops",
                what: "machine-0011 stands still",
                within_s: 10,
                topic: DEVICE_STATE,
                is_met_by: |record| {
                    read::<DeviceState>(record).is_some_and(|state| state.device_id.0 == "machine-0011" && state.is_on == Some(false))
                },
            }),
        },
    ],
};

const MOVED: Scenario = Scenario {
    id: "moved_site",
    title: "A site changes hands",
    story: "A site moves to another region while its windows are open: each reading counts where it belonged when it was taken",
    length_s: 40,
    steps: &[
        Step {
            at_s: 0,
            says: "Zones add up to sites, sites to regions, regions to the fleet, every ten seconds.",
            acts: &[],
            expects: None,
        },
        Step {
            at_s: 8,
            says: "The site alder moves to the south, from a given second on. Its readings of before stay in the north.",
            acts: &[Act::Fault("reparent:site=alder,for=60s")],
            expects: Some(Expectation {
                id: "site_counts_in_the_south",
                what: "alder has a roll-up in the south",
                within_s: 30,
                topic: SITE_ROLLUPS,
                is_met_by: |record| read::<Rollup>(record).is_some_and(|rollup| rollup.node_id == "south/alder" && rollup.readings > 0),
            }),
        },
    ],
};

fn read<T: serde::de::DeserializeOwned>(record: &Observed<'_>) -> Option<T> {
    serde_json::from_slice(record.value?).ok()
}
