//! What is known of one device, and what its next reading means.

use serde::{Deserialize, Serialize};

use super::{
    control::{Control, Known},
    machine::MachineWatch,
    records::{Anomaly, DeviceState, Status},
    sabotage::Sabotage,
    seqs::{Place, Seqs},
    settings::{CLOCK_MS, DRY_PCT, LIVE_MS, OFFLINE_MS, OPEN_MAX_S, STALE_MS, TWIN_EVERY_MS, WET_PCT},
    watch::{Behaviour, Change, Sign, Watch},
};
use crate::sim::iot::{Ack, Command, DeviceEvent, DeviceEventKind, Placement, Reading, SensorType};

/// Places a device had that are kept: enough for a move every few seconds within what roll-ups keep.
const PLACES_MAX: usize = 64;
/// Readings that wait for a place at most; a device with more has none.
const UNPLACED_MAX: usize = 100;
/// How fast the time between readings is learnt.
const INTERVAL_WEIGHT: f64 = 0.2;

/// Sensors that are watched one by one, and how they behave.
const SENSORS: [(&str, Behaviour); 4] = [
    ("temperature_c", Behaviour { slope_per_s: 0.0, sigma_min: 0.1, tolerance: 1.0 }),
    ("humidity_pct", Behaviour { slope_per_s: 0.0, sigma_min: 0.3, tolerance: 1.0 }),
    ("soil_moisture_pct", Behaviour { slope_per_s: 3.0, sigma_min: 0.2, tolerance: 1.0 }),
    ("value", Behaviour { slope_per_s: 0.0, sigma_min: 1e-9, tolerance: 1.0 }),
];

/// A device as far as it is known.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Device {
    pub(super) twin: DeviceState,
    seqs: Seqs,
    places: Vec<Placement>,
    watches: [Watch; 4],
    machine: MachineWatch,
    control: Control,
    /// What its connection was last said to be, and when.
    is_connected: bool,
    connection_ms: i64,
    /// When it was last told.
    told_ms: i64,
    /// Something of it was not told yet.
    is_untold: bool,
    found: u64,
    open: Vec<Anomaly>,
    /// Readings from before it was known where it belongs: topics are read side by side, and its place is on its way.
    unplaced: Vec<(i64, Reading)>,
}

/// What follows from a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// The reading counts, at this event time, in this place.
    pub counts: Option<(i64, Placement)>,
    /// What begins or ends to be wrong.
    pub anomalies: Vec<Anomaly>,
    /// What to tell the device.
    pub command: Option<Command>,
    /// Its clock is wrong, as of now, by so much.
    pub clock_off_ms: Option<i64>,
    /// The twin is to be told.
    pub is_changed: bool,
}

impl Device {
    /// Takes a reading in; `arrived_ms` is the cluster's clock.
    pub fn read(&mut self, reading: &Reading, arrived_ms: i64, sabotage: Option<Sabotage>) -> Effects {
        if reading.boot > self.twin.boot {
            let places = std::mem::take(&mut self.places);
            *self = Self { places, ..Self::default() };
            self.twin.boot = reading.boot;
        }
        let is_old = reading.boot < self.twin.boot;
        let place = if is_old { Place::Again } else { self.seqs.note(reading.seq) };
        let mut effects = Effects::default();
        if place == Place::Again {
            self.twin.duplicates += 1;
            if sabotage == Some(Sabotage::CountTwice) {
                effects.counts = Some((reading.ts, self.place_at(reading, reading.ts, sabotage)));
            }
            return effects;
        }
        let offset_ms = if reading.sent_ts == 0 { 0 } else { reading.sent_ts - arrived_ms };
        let was_wrong = self.twin.clock_offset_ms != 0;
        let offset_ms = if offset_ms.abs() > CLOCK_MS { offset_ms } else { 0 };
        let event_ms = reading.ts - offset_ms;
        effects.clock_off_ms = Some(offset_ms).filter(|offset_ms| *offset_ms != 0 && !was_wrong);
        if self.places.is_empty() && reading.sensor_type != SensorType::Series && self.unplaced.len() < UNPLACED_MAX {
            self.unplaced.push((event_ms, reading.clone()));
        } else {
            effects.counts = Some((event_ms, self.place_at(reading, event_ms, sabotage)));
        }
        let is_newest = place == Place::Newest;
        self.twin.filled += u64::from(!is_newest);
        let had_missing = self.twin.missing;
        if is_newest || sabotage != Some(Sabotage::NeverFill) {
            (self.twin.missing, self.twin.first_missing) = (self.seqs.missing(), self.seqs.first_missing());
        }
        let had = (self.twin.status, had_missing == 0);
        if is_newest || sabotage == Some(Sabotage::LastWriteWins) {
            self.mirror(reading, event_ms, offset_ms);
        }
        if arrived_ms > self.connection_ms {
            self.is_connected = true;
        }
        self.twin.last_seen = self.twin.last_seen.max(arrived_ms);
        self.judge(arrived_ms);
        if is_newest {
            self.look(reading, event_ms, arrived_ms, sabotage, &mut effects);
            self.act(reading, event_ms, arrived_ms, sabotage, &mut effects);
        }
        let is_due = arrived_ms - self.told_ms >= TWIN_EVERY_MS;
        effects.is_changed = is_due || !effects.anomalies.is_empty() || had != (self.twin.status, self.twin.missing == 0);
        self.twin.ts = arrived_ms;
        self.is_untold = !effects.is_changed;
        if effects.is_changed {
            self.told_ms = arrived_ms;
        }
        effects
    }

    /// Takes in what became of its connection.
    pub fn connection(&mut self, event: &DeviceEvent, now_ms: i64) -> bool {
        if event.ts < self.connection_ms {
            return false;
        }
        (self.connection_ms, self.is_connected) = (event.ts, event.kind == DeviceEventKind::Online);
        if self.is_connected {
            self.twin.last_seen = self.twin.last_seen.max(event.ts);
        }
        self.pass(now_ms, false)
    }

    /// Takes in where it belongs; gives the readings that waited for that, with when they were taken.
    pub fn place(&mut self, place: &Placement) -> Vec<(i64, Reading)> {
        self.twin.device_id.clone_from(&place.device_id);
        self.places.retain(|known| known.valid_from != place.valid_from);
        let at = self.places.partition_point(|known| known.valid_from <= place.valid_from);
        self.places.insert(at, place.clone());
        if self.places.len() > PLACES_MAX {
            self.places.remove(0);
        }
        std::mem::take(&mut self.unplaced)
    }

    /// Takes an answer to a command in; when that was given, if it was waited for.
    pub fn answered(&mut self, ack: &Ack, now_ms: i64) -> Option<i64> {
        self.control.answered(ack, now_ms)
    }

    /// Time has passed, by a leap or step by step: who is silent shows in steps only. Whether the twin is to be told.
    pub fn pass(&mut self, now_ms: i64, is_leap: bool) -> bool {
        let had_status = self.twin.status;
        if !is_leap {
            self.judge(now_ms);
        }
        let is_changed = had_status != self.twin.status || (self.is_untold && now_ms - self.told_ms >= TWIN_EVERY_MS);
        if is_changed {
            (self.told_ms, self.twin.ts, self.is_untold) = (now_ms, now_ms, false);
        }
        is_changed
    }

    /// Where a reading counts: by its event time, not by when it came.
    fn place_at(&self, reading: &Reading, event_ms: i64, sabotage: Option<Sabotage>) -> Placement {
        let known = self.places.iter().rev();
        let valid = |place: &&Placement| place.valid_from <= event_ms || sabotage == Some(Sabotage::CurrentGroup);
        let place = known.clone().find(valid).or_else(|| self.places.first()).cloned();
        // Given data has no hierarchy: each series says where it belongs.
        place.unwrap_or_else(|| Placement {
            device_id: reading.device_id.clone(),
            region: "unplaced".to_owned(),
            site: reading.site.clone(),
            zone: reading.zone.clone(),
            valid_from: i64::MIN,
        })
    }

    fn mirror(&mut self, reading: &Reading, event_ms: i64, offset_ms: i64) {
        let place = self.place_at(reading, event_ms, None);
        let twin = &mut self.twin;
        let steps = reading.seq.saturating_sub(twin.last_seq) as f64;
        if twin.last_ts > 0 && event_ms > twin.last_ts && steps > 0.0 {
            let interval_ms = (event_ms - twin.last_ts) as f64 / steps;
            let weight = if twin.interval_ms == 0.0 { 1.0 } else { INTERVAL_WEIGHT };
            twin.interval_ms += weight * (interval_ms - twin.interval_ms);
        }
        twin.device_id.clone_from(&reading.device_id);
        (twin.sensor_type, twin.last_seq, twin.last_ts, twin.clock_offset_ms) = (reading.sensor_type, reading.seq, event_ms, offset_ms);
        (twin.region, twin.site, twin.zone) = (place.region, place.site, place.zone);
        twin.is_on = reading.is_on;
        if reading.soil_moisture_pct.is_some() && twin.cfg.is_empty() {
            twin.cfg =
                [("dry_pct", DRY_PCT), ("wet_pct", WET_PCT), ("open_max_s", OPEN_MAX_S)].map(|(name, mark)| (name.to_owned(), mark)).into();
        }
        twin.fw = reading.fw.clone().unwrap_or_default();
        let others = [("battery_v", reading.battery_v), ("rssi", reading.rssi.map(f64::from))];
        twin.values = figures(reading).into_iter().chain(others).filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    }

    /// Status and health.
    fn judge(&mut self, now_ms: i64) {
        let twin = &mut self.twin;
        let silent_ms = (now_ms - twin.last_seen) as f64;
        let missed = |readings: f64, least_ms: i64| silent_ms > (readings * twin.interval_ms).max(least_ms as f64);
        twin.status = match () {
            () if !self.is_connected || missed(3.0, OFFLINE_MS) => Status::Offline,
            () if missed(2.0, STALE_MS) => Status::Stale,
            () => Status::Online,
        };
        let below = |name: &str, least: f64| twin.values.get(name).is_some_and(|value| *value < least);
        let mut lost = match twin.status {
            Status::Online => 0.0,
            Status::Stale => 30.0,
            Status::Offline => 60.0,
        };
        lost += 20.0 * self.open.len() as f64;
        lost += if below("battery_v", 3.5) { 10.0 } else { 0.0 } + if below("rssi", -90.0) { 5.0 } else { 0.0 };
        lost += if twin.clock_offset_ms == 0 { 0.0 } else { 10.0 } + (twin.missing as f64 / 5.0).min(20.0);
        twin.health = (100.0_f64 - lost).max(0.0);
    }

    /// Looks for what is wrong; readings come here in the order they were taken.
    fn look(&mut self, reading: &Reading, event_ms: i64, arrived_ms: i64, sabotage: Option<Sabotage>, effects: &mut Effects) {
        if sabotage == Some(Sabotage::SleepThrough) {
            return;
        }
        let tolerance = if sabotage == Some(Sabotage::Jumpy) { 0.15 } else { 1.0 };
        if reading.sensor_type == SensorType::Machine {
            if let (Some(vibration), Some(temperature), Some(power)) = (reading.vibration_rms_g, reading.temperature_c, reading.power_kw) {
                let is_running = reading.is_on.unwrap_or(true);
                let change = self.machine.observe(event_ms, is_running, [vibration, temperature, power], tolerance);
                match change {
                    Some(Some(sign)) => self.found(("machine", "vibration"), (event_ms, arrived_ms), sign, effects),
                    Some(None) => self.over("machine", event_ms, effects),
                    None => {}
                }
            }
        } else {
            let of = figures(reading);
            for (at, (sensor, behaviour)) in SENSORS.iter().enumerate() {
                let Some(value) = of.iter().find(|(name, _)| name == sensor).and_then(|(_, value)| *value) else { continue };
                let is_driven = reading.is_on == Some(true);
                match self.watches[at].observe(event_ms, value, is_driven, &Behaviour { tolerance, ..*behaviour }) {
                    Some(Change::Opened { wrong, since_ms, sign }) => {
                        self.found((sensor, wrong.name()), (since_ms, arrived_ms), sign, effects);
                    }
                    Some(Change::Closed) => self.over(sensor, event_ms, effects),
                    None => {}
                }
            }
        }
        self.twin.anomalies = self.open.iter().map(|anomaly| format!("{} {}", anomaly.sensor, anomaly.kind)).collect();
    }

    fn found(&mut self, (sensor, kind): (&str, &str), (start, detected_at): (i64, i64), sign: Sign, effects: &mut Effects) {
        self.found += 1;
        let device_id = self.twin.device_id.clone();
        let anomaly_id = format!("{device_id}-{:x}-{}", self.twin.boot, self.found);
        let (sensor, kind) = (sensor.to_owned(), kind.to_owned());
        let anomaly = Anomaly { anomaly_id, device_id, sensor, kind, score: sign.score(), sign, start, detected_at, end: None };
        self.open.push(anomaly.clone());
        effects.anomalies.push(anomaly);
    }

    fn over(&mut self, sensor: &str, end: i64, effects: &mut Effects) {
        let (over, still) = std::mem::take(&mut self.open).into_iter().partition(|anomaly| anomaly.sensor == sensor);
        self.open = still;
        let over: Vec<Anomaly> = over;
        effects.anomalies.extend(over.into_iter().map(|anomaly| Anomaly { end: Some(end), ..anomaly }));
    }

    fn act(&mut self, reading: &Reading, event_ms: i64, arrived_ms: i64, sabotage: Option<Sabotage>, effects: &mut Effects) {
        if arrived_ms - event_ms > LIVE_MS {
            return;
        }
        let moisture = SENSORS.iter().position(|(sensor, _)| *sensor == "soil_moisture_pct").map(|at| &self.watches[at]);
        let known =
            Known { is_moisture_wrong: moisture.and_then(Watch::wrong).is_some(), is_shaking: self.machine.is_open(), now_ms: arrived_ms };
        let command = self.control.decide(reading, known);
        effects.command = match sabotage {
            Some(Sabotage::NoIrrigation) => command.filter(|command| command.action != crate::sim::iot::Action::OpenValve),
            Some(Sabotage::Misaddress) => {
                command.map(|command| Command { device_id: crate::sim::iot::DeviceId("nobody".to_owned()), ..command })
            }
            _ => command,
        };
    }
}

/// What a reading measures, by name.
pub(super) fn figures(reading: &Reading) -> [(&'static str, Option<f64>); 6] {
    // A motor's temperature and the air's have no common mean.
    let temperature = if reading.sensor_type == SensorType::Machine { "motor_temperature_c" } else { "temperature_c" };
    [
        (temperature, reading.temperature_c),
        ("humidity_pct", reading.humidity_pct),
        ("soil_moisture_pct", reading.soil_moisture_pct),
        ("vibration_rms_g", reading.vibration_rms_g),
        ("power_kw", reading.power_kw),
        ("value", reading.value),
    ]
}
