//! The fleet as a sequence of records: one reading a slot of the schedule, and what follows from it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    ambient::{Ambience, Ambient},
    device::{Body, Broken, Defect, Device},
    event::{Command, DeviceEvent, DeviceEventKind, DeviceId, Placement, TruthRecord},
    fault::{FaultKind, Sensor},
    physics::BAND_PCT,
};
use crate::sim::{Random, Schedule};

/// With what a generator starts. Equal parameters, commands and faults give equal bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneratorParams {
    /// The seed.
    pub seed: u64,
    /// Readings per second, of all devices together.
    pub rate_per_s: u32,
    /// Event time of the first reading, epoch ms.
    pub start_at_ms: i64,
    /// How many devices there are.
    pub devices: u32,
    /// How often a sensor fails by itself.
    pub defects_per_min: f64,
}

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Readings.
    SensorData,
    /// Connections.
    DeviceEvents,
    /// Answers to commands.
    CommandAcks,
    /// Where devices belong.
    Hierarchy,
    /// What nobody is told.
    Truth,
}

/// A record to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where to.
    pub topic: Topic,
    /// The device.
    pub key: String,
    /// The value as JSON.
    pub value: Vec<u8>,
    /// When it reaches the cluster.
    pub timestamp_ms: i64,
}

/// The world's tree: regions with their sites; each site has as many zones.
pub(super) const REGIONS: [(&str, [&str; 2]); 2] = [("north", ["alder", "birch"]), ("south", ["cedar", "dogwood"])];
const ZONES: [&str; 3] = ["z1", "z2", "z3"];
/// One device in so many is a machine.
const MACHINE_EVERY: u32 = 6;
/// Readings a device sends at once when it comes back: as fast as a radio can, not all in one breath.
const FLUSH_MAX: usize = 8;
/// Share of readings whose acknowledgement is lost, so that they are sent again (MQTT QoS 1 is at least once).
const REPEATED_SHARE: f64 = 0.003;
/// How long a command travels to its device.
const TRAVEL_MS: (i64, i64) = (40, 350);
/// A change of place is announced so long before it holds.
const ANNOUNCED_MS: i64 = 2_000;
/// Devices come back one after the other over this time; a herd does not.
const BACK_OFF_MS: u64 = 4_000;
/// How long what fails by itself lasts.
const DEFECT_MS: i64 = 12_000;
/// How fast a sensor wanders off, in its own units.
const DRIFT_PER_S: f64 = 0.6;
const SPIKE_MS: i64 = 2_500;
const BEARING_MS: i64 = 30_000;

/// The fleet.
#[derive(Debug)]
pub struct Generator {
    params: GeneratorParams,
    random: Random,
    schedule: Schedule,
    ambience: Ambience,
    devices: Vec<Device>,
    next_device: usize,
    events: u64,
    measured_ms: i64,
    /// Sites that belong to another region for a while: site, its own region, until when.
    moved_sites: Vec<(String, String, i64)>,
    out: Vec<Record>,
    has_begun: bool,
    /// When commands reach which devices.
    arrivals: BTreeSet<(i64, usize)>,
}

impl Generator {
    /// A fleet before its first reading.
    pub fn new(params: GeneratorParams) -> Self {
        let mut random = Random::new(params.seed);
        let devices = (0..params.devices.max(1)).map(|number| device(&mut random, number, params.start_at_ms)).collect();
        Self {
            ambience: Ambience::new(params.seed, params.start_at_ms, params.defects_per_min),
            schedule: Schedule::new(params.rate_per_s),
            random,
            devices,
            next_device: 0,
            events: 0,
            measured_ms: params.start_at_ms,
            moved_sites: Vec::new(),
            out: Vec::new(),
            has_begun: false,
            arrivals: BTreeSet::new(),
            params,
        }
    }

    /// When the next reading is due, in nanoseconds of virtual time.
    pub fn due_ns(&self) -> u128 {
        self.schedule.due_ns()
    }

    /// Event time of the next reading.
    pub fn now_ms(&self) -> i64 {
        self.params.start_at_ms + (self.schedule.due_ns() / 1_000_000) as i64
    }

    /// Readings taken so far, sent or kept.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Changes the rate from the next reading on.
    pub fn set_rate(&mut self, rate_per_s: u32) {
        self.schedule.set_rate(rate_per_s);
    }

    /// Makes the next reading, and gives all that reaches the cluster with it.
    pub fn generate(&mut self) -> Vec<Record> {
        let now_ms = self.now_ms();
        if !std::mem::replace(&mut self.has_begun, true) {
            for place in self.devices.iter().map(|device| device.place.clone()).collect::<Vec<_>>() {
                self.write(Topic::Hierarchy, &place.device_id.0, &place, now_ms);
            }
        }
        while let Some(ambient) = self.ambience.due(now_ms) {
            self.happen(ambient, now_ms);
        }
        self.return_sites(now_ms);
        if now_ms - self.measured_ms >= 1_000 {
            self.measured_ms = now_ms;
            self.tell_moisture(now_ms);
        }
        while let Some(arrival) = self.arrivals.first().copied().filter(|(arrives_ms, _)| *arrives_ms <= now_ms) {
            self.arrivals.remove(&arrival);
            self.answer(arrival.1, now_ms);
        }
        let at = self.next_device;
        self.next_device = (at + 1) % self.devices.len();
        self.devices[at].measure(&mut self.random, now_ms);
        self.connect(at, now_ms);
        self.send(at, FLUSH_MAX, now_ms);
        self.schedule.advance();
        self.events += 1;
        std::mem::take(&mut self.out)
    }

    /// A device hears of a command.
    pub fn command(&mut self, command: Command) {
        let arrives_ms = self.now_ms() + self.random.between(TRAVEL_MS.0, TRAVEL_MS.1);
        if let Some(at) = self.devices.iter().position(|device| device.id == command.device_id) {
            self.devices[at].tell(arrives_ms, command);
            self.arrivals.insert((arrives_ms, at));
        }
    }

    /// Breaks something for so long; false where it does not fit this world.
    pub fn inject(&mut self, kind: &FaultKind, for_ms: i64) -> bool {
        let now_ms = self.now_ms();
        let until_ms = now_ms + for_ms;
        let is_done = match kind {
            FaultKind::Offline { percent } => {
                for at in 0..self.devices.len() {
                    if self.random.chance(f64::from(*percent) / 100.0) {
                        self.disconnect(at, until_ms, true, now_ms);
                    }
                }
                true
            }
            FaultKind::Stuck { device, sensor } => self.spoil(device.as_ref(), *sensor, Defect::Stuck(None), until_ms),
            FaultKind::Drift { device, sensor } => {
                self.spoil(device.as_ref(), *sensor, Defect::Drift { per_s: DRIFT_PER_S, since_ms: now_ms }, until_ms)
            }
            FaultKind::Spike { device, sensor } => self.spoil(device.as_ref(), *sensor, Defect::Spike(15.0), until_ms),
            FaultKind::Bearing { device } => self.wear(device.as_ref(), until_ms),
            FaultKind::ClockSkew { by_ms } => {
                for device in self.devices.iter_mut().step_by(10) {
                    device.clock_off_ms += *by_ms;
                    device.kept.iter_mut().for_each(|reading| reading.ts += *by_ms);
                    device.clock_heals_ms = until_ms;
                }
                true
            }
            FaultKind::MqttDown => {
                (0..self.devices.len()).for_each(|at| self.disconnect(at, until_ms, false, now_ms));
                true
            }
            FaultKind::Herd => {
                (0..self.devices.len()).for_each(|at| self.disconnect(at, until_ms, false, now_ms));
                self.devices.iter_mut().for_each(|device| device.offline_until_ms = Some(until_ms));
                true
            }
            FaultKind::Reparent { site } => self.reparent(site.as_deref(), until_ms, now_ms),
            FaultKind::ActuatorRefuses { device } => self.refuse(device.as_ref(), until_ms),
        };
        if is_done {
            let truth = TruthRecord::Fault { fault: format!("{kind:?}"), from_ms: now_ms, until_ms };
            self.write(Topic::Truth, "truth", &truth, now_ms);
        }
        is_done
    }

    /// The end: what was kept is sent, who was away is back, and the truth is told.
    pub fn finish(&mut self) -> Vec<Record> {
        let now_ms = self.now_ms();
        for at in 0..self.devices.len() {
            self.devices[at].pass(&mut self.random, now_ms);
            self.devices[at].offline_until_ms = self.devices[at].offline_until_ms.map(|_| now_ms);
            self.devices[at].waiting.iter_mut().for_each(|(arrives_ms, _)| *arrives_ms = now_ms.min(*arrives_ms));
            self.connect(at, now_ms);
            self.send(at, usize::MAX, now_ms);
        }
        let readings = self.devices.iter().map(|device| (device.id.clone(), device.seq)).collect();
        self.write(Topic::Truth, "truth", &TruthRecord::Totals { readings, ts: now_ms }, now_ms);
        std::mem::take(&mut self.out)
    }

    fn happen(&mut self, ambient: Ambient, now_ms: i64) {
        match ambient {
            Ambient::Defect => {
                let sensor = Sensor::ALL[self.random.below(3) as usize].0;
                // A device that measures rarely must be seen to fail all the same.
                let interval_ms = self.devices.len() as i64 * 1_000 / i64::from(self.schedule.rate_per_s());
                let until_ms = now_ms + DEFECT_MS.max(12 * interval_ms);
                match self.random.below(4) {
                    0 => self.spoil(None, sensor, Defect::Stuck(None), until_ms),
                    1 => {
                        let per_s = if self.random.chance(0.5) { DRIFT_PER_S } else { -DRIFT_PER_S };
                        self.spoil(None, sensor, Defect::Drift { per_s, since_ms: now_ms }, until_ms)
                    }
                    2 => self.spoil(None, sensor, Defect::Spike(15.0), now_ms + SPIKE_MS.max(4 * interval_ms)),
                    _ => self.wear(None, now_ms + BEARING_MS),
                };
            }
            Ambient::Outage { for_ms } => {
                let at = self.random.below(self.devices.len() as u64) as usize;
                self.disconnect(at, now_ms + for_ms, true, now_ms);
            }
            Ambient::Move => {
                let at = self.random.below(self.devices.len() as u64) as usize;
                let zone = ZONES[self.random.below(ZONES.len() as u64) as usize];
                self.devices[at].place.zone = zone.to_owned();
                self.announce(at, now_ms);
            }
        }
    }

    /// From the next whole second after the announcement on a device belongs where its place says.
    fn announce(&mut self, at: usize, now_ms: i64) {
        let second_ms = (now_ms + ANNOUNCED_MS).div_euclid(1_000) * 1_000 + 1_000;
        self.devices[at].place.valid_from = second_ms;
        let place = self.devices[at].place.clone();
        self.write(Topic::Hierarchy, &place.device_id.0, &place, now_ms);
    }

    fn reparent(&mut self, site: Option<&str>, until_ms: i64, now_ms: i64) -> bool {
        let sites = REGIONS.iter().flat_map(|(region, sites)| sites.iter().map(move |site| (*region, *site)));
        let Some((region, site)) = sites.into_iter().find(|(_, known)| site.is_none_or(|wanted| wanted == *known)) else { return false };
        let Some((other, _)) = REGIONS.iter().find(|(known, _)| *known != region) else { return false };
        self.put_site(site, other, now_ms);
        self.moved_sites.retain(|(moved, ..)| moved != site);
        self.moved_sites.push((site.to_owned(), region.to_owned(), until_ms));
        true
    }

    fn return_sites(&mut self, now_ms: i64) {
        let (over, still) = std::mem::take(&mut self.moved_sites).into_iter().partition(|(.., until_ms)| *until_ms <= now_ms);
        self.moved_sites = still;
        let over: Vec<(String, String, i64)> = over;
        for (site, region, _) in over {
            self.put_site(&site, &region, now_ms);
        }
    }

    fn put_site(&mut self, site: &str, region: &str, now_ms: i64) {
        for at in 0..self.devices.len() {
            if self.devices[at].place.site == site {
                region.clone_into(&mut self.devices[at].place.region);
                self.announce(at, now_ms);
            }
        }
    }

    /// A sensor fails, of this device or of any that is well.
    fn spoil(&mut self, device: Option<&DeviceId>, sensor: Sensor, defect: Defect, until_ms: i64) -> bool {
        let Some(at) = self.choose(device, |device| !device.is_machine() && device.broken.is_none()) else { return false };
        let anomaly = match defect {
            Defect::Stuck(_) => "stuck",
            Defect::Drift { .. } => "drift",
            Defect::Spike(_) => "spike",
        };
        self.devices[at].broken = Some(Broken { sensor, defect, until_ms });
        self.label(at, anomaly, until_ms);
        true
    }

    fn wear(&mut self, device: Option<&DeviceId>, until_ms: i64) -> bool {
        let is_well = |device: &Device| matches!(&device.body, Body::Machine(machine) if machine.is_running() && !machine.is_worn());
        let Some(at) = self.choose(device, is_well) else { return false };
        let now_ms = self.now_ms();
        if let Body::Machine(machine) = &mut self.devices[at].body {
            machine.wear(now_ms);
        }
        self.label(at, "bearing", until_ms);
        true
    }

    fn label(&mut self, at: usize, anomaly: &str, until_ms: i64) {
        let (device_id, from_ms) = (self.devices[at].id.clone(), self.now_ms());
        let key = device_id.0.clone();
        let truth = TruthRecord::Label { device_id, anomaly: anomaly.to_owned(), from_ms, until_ms };
        self.write(Topic::Truth, &key, &truth, from_ms);
    }

    fn refuse(&mut self, device: Option<&DeviceId>, until_ms: i64) -> bool {
        if device.is_some() {
            let Some(at) = self.choose(device, |_| true) else { return false };
            self.devices[at].refuses_until_ms = until_ms;
            return true;
        }
        self.devices.iter_mut().filter(|device| !device.is_machine()).step_by(10).for_each(|device| device.refuses_until_ms = until_ms);
        true
    }

    /// This device, or any that fits and is connected: what a lost device measures shows only later.
    fn choose(&mut self, device: Option<&DeviceId>, fits: impl Fn(&Device) -> bool) -> Option<usize> {
        if let Some(wanted) = device {
            return self.devices.iter().position(|device| device.id == *wanted && fits(device));
        }
        let fitting = self.devices.iter().enumerate().filter(|(_, device)| device.offline_until_ms.is_none() && fits(device));
        let fitting: Vec<_> = fitting.map(|(at, _)| at).collect();
        fitting.get(self.random.below(fitting.len() as u64) as usize).copied()
    }

    fn disconnect(&mut self, at: usize, until_ms: i64, has_will: bool, now_ms: i64) {
        let back_ms = until_ms + self.random.below(BACK_OFF_MS) as i64;
        let device = &mut self.devices[at];
        if device.offline_until_ms.is_some_and(|known_ms| known_ms >= back_ms) {
            return;
        }
        let was_online = device.offline_until_ms.replace(back_ms).is_none();
        if has_will && was_online {
            self.tell_connection(at, DeviceEventKind::Offline, now_ms);
        }
    }

    fn connect(&mut self, at: usize, now_ms: i64) {
        if self.devices[at].offline_until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
            self.devices[at].offline_until_ms = None;
            self.tell_connection(at, DeviceEventKind::Online, now_ms);
        }
    }

    fn tell_connection(&mut self, at: usize, kind: DeviceEventKind, now_ms: i64) {
        let event = DeviceEvent { device_id: self.devices[at].id.clone(), kind, ts: now_ms };
        self.write(Topic::DeviceEvents, &event.device_id.0, &event, now_ms);
    }

    /// Sends what a connected device has kept, oldest first, and its answers.
    fn send(&mut self, at: usize, readings_max: usize, now_ms: i64) {
        if self.devices[at].offline_until_ms.is_some() {
            return;
        }
        let key = self.devices[at].id.0.clone();
        for number in 0..readings_max {
            let device = &mut self.devices[at];
            // The newest first, because somebody may wait for it; then what was kept, oldest first.
            let has_newest = device.kept.back().is_some_and(|reading| reading.seq + 1 == device.seq);
            let next = if number == 0 && has_newest { device.kept.pop_back() } else { device.kept.pop_front() };
            let Some(mut reading) = next else { break };
            reading.sent_ts = now_ms + device.clock_off_ms;
            let times = if self.random.chance(REPEATED_SHARE) { 2 } else { 1 };
            (0..times).for_each(|_| self.write(Topic::SensorData, &key, &reading, now_ms));
        }
        self.answer(at, now_ms);
    }

    /// A connected device obeys what has arrived, and says so.
    fn answer(&mut self, at: usize, now_ms: i64) {
        if self.devices[at].offline_until_ms.is_some() {
            return;
        }
        self.devices[at].pass(&mut self.random, now_ms);
        self.devices[at].obey(now_ms);
        let key = self.devices[at].id.0.clone();
        while let Some(ack) = self.devices[at].answers.pop_front() {
            self.write(Topic::CommandAcks, &key, &ack, now_ms);
        }
    }

    fn tell_moisture(&mut self, now_ms: i64) {
        let (mut fields, mut in_band, mut in_band_without) = (0, 0, 0);
        let is_good = |pct: f64| u64::from((BAND_PCT.0..=BAND_PCT.1).contains(&pct));
        for device in &self.devices {
            if let Body::Field(field) = &device.body {
                fields += 1;
                in_band += is_good(field.moisture_pct);
                in_band_without += is_good(field.unwatered_pct);
            }
        }
        self.write(Topic::Truth, "truth", &TruthRecord::Moisture { ts: now_ms, fields, in_band, in_band_without }, now_ms);
    }

    /// Plain structures of texts and numbers always have a JSON.
    fn write<T: Serialize>(&mut self, topic: Topic, key: &str, value: &T, timestamp_ms: i64) {
        let value = serde_json::to_vec(value).unwrap_or_default();
        self.out.push(Record { topic, key: key.to_owned(), value, timestamp_ms });
    }
}

fn device(random: &mut Random, number: u32, start_ms: i64) -> Device {
    let is_machine = number % MACHINE_EVERY == MACHINE_EVERY - 1;
    let at = number as usize;
    let (region, sites) = &REGIONS[at % REGIONS.len()];
    let site = sites[at / REGIONS.len() % sites.len()];
    let zone = ZONES[at / (REGIONS.len() * sites.len()) % ZONES.len()];
    let device_id = DeviceId(format!("{}-{number:04}", if is_machine { "machine" } else { "field" }));
    let (region, site, zone) = ((*region).to_owned(), site.to_owned(), zone.to_owned());
    // From the beginning of time: what a device measured before its first reading is nobody's.
    let place = Placement { device_id, region, site, zone, valid_from: start_ms.div_euclid(1_000) * 1_000 };
    Device::new(random, place, is_machine, start_ms)
}
