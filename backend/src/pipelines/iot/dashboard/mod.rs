//! The dashboard, folded from topics alone.

mod effects;
mod fleet;
mod sensors;
mod series;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use serde::de::DeserializeOwned;
use weir_model::{Chooser, Dashboard, PipelineAction, Problem, Source, Span, TimestampMs, Widget, WidgetBody};

pub(super) use self::series::SeriesFold;
use super::{
    records::{Anomaly, DeviceState, Rollup, Status},
    settings::{ANOMALIES, COMMAND_ACKS, COMMANDS, DEVICE_EVENTS, DEVICE_ROLLUPS, DEVICE_STATE, SENSOR_DATA, SITE_ROLLUPS, TRUTH},
};
use crate::{
    pipelines::shape::{DashboardFold, Emit, Observed},
    sim::iot::{Ack, AckResult, Command, DeviceEvent, DeviceEventKind, DeviceId, SensorType, TruthRecord},
};

/// Devices, and those of them whose figures are kept for the chart.
const DEVICES_MAX: usize = 10_000;
const TRACED_MAX: usize = 600;
/// Figures of a device that are kept: two minutes, once a second or so.
const TRACE_MAX: usize = 150;
/// Seconds that are shown: five minutes.
const SECONDS_MAX: usize = 300;
/// Anomalies, commands, and roll-up windows of a node that are kept.
const ANOMALIES_MAX: usize = 40;
const COMMANDS_MAX: usize = 400;
const WINDOWS_MAX: usize = 30;
const NODES_MAX: usize = 500;
/// Where soil should be, in percent.
const BAND_PCT: (f64, f64) = (22.0, 50.0);

/// What happened in a second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    readings: u64,
    connected: u64,
    lost: u64,
}

/// How the fleet stood at a second.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    online: u64,
    missing: u64,
    /// The mean and the least of soil moisture.
    moisture: Option<(f64, f64)>,
    open_pct: f64,
}

/// A command and its answer.
#[derive(Clone, Debug)]
struct Told {
    command: Command,
    answer: Option<(AckResult, i64)>,
}

/// When what was measured, by name.
type Trace = VecDeque<(i64, BTreeMap<String, f64>)>;

/// What the dashboard knows.
#[derive(Debug, Default)]
pub(super) struct Fold {
    /// Compacted topics still hold what runs before told.
    since_ms: i64,
    newest_ms: Option<i64>,
    twins: BTreeMap<DeviceId, DeviceState>,
    traces: BTreeMap<DeviceId, Trace>,
    seconds: BTreeMap<i64, Second>,
    standings: BTreeMap<i64, Standing>,
    rollups: BTreeMap<String, BTreeMap<i64, Rollup>>,
    /// The same by device.
    downsampled: BTreeMap<String, BTreeMap<i64, Rollup>>,
    anomalies: VecDeque<Anomaly>,
    found: u64,
    commands: VecDeque<Told>,
    /// Answers that came before their commands: topics are read side by side.
    early: BTreeMap<String, (AckResult, i64)>,
    /// How devices send.
    network: Option<Network>,
    /// The device that the user chose.
    chosen: Option<DeviceId>,
}

/// How devices send.
#[derive(Clone, Debug)]
struct Network {
    mqtt_devices: u64,
    devices: u64,
    through: String,
}

impl Fold {
    pub(super) fn new(since_ms: i64) -> Self {
        Self { since_ms, ..Self::default() }
    }

    fn second(&mut self, at_ms: i64) -> Option<&mut Second> {
        let at = at_ms.div_euclid(1_000);
        if self.seconds.len() > SECONDS_MAX {
            self.seconds.pop_first();
        }
        if self.seconds.first_key_value().is_some_and(|(first, _)| at < *first && self.seconds.len() >= SECONDS_MAX) {
            return None;
        }
        Some(self.seconds.entry(at).or_default())
    }

    fn add_twin(&mut self, twin: DeviceState) {
        if self.twins.len() >= DEVICES_MAX && !self.twins.contains_key(&twin.device_id) {
            return;
        }
        if self.traces.len() < TRACED_MAX || self.traces.contains_key(&twin.device_id) {
            let trace = self.traces.entry(twin.device_id.clone()).or_default();
            if trace.back().is_none_or(|(at_ms, _)| *at_ms < twin.last_ts) {
                trace.push_back((twin.last_ts, twin.values.clone()));
                if trace.len() > TRACE_MAX {
                    trace.pop_front();
                }
            }
        }
        let at = twin.ts.div_euclid(1_000);
        self.twins.insert(twin.device_id.clone(), twin);
        if !self.standings.contains_key(&at) {
            let standing = self.standing();
            self.standings.insert(at, standing);
            if self.standings.len() > SECONDS_MAX {
                self.standings.pop_first();
            }
        }
    }

    fn standing(&self) -> Standing {
        let mut standing = Standing::default();
        let (mut sum, mut least, mut open, mut fields) = (0.0, f64::INFINITY, 0_u64, 0_u64);
        for twin in self.twins.values() {
            standing.online += u64::from(twin.status == Status::Online);
            standing.missing += twin.missing;
            if let Some(pct) = moisture(twin) {
                (sum, least, fields) = (sum + pct, least.min(pct), fields + 1);
                open += u64::from(twin.is_on == Some(true));
            }
        }
        if fields > 0 {
            standing.moisture = Some((sum / fields as f64, least));
            standing.open_pct = open as f64 * 100.0 / fields as f64;
        }
        standing
    }

    fn add_anomaly(&mut self, anomaly: Anomaly) {
        match self.anomalies.iter_mut().find(|known| known.anomaly_id == anomaly.anomaly_id) {
            Some(known) => *known = anomaly,
            None => {
                self.found += 1;
                self.anomalies.push_front(anomaly);
            }
        }
        self.anomalies.truncate(ANOMALIES_MAX);
    }

    fn add_command(&mut self, command: Command) {
        let answer = self.early.remove(&command.command_id);
        self.commands.push_front(Told { command, answer });
        self.commands.truncate(COMMANDS_MAX);
    }

    fn add_ack(&mut self, ack: Ack) {
        let told = self.commands.iter_mut().find(|told| told.command.command_id == ack.command_id);
        match told {
            Some(told) => told.answer = Some((ack.result, ack.ts)),
            None => {
                self.early.insert(ack.command_id, (ack.result, ack.ts));
                if self.early.len() > COMMANDS_MAX {
                    self.early.pop_first();
                }
            }
        }
    }
}

impl DashboardFold for Fold {
    fn observe(&mut self, record: &Observed<'_>, _: TimestampMs) {
        if record.timestamp_ms < self.since_ms {
            return;
        }
        match record.topic {
            SENSOR_DATA if !record.key.unwrap_or_default().is_empty() => {
                if let Some(second) = self.second(record.timestamp_ms) {
                    second.readings += 1;
                }
            }
            DEVICE_EVENTS => read(record, |event: DeviceEvent| {
                let Some(second) = self.second(event.ts) else { return };
                match event.kind {
                    DeviceEventKind::Online => second.connected += 1,
                    DeviceEventKind::Offline => second.lost += 1,
                }
            }),
            DEVICE_STATE => read(record, |twin| self.add_twin(twin)),
            SITE_ROLLUPS => read(record, |rollup| add_rollup(&mut self.rollups, rollup, NODES_MAX)),
            DEVICE_ROLLUPS => read(record, |rollup| add_rollup(&mut self.downsampled, rollup, TRACED_MAX)),
            ANOMALIES => read(record, |anomaly| self.add_anomaly(anomaly)),
            COMMANDS => read(record, |command| self.add_command(command)),
            COMMAND_ACKS => read(record, |ack| self.add_ack(ack)),
            TRUTH => {
                read(record, |truth| {
                    if let TruthRecord::Network { mqtt_devices, devices, through } = truth {
                        self.network = Some(Network { mqtt_devices, devices, through });
                    }
                });
                return;
            }
            _ => return,
        }
        // The end of a run lets time go on so that windows close; nobody's reading is no news.
        if !record.key.unwrap_or_default().is_empty() {
            self.newest_ms = self.newest_ms.max(Some(record.timestamp_ms));
        }
    }

    fn dashboard(&self, _: TimestampMs) -> Dashboard {
        let mut widgets = fleet::tiles(self);
        widgets.extend(effects::tiles(self));
        widgets.extend(fleet::fleet(self));
        widgets.extend(effects::all(self));
        widgets.extend(sensors::all(self));
        widgets.push(effects::latency(self));
        widgets.extend(fleet::devices(self));
        widgets.extend([sensors::tree(self), fleet::network(self)]);
        Dashboard { event_time: self.newest_ms.map(TimestampMs), widgets }
    }

    fn act(&mut self, action: &PipelineAction, _: &mut Emit) -> Result<(), Problem> {
        let wanted = chosen(action, "device")?.map(DeviceId);
        if let Some(id) = wanted.as_ref().filter(|id| !self.traces.contains_key(*id)) {
            return Err(unknown("device", &id.0));
        }
        self.chosen = wanted;
        Ok(())
    }
}

fn add_rollup(all: &mut BTreeMap<String, BTreeMap<i64, Rollup>>, rollup: Rollup, nodes_max: usize) {
    if all.len() >= nodes_max && !all.contains_key(&rollup.node_id) {
        return;
    }
    let windows = all.entry(rollup.node_id.clone()).or_default();
    windows.insert(rollup.window_start, rollup);
    if windows.len() > WINDOWS_MAX {
        windows.pop_first();
    }
}

/// What the user chose; `None` lets the pipeline choose.
fn chosen(action: &PipelineAction, what: &str) -> Result<Option<String>, Problem> {
    if &*action.verb != Chooser::VERB {
        let why = format!("a {what} can be chosen here, and nothing else");
        return Err(Problem::new(
            format!("Nothing was done in {}", action.widget),
            why,
            "This is a defect of this program; please report it",
        ));
    }
    Ok(Some(action.subject.trim().to_owned()).filter(|subject| !subject.is_empty()))
}

fn unknown(what: &str, name: &str) -> Problem {
    Problem::new(format!("There is no {what} {name}"), "nothing of it was seen", "Choose one from the list, or none")
}

/// What people call a figure of the readings, and its unit; any other is called what it is.
fn quantity(figure: &str) -> (&str, &str) {
    match figure {
        "temperature_c" => ("temperature", "°C"),
        "humidity_pct" => ("humidity", "%"),
        "soil_moisture_pct" => ("soil moisture", "%"),
        "vibration_rms_g" => ("vibration", "g"),
        "battery_v" => ("battery", "V"),
        _ => (figure, ""),
    }
}

/// A field's soil moisture.
fn moisture(twin: &DeviceState) -> Option<f64> {
    twin.values.get("soil_moisture_pct").copied().filter(|_| twin.sensor_type == SensorType::Field)
}

fn widget(id: &str, title: &str, help: &str, span: Span, topic: &str, body: WidgetBody) -> Widget {
    Widget { id: id.into(), title: title.into(), help: help.into(), span, source: Source::Topic(topic.into()), body }
}

/// What is no such record is passed over: anybody may write to a topic.
fn read<T: DeserializeOwned>(record: &Observed<'_>, with: impl FnOnce(T)) {
    if let Some(value) = record.value.and_then(|value| serde_json::from_slice(value).ok()) {
        with(value);
    }
}
