//! The card.

use weir_model::{Availability, KnobKind, KnobMeta, PipelineMeta};

use super::{
    scenarios::SCENARIOS,
    settings::{
        ALERTS, ANOMALIES, APP, COMMAND_ACKS, COMMANDS, DEVICE_EVENTS, DEVICE_ROLLUPS, DEVICE_STATE, HIERARCHY, ID, SENSOR_DATA, SERIES,
        SERIES_SCORES, SITE_ROLLUPS, SPEED,
    },
};
use crate::{
    pipelines::{
        card::{fault, param},
        shape::Scenario,
    },
    sim::iot::Sensor,
};

/// Topics that the card names, inputs first.
pub(super) const TOPICS: [&str; 12] = [
    SENSOR_DATA,
    DEVICE_EVENTS,
    HIERARCHY,
    DEVICE_STATE,
    DEVICE_ROLLUPS,
    SITE_ROLLUPS,
    ANOMALIES,
    COMMANDS,
    COMMAND_ACKS,
    SERIES,
    SERIES_SCORES,
    ALERTS,
];

/// Faults: name, label, for how long by default, and what will be seen.
pub(super) const FAULTS: [(&str, &str, i64, &str); 12] = [
    (
        "offline_30",
        "30 % of devices offline",
        20_000,
        "A third of the grid turns red (knob percent); what the devices kept comes later, gaps close, roll-ups are corrected",
    ),
    ("stuck", "Stuck sensor", 15_000, "A sensor repeats itself (knobs device, sensor): found within some readings"),
    ("drift", "Drifting sensor", 15_000, "A sensor wanders off (knobs device, sensor): CUSUM finds it before the eye does"),
    ("spike", "Spiking sensor", 4_000, "A sensor jumps (knobs device, sensor): found at once"),
    ("bearing", "Worn bearing", 30_000, "A machine shakes (knob device): it is shut down, repaired, and runs again"),
    ("clock_skew", "Wrong clocks", 20_000, "A tenth of the clocks is off (knob by, in seconds): readings are set right, no window suffers"),
    ("mqtt_down", "MQTT broker down", 12_000, "Nobody can send: all turn stale, then offline; nothing is lost"),
    ("herd", "Thundering herd", 3_000, "All devices come back at the same moment: a spike of connections"),
    (
        "reparent",
        "Move a site",
        30_000,
        "A site belongs to another region (knob site): each reading counts where it belonged when it was taken",
    ),
    ("actuator_refuses", "Valves refuse", 20_000, "A tenth of the valves does not move (knob device): refusals, alerts, dry fields"),
    ("burst", "Five times the readings", 10_000, "Devices measure five times as often: nothing is skipped"),
    ("kill_processor", "Kill processors", 5_000, "A thread dies in its transaction: another goes on, every figure stays exact"),
];

/// What the card shows.
pub fn meta() -> PipelineMeta {
    PipelineMeta {
        id: ID.into(),
        title: "IoT".into(),
        story: "A fleet over bad networks: gaps found and filled, anomalies seen, fields watered and machines stopped by command".into(),
        availability: Availability::Ready,
        topics: TOPICS.map(Into::into).into(),
        groups: vec![APP.into()],
        params: vec![
            param("rate_per_s", "Rate", "readings/s", 50.0, 20_000.0, 500.0, true),
            param("speed", "Event time", "x the clock", SPEED, SPEED, SPEED, false),
            param("seed", "Seed", "", 0.0, f64::from(u32::MAX), 42.0, false),
            param("devices", "Devices", "", 24.0, 5_000.0, 240.0, false),
            param("mqtt", "Devices speak MQTT (up to 400 of them)", "0 or 1", 0.0, 1.0, 1.0, false),
            param(
                "mqtt_port",
                "MQTT on this port: the broker that listens there, else the embedded one",
                "port, 0 for any free one",
                0.0,
                65_535.0,
                0.0,
                false,
            ),
            param("defects_per_min", "Defects by themselves", "a minute", 0.0, 60.0, 8.0, false),
        ],
        faults: FAULTS.map(|row| fault(row, knobs)).into(),
        scenarios: SCENARIOS.iter().map(Scenario::meta).collect(),
        sabotages: Vec::new(), // the list of pipelines adds the shape's
        checks: Vec::new(),    // the same
    }
}

/// What can be chosen of a fault.
fn knobs(fault: &str) -> Vec<KnobMeta> {
    let device = || KnobMeta::new("device", "Device", "any", KnobKind::Name);
    let sensors = || KnobKind::OneOf(Sensor::ALL.map(|(_, name)| name.into()).into());
    let sensor = || KnobMeta::new("sensor", "Sensor", Sensor::Temperature.name(), sensors());
    match fault {
        "offline_30" => vec![KnobMeta::new("percent", "Percent", "30", KnobKind::Number(1, 100))],
        "stuck" | "drift" | "spike" => vec![device(), sensor()],
        "bearing" | "actuator_refuses" => vec![device()],
        "clock_skew" => vec![KnobMeta::new("by", "Seconds", "90", KnobKind::Number(-86_400, 86_400))],
        "reparent" => vec![KnobMeta::new("site", "Site", "any", KnobKind::Name)],
        _ => Vec::new(),
    }
}
