//! A device: what it measures, what is wrong with it, and what it keeps until it can send.

use std::collections::VecDeque;

use super::{
    event::{Ack, AckResult, Action, Command, DeviceId, Placement, Reading, SensorType},
    fault::Sensor,
    physics::{Field, Machine, air_c},
};
use crate::sim::Random;

/// Readings and answers a device keeps at most; beyond it the oldest are overwritten, and a gap stays. Half an hour at one a second.
const KEPT_MAX: usize = 2_000;
/// Commands that wait for a device's return at most.
const WAITING_MAX: usize = 32;

/// What is wrong with a sensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Defect {
    /// It tells this again and again, once it is known.
    Stuck(Option<f64>),
    /// It wanders off by so much a second since then.
    Drift { per_s: f64, since_ms: i64 },
    /// It is off by so much.
    Spike(f64),
}

/// A defect of a sensor and when it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Broken {
    pub(super) sensor: Sensor,
    pub(super) defect: Defect,
    pub(super) until_ms: i64,
}

/// What is under the sensors.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Field(Field),
    Machine(Machine),
}

#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) id: DeviceId,
    pub(super) place: Placement,
    pub(super) body: Body,
    base_c: f64,
    boot: i64,
    pub(super) seq: u64,
    battery_v: f64,
    rssi: i32,
    fw: &'static str,
    pub(super) broken: Option<Broken>,
    pub(super) clock_off_ms: i64,
    pub(super) clock_heals_ms: i64,
    /// Without network until then.
    pub(super) offline_until_ms: Option<i64>,
    pub(super) kept: VecDeque<Reading>,
    /// Commands on their way to it, with when they arrive.
    pub(super) waiting: VecDeque<(i64, Command)>,
    pub(super) answers: VecDeque<Ack>,
    pub(super) refuses_until_ms: i64,
}

impl Device {
    pub(super) fn new(random: &mut Random, place: Placement, is_machine: bool, boot: i64) -> Self {
        let body = if is_machine { Body::Machine(Machine::new(boot)) } else { Body::Field(Field::new(random, boot)) };
        Self {
            id: place.device_id.clone(),
            base_c: 18.0 + 6.0 * random.unit(),
            place,
            body,
            boot,
            seq: 0,
            battery_v: 3.4 + 0.7 * random.unit(),
            rssi: -95 + random.below(50) as i32,
            fw: ["1.4.2", "1.4.2", "1.4.3", "1.5.0-rc1"][random.below(4) as usize],
            broken: None,
            clock_off_ms: 0,
            clock_heals_ms: 0,
            offline_until_ms: None,
            kept: VecDeque::new(),
            waiting: VecDeque::new(),
            answers: VecDeque::new(),
            refuses_until_ms: 0,
        }
    }

    pub(super) fn is_machine(&self) -> bool {
        matches!(self.body, Body::Machine(_))
    }

    /// Time passes for what is under the sensors.
    pub(super) fn pass(&mut self, random: &mut Random, now_ms: i64) {
        match &mut self.body {
            Body::Field(field) => field.pass(air_c(self.base_c, now_ms), now_ms),
            Body::Machine(machine) => machine.pass(random, now_ms),
        }
        if self.broken.is_some_and(|broken| broken.until_ms <= now_ms) {
            self.broken = None;
        }
        if self.clock_off_ms != 0 && self.clock_heals_ms <= now_ms {
            // A device that learns the time sets right what it kept.
            self.kept.iter_mut().for_each(|reading| reading.ts -= self.clock_off_ms);
            self.clock_off_ms = 0;
        }
    }

    /// Takes a reading and keeps it.
    pub(super) fn measure(&mut self, random: &mut Random, now_ms: i64) {
        self.pass(random, now_ms);
        self.battery_v = (self.battery_v - 0.000_02).max(2.9);
        let mut reading = Reading {
            device_id: self.id.clone(),
            site: self.place.site.clone(),
            zone: self.place.zone.clone(),
            boot: self.boot,
            seq: self.seq,
            ts: now_ms + self.clock_off_ms,
            battery_v: Some(rounded(self.battery_v, 3)),
            rssi: Some(self.rssi + random.below(5) as i32),
            fw: Some(self.fw.to_owned()),
            ..Reading::default()
        };
        self.seq += 1;
        match &self.body {
            Body::Field(field) => {
                let air_c = air_c(self.base_c, now_ms);
                reading.sensor_type = SensorType::Field;
                reading.temperature_c = Some(rounded(air_c + random.normal(0.0, 0.2), 2));
                reading.humidity_pct = Some(rounded(62.0 - 1.5 * (air_c - 20.0) + random.normal(0.0, 0.6), 2));
                reading.soil_moisture_pct = Some(rounded(field.moisture_pct + random.normal(0.0, 0.15), 2));
                reading.is_on = Some(field.is_open);
            }
            Body::Machine(machine) => {
                reading.sensor_type = SensorType::Machine;
                reading.temperature_c = Some(rounded(machine.temperature_c + random.normal(0.0, 0.2), 2));
                reading.vibration_rms_g = Some(rounded((machine.vibration_g(now_ms) + random.normal(0.0, 0.01)).max(0.0), 3));
                reading.power_kw = Some(rounded(machine.power_kw() + random.normal(0.0, 0.08), 2));
                reading.is_on = Some(machine.is_running());
            }
        }
        self.spoil(&mut reading, now_ms);
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(reading);
    }

    fn spoil(&mut self, reading: &mut Reading, now_ms: i64) {
        let Some(broken) = &mut self.broken else { return };
        let value = match broken.sensor {
            Sensor::Temperature => &mut reading.temperature_c,
            Sensor::Humidity => &mut reading.humidity_pct,
            Sensor::Moisture => &mut reading.soil_moisture_pct,
        };
        let Some(value) = value else { return };
        *value = match &mut broken.defect {
            Defect::Stuck(at) => *at.get_or_insert(*value),
            Defect::Drift { per_s, since_ms } => rounded(*value + *per_s * (now_ms - *since_ms) as f64 / 1_000.0, 2),
            Defect::Spike(by) => rounded(*value + *by, 2),
        };
    }

    /// A command is on its way.
    pub(super) fn tell(&mut self, arrives_ms: i64, command: Command) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((arrives_ms, command));
        }
    }

    /// Obeys what has arrived.
    pub(super) fn obey(&mut self, now_ms: i64) {
        while let Some((_, command)) = self.waiting.pop_front_if(|(arrives_ms, _)| *arrives_ms <= now_ms) {
            let result = self.act(&command, now_ms);
            self.answers.push_back(Ack { command_id: command.command_id, device_id: self.id.clone(), result, ts: now_ms });
        }
    }

    fn act(&mut self, command: &Command, now_ms: i64) -> AckResult {
        if now_ms - command.ts > command.ttl_ms {
            return AckResult::Expired;
        }
        if now_ms < self.refuses_until_ms {
            return AckResult::Refused;
        }
        match (&mut self.body, command.action) {
            (Body::Field(field), Action::OpenValve) => field.turn(Some(command.arg), now_ms),
            (Body::Field(field), Action::CloseValve) => field.turn(None, now_ms),
            (Body::Machine(machine), Action::ShutDown) => machine.shut_down(now_ms),
            _ => return AckResult::Refused,
        }
        AckResult::Done
    }
}

/// Sensors have so many digits.
fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
