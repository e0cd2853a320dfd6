//! Guided demos.

use super::{
    records::{Incident, IncidentState},
    settings::INCIDENTS,
};
use crate::pipelines::shape::{Act, Expectation, Observed, Scenario, Step};

/// All of them.
pub(super) const SCENARIOS: &[Scenario] = &[CDN_DOWN_EU];

const CDN_DOWN_EU: Scenario = Scenario {
    id: "cdn_down_eu",
    title: "A CDN goes down in Europe",
    story: "Stalls rise, an incident names the CDN and the region within seconds, players are moved, stalls fall again",
    length_s: 90,
    steps: &[
        Step {
            at_s: 0,
            says: "Thousands of players report how their video plays. Every cell of the map is calm.",
            acts: &[],
            expects: None,
        },
        Step {
            at_s: 20,
            says: "CDN B stops delivering in Europe. Watch the map: one cell turns red, and an incident opens that names it.",
            acts: &[Act::Fault("cdn_down:cdn=cdn-b,region=eu")],
            expects: Some(Expectation {
                id: "incident_names_cdn_b_in_europe",
                what: "an incident names CDN B and Europe, nothing less and nothing more",
                within_s: 20,
                topic: INCIDENTS,
                is_met_by: |record| {
                    incident(record).is_some_and(|incident| {
                        let mut cause: Vec<_> = incident.cause.attributes.iter().map(|(_, value)| value.as_str()).collect();
                        cause.sort_unstable();
                        cause == ["cdn-b", "eu"]
                    })
                },
            }),
        },
        Step {
            at_s: 40,
            says: "Nobody was called: the pipeline told the players in Europe to use another CDN, and they obey. Stalls fall, the incident closes.",
            acts: &[],
            expects: Some(Expectation {
                id: "incident_closes",
                what: "the incident is closed, with the CDN still down",
                within_s: 25,
                topic: INCIDENTS,
                is_met_by: |record| incident(record).is_some_and(|incident| incident.state == IncidentState::Closed),
            }),
        },
        Step { at_s: 65, says: "The CDN delivers again, and its players come back to it bit by bit.", acts: &[], expects: None },
    ],
};

fn incident(record: &Observed<'_>) -> Option<Incident> {
    serde_json::from_slice(record.value?).ok()
}
