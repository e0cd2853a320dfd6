//! The fleet as a run drives it: records when they are due, faults with their knobs, and the commands that devices hear.

use std::sync::Arc;

use super::{
    meta::FAULTS,
    settings::{COMMAND_ACKS, COMMANDS, DEVICE_EVENTS, GRACE_MS, HIERARCHY, SENSOR_DATA, TRUTH, WINDOW_MS},
};
use crate::{
    pipelines::shape::{Command, Emit, EmitRecord, Observed, RunParams, World},
    sim::iot::{self, DeviceId, FaultKind, Generator, GeneratorParams, Reading, Record, Sensor, Topic, TruthRecord},
};

/// A burst measures so many times as often.
const BURST: u32 = 5;

/// The world of a run: devices write straight to the cluster, as if their bridge were perfect.
pub(super) struct FleetWorld {
    generator: Generator,
    rate_per_s: u32,
    burst_until_ms: Option<i64>,
    /// How devices send, until it is told.
    network: Option<TruthRecord>,
}

impl FleetWorld {
    /// A fleet of which so many devices speak MQTT: through which broker, or why none does.
    pub(super) fn new(run: &RunParams, mqtt_devices: u32, through: String) -> Self {
        let params = GeneratorParams {
            seed: run.params.seed,
            rate_per_s: run.params.rate_per_s,
            start_at_ms: run.start_at.0,
            devices: run.setting("devices") as u32,
            defects_per_min: run.setting("defects_per_min"),
        };
        let (mqtt_devices, devices) = (u64::from(mqtt_devices.min(params.devices)), u64::from(params.devices));
        let network = Some(TruthRecord::Network { mqtt_devices, devices, through });
        Self { generator: Generator::new(params), rate_per_s: params.rate_per_s, burst_until_ms: None, network }
    }

    /// Event time of the next reading.
    pub(super) fn now_ms(&self) -> i64 {
        self.generator.now_ms()
    }

    /// A device hears a command now.
    pub(super) fn tell(&mut self, command: iot::Command) {
        self.generator.command(command);
    }
}

impl World for FleetWorld {
    fn due_ns(&self) -> u128 {
        self.generator.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        if self.burst_until_ms.is_some_and(|until_ms| until_ms <= self.generator.now_ms()) {
            self.burst_until_ms = None;
            self.generator.set_rate(self.rate_per_s);
        }
        if let Some(network) = self.network.take() {
            out.send(TRUTH, "truth", serde_json::to_vec(&network).unwrap_or_default(), self.generator.now_ms());
        }
        self.generator.generate().into_iter().for_each(|record| send(out, record));
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.rate_per_s = rate_per_s;
        let burst = if self.burst_until_ms.is_some() { BURST } else { 1 };
        self.generator.set_rate(rate_per_s.saturating_mul(burst));
    }

    fn events(&self) -> u64 {
        self.generator.events()
    }

    fn command(&mut self, command: &Command) -> Option<i64> {
        let (fault, for_ms) = fault_of(command)?;
        match fault {
            Some(kind) => self.generator.inject(&kind, for_ms).then_some(for_ms),
            None => {
                self.burst_until_ms = Some(self.generator.now_ms() + for_ms);
                self.set_rate(self.rate_per_s);
                Some(for_ms)
            }
        }
    }

    fn hears(&self) -> Vec<Arc<str>> {
        vec![COMMANDS.into()]
    }

    fn hear(&mut self, record: &Observed<'_>) {
        // Whoever else writes to the topic may write nonsense; devices do not listen to it.
        if let Some(command) = record.value.and_then(|value| serde_json::from_slice(value).ok()) {
            self.generator.command(command);
        }
    }

    fn finish(&mut self, out: &mut Emit) {
        self.generator.finish().into_iter().for_each(|record| send(out, record));
        // Time goes on in every partition, so that the last windows close; this is nobody's reading.
        let timestamp_ms = self.generator.now_ms() + WINDOW_MS + GRACE_MS + 1_000;
        let value = serde_json::to_vec(&Reading { ts: timestamp_ms, ..Reading::default() }).unwrap_or_default();
        for partition in 0..out.partitions_of(SENSOR_DATA) {
            let (topic, key, value) = (SENSOR_DATA, Some(Vec::new()), Some(value.clone()));
            out.push(EmitRecord { topic, partition: Some(partition), key, value, timestamp_ms });
        }
    }
}

fn send(out: &mut Emit, record: Record) {
    out.send(topic_of(record.topic), record.key, record.value, record.timestamp_ms);
}

/// The topic of a kind of record.
pub(super) fn topic_of(topic: Topic) -> &'static str {
    match topic {
        Topic::SensorData => SENSOR_DATA,
        Topic::DeviceEvents => DEVICE_EVENTS,
        Topic::CommandAcks => COMMAND_ACKS,
        Topic::Hierarchy => HIERARCHY,
        Topic::Truth => TRUTH,
    }
}

/// A fault with its knobs (`None` for the burst, which is the schedule's), and for how long; `None` for one that is not known, or not so.
fn fault_of(command: &Command) -> Option<(Option<FaultKind>, i64)> {
    let (name, _, default_ms, _) = FAULTS.iter().find(|(name, ..)| *name == command.fault.as_str())?;
    let knob = |name: &str| command.knobs.get(name).map(String::as_str);
    let number = |name: &str, default: i64, range: std::ops::RangeInclusive<i64>| match knob(name) {
        Some(text) => text.trim_end_matches(['s', '%']).parse::<i64>().ok().filter(|number| range.contains(number)),
        None => Some(default),
    };
    let for_ms = number("for", *default_ms / 1_000, 1..=3_600)? * 1_000;
    let device = knob("device").map(|id| DeviceId(id.to_owned()));
    let sensor = Sensor::ALL.iter().find(|(_, known)| *known == knob("sensor").unwrap_or("temperature")).map(|(sensor, _)| *sensor);
    let kind = match *name {
        "offline_30" => FaultKind::Offline { percent: number("percent", 30, 1..=100)? as u32 },
        "stuck" => FaultKind::Stuck { device, sensor: sensor? },
        "drift" => FaultKind::Drift { device, sensor: sensor? },
        "spike" => FaultKind::Spike { device, sensor: sensor? },
        "bearing" => FaultKind::Bearing { device },
        "clock_skew" => FaultKind::ClockSkew { by_ms: number("by", 90, -86_400..=86_400)? * 1_000 },
        "mqtt_down" => FaultKind::MqttDown,
        "herd" => FaultKind::Herd,
        "reparent" => FaultKind::Reparent { site: knob("site").map(str::to_owned) },
        "actuator_refuses" => FaultKind::ActuatorRefuses { device },
        "burst" => return Some((None, for_ms)),
        _ => return None,
    };
    Some((Some(kind), for_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_card_is_known_with_and_without_knobs() {
        let of = |text: &str| fault_of(&Command::parse(&text.into()));
        for (name, _, default_ms, _) in FAULTS.iter().filter(|(name, ..)| *name != "kill_processor") {
            assert_eq!(of(name).map(|(_, for_ms)| for_ms), Some(*default_ms), "{name}");
        }
        let stuck = FaultKind::Stuck { device: Some(DeviceId("field-0007".to_owned())), sensor: Sensor::Moisture };
        assert_eq!(of("stuck:device=field-0007,sensor=moisture,for=30s"), Some((Some(stuck), 30_000)));
        assert_eq!(of("offline_30:percent=60"), Some((Some(FaultKind::Offline { percent: 60 }), 20_000)));
        for wrong in ["stuck:sensor=smell", "offline_30:percent=200", "clock_skew:by=noon", "herd:for=never", "earthquake"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
