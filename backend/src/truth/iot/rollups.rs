//! Roll-ups of nodes and of devices against a plain recomputation from the readings: each once, at the time it was taken, where its device
//! belonged then.

use std::collections::{BTreeMap, HashMap};

use weir_model::Check;

use super::Seen;
use crate::{
    pipelines::iot::{
        records::Rollup,
        settings::{CLOCK_MS, DEVICE_ROLLUPS, GRACE_MS, HIERARCHY, SENSOR_DATA, SITE_ROLLUPS, WINDOW_MS},
    },
    sim::iot::{DeviceId, Placement, Reading, SensorType},
    truth::{Sequence, check, pending},
};

/// Seconds of devices that are kept; a longer run is judged by its beginning.
const SECONDS_MAX: usize = 400_000;
/// Windows of nodes that are kept.
const WINDOWS_MAX: usize = 200_000;
/// Sums of thousandths are exact; what is divided is equal up to this.
const TOLERANCE: f64 = 1e-6;

/// Count, sum, bounds and squares of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sums {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    squares: f64,
}

type ByName = BTreeMap<&'static str, Sums>;

/// A second of a device: places change at whole seconds.
#[derive(Clone, Debug, Default)]
struct Second {
    readings: u64,
    sums: ByName,
}

/// Roll-ups by the window's start and node.
type Told = BTreeMap<(i64, String), Rollup>;

/// Compares roll-ups.
#[derive(Debug, Default)]
pub struct Rollups {
    seconds: BTreeMap<(DeviceId, i64), Second>,
    places: BTreeMap<DeviceId, BTreeMap<i64, Placement>>,
    seen: HashMap<DeviceId, Sequence>,
    told: Told,
    told_of_devices: Told,
    /// Readings from this event time on were not kept.
    beyond_ms: Option<i64>,
}

impl Rollups {
    /// Takes a record in.
    pub fn observe(&mut self, seen: &Seen<'_>, since_ms: i64) {
        match seen.topic {
            SENSOR_DATA => {
                let reading = seen.read::<Reading>().filter(|reading| reading.boot >= since_ms && seen.is_of(&reading.device_id));
                if let Some(reading) = reading {
                    self.add(reading, seen.timestamp_ms);
                }
            }
            HIERARCHY => {
                if let Some(place) = seen.read::<Placement>() {
                    self.places.entry(place.device_id.clone()).or_default().insert(place.valid_from, place);
                }
            }
            SITE_ROLLUPS | DEVICE_ROLLUPS => {
                let Some(rollup) = seen.read::<Rollup>().filter(|rollup| rollup.window_end > since_ms) else { return };
                let key = (rollup.window_start, rollup.node_id.clone());
                let told = if seen.topic == SITE_ROLLUPS { &mut self.told } else { &mut self.told_of_devices };
                if told.len() < WINDOWS_MAX || told.contains_key(&key) {
                    told.insert(key, rollup);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, reading: Reading, arrived_ms: i64) {
        let seqs = self.seen.entry(reading.device_id.clone()).or_default();
        let had = seqs.seen();
        seqs.observe(reading.seq);
        if seqs.seen() == had {
            return;
        }
        let offset_ms = if reading.sent_ts == 0 { 0 } else { reading.sent_ts - arrived_ms };
        let event_ms = reading.ts - if offset_ms.abs() > CLOCK_MS { offset_ms } else { 0 };
        let key = (reading.device_id, event_ms.div_euclid(1_000));
        if self.seconds.len() >= SECONDS_MAX && !self.seconds.contains_key(&key) {
            self.beyond_ms = Some(self.beyond_ms.map_or(event_ms, |beyond_ms| beyond_ms.min(event_ms)));
            return;
        }
        let second = self.seconds.entry(key).or_default();
        second.readings += 1;
        let temperature = if reading.sensor_type == SensorType::Machine { "motor_temperature_c" } else { "temperature_c" };
        let figures = [
            (temperature, reading.temperature_c),
            ("humidity_pct", reading.humidity_pct),
            ("soil_moisture_pct", reading.soil_moisture_pct),
            ("vibration_rms_g", reading.vibration_rms_g),
            ("power_kw", reading.power_kw),
            ("value", reading.value),
        ];
        for (name, value) in figures.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            merge(&mut second.sums, name, &Sums { count: 1, sum: value, min: value, max: value, squares: value * value });
        }
    }

    /// `rollups_equal_batch` and `downsampled_equal_batch`; windows that are not told yet are no mistake before the end.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        let of_nodes = || self.verdict("rollups_equal_batch", "in four levels", &self.told, is_over.then(|| self.batch()));
        let of_devices =
            || self.verdict("downsampled_equal_batch", "by device", &self.told_of_devices, is_over.then(|| self.batch_of_devices()));
        vec![of_nodes(), of_devices()]
    }

    fn verdict(&self, id: &str, how: &str, told: &Told, batch: Option<BTreeMap<(i64, String), Second>>) -> Check {
        let Some(batch) = batch else {
            return pending(id, format!("{} windows told, {} of them corrected since; compared at the end", told.len(), corrected(told)));
        };
        let is_kept = |start_ms: i64| self.beyond_ms.is_none_or(|beyond_ms| start_ms + WINDOW_MS + GRACE_MS <= beyond_ms);
        let keys: std::collections::BTreeSet<_> = batch.keys().chain(told.keys()).filter(|(start_ms, _)| is_kept(*start_ms)).collect();
        let (mut equal, mut readings, mut example) = (0_usize, 0, None);
        for key in &keys {
            let (ours, told) = (batch.get(*key), told.get(*key));
            readings += ours.map_or(0, |second| second.readings);
            match difference(ours, told) {
                None => equal += 1,
                Some(difference) => example = example.or_else(|| Some(format!("{} from {}: {difference}", key.1, key.0))),
            }
        }
        if keys.is_empty() {
            return pending(id, "no window is closed yet");
        }
        let mut evidence = format!(
            "{equal} of {} windows equal a recomputation of {readings} readings {how}; {} were corrected after they were told",
            keys.len(),
            corrected(told)
        );
        if let Some(example) = example {
            evidence += &format!("; first: {example}");
        }
        check(id, equal == keys.len(), evidence)
    }

    fn batch_of_devices(&self) -> BTreeMap<(i64, String), Second> {
        let mut batch = BTreeMap::<(i64, String), Second>::new();
        for ((device, second), sums) in &self.seconds {
            let at_ms = second * 1_000;
            let window = batch.entry((at_ms - at_ms.rem_euclid(WINDOW_MS), device.0.clone())).or_default();
            window.readings += sums.readings;
            sums.sums.iter().for_each(|(name, sums)| merge(&mut window.sums, name, sums));
        }
        batch
    }

    fn batch(&self) -> BTreeMap<(i64, String), Second> {
        let mut batch = BTreeMap::<(i64, String), Second>::new();
        for ((device, second), sums) in &self.seconds {
            let at_ms = second * 1_000;
            let places = self.places.get(device);
            let place = places.and_then(|places| places.range(..=at_ms).next_back().or_else(|| places.first_key_value()));
            let start_ms = at_ms - at_ms.rem_euclid(WINDOW_MS);
            let (region, site, zone) =
                place.map_or(("unplaced", "", ""), |(_, place)| (place.region.as_str(), place.site.as_str(), place.zone.as_str()));
            for node in ["fleet".to_owned(), region.to_owned(), format!("{region}/{site}"), format!("{region}/{site}/{zone}")] {
                let node = batch.entry((start_ms, node)).or_default();
                node.readings += sums.readings;
                sums.sums.iter().for_each(|(name, sums)| merge(&mut node.sums, name, sums));
            }
        }
        batch
    }
}

/// Windows for which something came after they were told.
fn corrected(told: &Told) -> usize {
    told.values().filter(|rollup| rollup.revision > 0).count()
}

fn merge(all: &mut ByName, name: &'static str, more: &Sums) {
    let sums = all.entry(name).or_insert(Sums { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, squares: 0.0 });
    sums.count += more.count;
    sums.sum += more.sum;
    sums.squares += more.squares;
    (sums.min, sums.max) = (sums.min.min(more.min), sums.max.max(more.max));
}

/// What is not equal, in words.
fn difference(ours: Option<&Second>, told: Option<&Rollup>) -> Option<String> {
    let (Some(ours), Some(told)) = (ours, told) else {
        return Some(if told.is_some() { "no reading is in it" } else { "it was not told" }.to_owned());
    };
    if ours.readings != told.readings {
        return Some(format!("{} readings, not {}", told.readings, ours.readings));
    }
    let is_near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0);
    for (name, sums) in &ours.sums {
        let Some(metric) = told.metrics.get(*name) else { return Some(format!("no {name}")) };
        let avg = sums.sum / sums.count as f64;
        let var = (sums.squares / sums.count as f64 - avg * avg).max(0.0);
        let pairs = [
            ("count", sums.count as f64, metric.count as f64),
            ("sum", sums.sum, metric.sum),
            ("min", sums.min, metric.min),
            ("max", sums.max, metric.max),
            ("avg", avg, metric.avg),
            ("var", var, metric.var),
        ];
        if let Some((what, ours, told)) = pairs.into_iter().find(|(_, ours, told)| !is_near(*ours, *told)) {
            return Some(format!("{what} of {name} is {told}, not {ours}"));
        }
    }
    (told.metrics.len() != ours.sums.len()).then(|| "figures that nobody measured".to_owned())
}
