//! The fleet as one task sees it: devices, and what their readings add to the windows of each, and of zones, sites, regions and all.

use serde::{Deserialize, Serialize};

use super::{
    device::{Device, Effects, figures},
    records::{Anomaly, DeviceState, Partial, Rollup, Standing, StatsByName, Status},
    rollups::Told,
    sabotage::Sabotage,
    settings::{CLOCK_MS, COMMAND_TTL_MS, GRACE_MS, ID, KEPT_MS, WINDOW_MS},
    watch::Sign,
};
use crate::{
    pipelines::alert::Alert,
    sim::iot::{Ack, AckResult, Command, DeviceEvent, Placement, Reading, SensorType},
    stream::{Forward, Processor, Record, StoreHandle},
};

/// How often silent devices are looked for, and late roll-ups are told.
const LOOK_EVERY_MS: i64 = 1_000;

/// Stream time that moves on by more has leapt.
const LEAP_MS: i64 = 5_000;

/// What comes in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Input {
    Reading(Reading),
    Event(DeviceEvent),
    Place(Placement),
    Ack(Ack),
}

/// What goes out.
#[derive(Clone, Debug)]
pub(super) enum Output {
    State(Box<DeviceState>),
    Anomaly(Anomaly),
    Command(Command),
    Alert(Alert),
    /// A device's window. All of its readings come here, so that nobody has anything to add.
    Downsampled(Rollup),
    /// For the nodes above.
    Told(Told),
}

/// What the store keeps: devices under `d/<id>`, windows under `w/<start>/<node>`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Kept {
    Device(Box<Device>),
    Window(Window),
}

/// A node's window in this task.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Window {
    node: String,
    start_ms: i64,
    readings: u64,
    stats: StatsByName,
    /// How often it was told, and its readings when it was told first.
    revision: u32,
    first_told: u64,
    /// Nothing came since it was told.
    is_told: bool,
}

impl Kept {
    /// When it may go: windows when nothing more is waited for, devices never.
    pub(super) fn expires_at(_: &String, kept: &Self) -> i64 {
        match kept {
            Self::Window(window) => window.start_ms + WINDOW_MS + KEPT_MS,
            Self::Device(_) => i64::MAX,
        }
    }
}

impl Window {
    /// Of a device, as it is told.
    fn downsampled(&self, device: &str) -> Rollup {
        Rollup {
            node_id: device.to_owned(),
            window_start: self.start_ms,
            window_end: self.start_ms + WINDOW_MS,
            readings: self.readings,
            revision: self.revision.saturating_sub(1),
            late: self.readings.saturating_sub(self.first_told),
            metrics: self.stats.iter().map(|(name, stats)| (name.clone(), stats.summary())).collect(),
        }
    }
}

/// The processor.
pub(super) struct Fleet {
    store: StoreHandle<String, Kept>,
    sabotage: Option<Sabotage>,
    looked_ms: i64,
    /// Stream time when the wall clock was last heard, and for how long it has stood since.
    stood_at_ms: i64,
    stood_ms: i64,
    /// How its devices stood when that was told last.
    standing: Option<Standing>,
}

/// What tells a device's window from a node's.
const DEVICE: &str = "device/";
/// The key of what is told of all devices.
const FLEET: &str = "fleet";
/// How often the wall clock is heard.
pub(super) const WALL_CLOCK_MS: i64 = 1_000;

type Out<'a> = Forward<'a, String, Output>;

impl Fleet {
    pub(super) fn new(store: StoreHandle<String, Kept>, sabotage: Option<Sabotage>) -> Self {
        Self { store, sabotage, looked_ms: i64::MIN, stood_at_ms: i64::MIN, stood_ms: 0, standing: None }
    }

    /// Changes a device, and tells its twin where that says so.
    fn with<T>(&mut self, id: &str, change: impl FnOnce(&mut Device) -> T, is_told: impl Fn(&T) -> bool, out: &mut Out<'_>) -> Option<T> {
        let mut result = None;
        let mut store = self.store.borrow_mut();
        let first = || Kept::Device(Box::default());
        let kept = store.update(&device_key(id), first, |kept| {
            if let Kept::Device(device) = kept {
                result = Some(change(device));
            }
        });
        let state = match kept {
            Kept::Device(device) if result.as_ref().is_some_and(is_told) => Some(Box::new(device.twin.clone())),
            _ => None,
        };
        drop(store);
        if let Some(state) = state {
            let timestamp_ms = state.ts;
            out.send(&Record { key: id.to_owned(), value: Output::State(state), timestamp_ms });
        }
        result
    }

    fn read(&mut self, reading: &Reading, arrived_ms: i64, out: &mut Out<'_>) {
        let (id, sabotage) = (reading.device_id.0.as_str(), self.sabotage);
        if id.is_empty() {
            return; // time has passed, nothing else
        }
        let effects = self.with(id, |device| device.read(reading, arrived_ms, sabotage), |effects| effects.is_changed, out);
        let Some(effects) = effects else { return };
        if let Some((event_ms, place)) = &effects.counts {
            self.count(reading, *event_ms, place, out);
        }
        self.tell(id, effects, arrived_ms, out);
    }

    fn tell(&self, id: &str, effects: Effects, now_ms: i64, out: &mut Out<'_>) {
        let mut send = |value| out.send(&Record { key: id.to_owned(), value, timestamp_ms: now_ms });
        if let Some(off_ms) = effects.clock_off_ms {
            let sign = Sign { value: off_ms as f64, limit: CLOCK_MS as f64 };
            let evidence = format!("its clock is off by {off_ms} ms; its readings are set right by that");
            send(Output::Alert(alert(id, "clock_skew", "warning", (now_ms, now_ms), sign, evidence)));
        }
        for anomaly in effects.anomalies {
            if anomaly.end.is_none() {
                let severity = if anomaly.kind == "vibration" { "critical" } else { "warning" };
                let Sign { value, limit } = anomaly.sign;
                let evidence =
                    format!("{} of {}: {value:.1}, allowed are {limit:.1}, score {:.2}", anomaly.kind, anomaly.sensor, anomaly.score);
                send(Output::Alert(alert(id, &anomaly.kind, severity, (anomaly.start, now_ms), anomaly.sign, evidence)));
            }
            send(Output::Anomaly(anomaly));
        }
        if let Some(command) = effects.command {
            send(Output::Command(command));
        }
    }

    /// Adds a reading to the windows of all nodes above its device.
    fn count(&mut self, reading: &Reading, event_ms: i64, place: &Placement, out: &mut Out<'_>) {
        let start_ms = event_ms - event_ms.rem_euclid(WINDOW_MS);
        let now_ms = out.stream_time_ms();
        let grace_ms = if self.sabotage == Some(Sabotage::DropLate) { GRACE_MS } else { KEPT_MS };
        if start_ms + WINDOW_MS + grace_ms <= now_ms {
            out.count_late();
            return;
        }
        let region = &place.region;
        let site = format!("{region}/{}", place.site);
        let zone = format!("{site}/{}", place.zone);
        // A given series is no stream of many readings a window: it has nothing to be thinned out.
        let is_device = reading.sensor_type != SensorType::Series;
        let device = format!("{DEVICE}{}", reading.device_id.0);
        let is_alone = self.sabotage == Some(Sabotage::KeepNewest);
        for node in [FLEET, region, &site, &zone].into_iter().chain(is_device.then_some(&*device)) {
            let is_anew = is_alone && node == device;
            let first = || Kept::Window(Window { node: node.to_owned(), start_ms, ..Window::default() });
            self.store.borrow_mut().update(&format!("w/{start_ms:013}/{node}"), first, |kept| {
                let Kept::Window(window) = kept else { return };
                if is_anew {
                    (window.readings, window.stats) = (0, StatsByName::new());
                }
                window.readings += 1;
                window.is_told = false;
                for (name, value) in figures(reading) {
                    if let Some(value) = value {
                        window.stats.entry(name.to_owned()).or_default().add(value);
                    }
                }
            });
        }
    }

    /// Tells closed windows that changed, forgets old ones, and looks for devices that have gone silent.
    fn look(&mut self, now_ms: i64, is_leap: bool, out: &mut Out<'_>) {
        while self.store.borrow_mut().pop_expired(now_ms).is_some() {}
        let store = self.store.borrow();
        let is_due = |window: &Window| !window.is_told && window.start_ms + WINDOW_MS + GRACE_MS <= now_ms;
        let windows = store.range("w/".to_owned().."w0".to_owned());
        let due: Vec<_> = windows
            .filter(|(_, kept)| matches!(&**kept, Kept::Window(window) if is_due(window)))
            .map(|(key, _)| key.into_owned())
            .collect();
        let devices: Vec<_> = store.range("d/".to_owned().."d0".to_owned()).map(|(key, _)| key[2..].to_owned()).collect();
        drop(store);
        let source = out.origin().partition;
        for key in due {
            let told = |kept: &mut Kept| {
                if let Kept::Window(window) = kept {
                    (window.is_told, window.revision) = (true, window.revision + 1);
                    window.first_told = if window.revision == 1 { window.readings } else { window.first_told };
                }
            };
            let mut store = self.store.borrow_mut();
            let kept = store.update(&key, || Kept::Window(Window::default()), told);
            let Kept::Window(window) = kept.clone() else { continue };
            drop(store);
            let timestamp_ms = window.start_ms + WINDOW_MS - 1;
            let (key, value) = match window.node.strip_prefix(DEVICE) {
                Some(device) => (device.to_owned(), Output::Downsampled(window.downsampled(device))),
                None => {
                    let Window { node, start_ms, readings, stats, .. } = window;
                    (node, Output::Told(Told::Partial(Partial { window_start: start_ms, source, readings, stats })))
                }
            };
            out.send(&Record { key, value, timestamp_ms });
        }
        self.mark_all(&devices, now_ms, is_leap, out);
    }

    /// Looks which devices have gone silent, and tells how all of them stand where that has changed.
    fn mark_all(&mut self, devices: &[String], now_ms: i64, is_leap: bool, out: &mut Out<'_>) {
        devices.iter().for_each(|id| self.mark(id, now_ms, is_leap, out));
        let mut standing = Standing { source: out.origin().partition, devices: 0, offline: 0, missing: 0 };
        for (_, kept) in self.store.borrow().range("d/".to_owned().."d0".to_owned()) {
            if let Kept::Device(device) = &*kept
                && device.twin.last_seen > 0
            {
                standing.devices += 1;
                standing.offline += u64::from(device.twin.status == Status::Offline);
                standing.missing += device.twin.missing;
            }
        }
        if self.standing.replace(standing) != Some(standing) {
            out.send(&Record { key: FLEET.to_owned(), value: Output::Told(Told::Standing(standing)), timestamp_ms: now_ms });
        }
    }

    /// Looks whether a device has gone silent; its state changes seldom, so it is written only then.
    fn mark(&mut self, id: &str, now_ms: i64, is_leap: bool, out: &mut Out<'_>) {
        let mut is_changed = false;
        if let Some(Kept::Device(device)) = self.store.borrow().get(&device_key(id)).as_deref() {
            is_changed = device.twin.last_seen > 0 && device.clone().pass(now_ms, is_leap);
        }
        if is_changed {
            self.with(id, |device| device.pass(now_ms, is_leap), |is_changed| *is_changed, out);
        }
    }
}

impl Processor<String, Input, String, Output> for Fleet {
    fn process(&mut self, record: &Record<String, Input>, out: &mut Out<'_>) {
        let now_ms = record.timestamp_ms;
        match &record.value {
            Input::Reading(reading) => self.read(reading, now_ms, out),
            Input::Event(event) => drop(self.with(&event.device_id.0, |device| device.connection(event, now_ms), |told| *told, out)),
            Input::Place(place) => {
                let waited = self.with(&place.device_id.0, |device| device.place(place), |_| false, out).unwrap_or_default();
                waited.iter().for_each(|(event_ms, reading)| self.count(reading, *event_ms, place, out));
            }
            Input::Ack(ack) => {
                let told_ms = self.with(&ack.device_id.0, |device| device.answered(ack, now_ms), |_| false, out).flatten();
                if let Some(told_ms) = told_ms.filter(|_| ack.result != AckResult::Done) {
                    let sign = Sign { value: (ack.ts - told_ms) as f64, limit: COMMAND_TTL_MS as f64 };
                    let evidence = format!("command {} was answered with {:?} after {} ms", ack.command_id, ack.result, sign.value);
                    let alert = alert(&ack.device_id.0, "actuator", "warning", (told_ms, now_ms), sign, evidence);
                    out.send(&Record { key: ack.device_id.0.clone(), value: Output::Alert(alert), timestamp_ms: now_ms });
                }
            }
        }
    }

    fn stream_time_advanced(&mut self, out: &mut Out<'_>) {
        let now_ms = out.stream_time_ms();
        if now_ms.saturating_sub(self.looked_ms) >= LOOK_EVERY_MS {
            // After a leap it is not the devices that were silent but the whole topic; who is still silent in a second is.
            let is_leap = now_ms.saturating_sub(self.looked_ms) > LEAP_MS;
            self.looked_ms = now_ms;
            self.look(now_ms, is_leap, out);
        }
    }

    /// When nothing comes at all, stream time stands still, and only the wall clock tells that devices are silent.
    fn wall_clock(&mut self, out: &mut Out<'_>) {
        let stream_ms = out.stream_time_ms();
        if stream_ms != self.stood_at_ms {
            (self.stood_at_ms, self.stood_ms) = (stream_ms, 0);
            return;
        }
        self.stood_ms += WALL_CLOCK_MS;
        if stream_ms > i64::MIN && self.stood_ms > WALL_CLOCK_MS {
            let ids: Vec<_> = self.store.borrow().range("d/".to_owned().."d0".to_owned()).map(|(key, _)| key[2..].to_owned()).collect();
            self.mark_all(&ids, stream_ms + self.stood_ms, false, out);
        }
    }
}

fn device_key(id: &str) -> String {
    format!("d/{id}")
}

/// An alert; `sign` is what gave it away, and its limit.
fn alert(subject: &str, rule: &str, severity: &str, (from_ms, ts): (i64, i64), sign: Sign, evidence: String) -> Alert {
    Alert {
        alert_id: format!("{ID}-{subject}-{rule}-{ts}"),
        pipeline: ID.to_owned(),
        rule: rule.to_owned(),
        severity: severity.to_owned(),
        subject_key: subject.to_owned(),
        window_start: from_ms,
        window_end: ts,
        value: sign.value,
        threshold: sign.limit,
        evidence: vec![evidence],
        ts,
    }
}
