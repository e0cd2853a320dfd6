//! A made-up corpus in the manner of the Numenta Anomaly Benchmark: its groups, lengths and windows, series of the same kinds, and no value
//! of its data. What happens now and then without being labelled is in it too: that is what makes the real one hard.

use std::{f64::consts::TAU, ops::RangeInclusive};

use super::Random;

/// A series with its labels.
pub(super) struct Series {
    /// Group and kind.
    pub(super) name: String,
    /// One value a row.
    pub(super) values: Vec<f64>,
    /// Anomalous rows: together a tenth of the series.
    pub(super) windows: Vec<RangeInclusive<usize>>,
}

/// Makes a row's value from the row, how far an anomaly has come in rows if there is one, and chance.
type Kind = fn(&mut Shape, usize, Option<usize>, &mut Random) -> f64;

/// What stays the same in a series, drawn once, and what goes on from row to row.
struct Shape {
    level: f64,
    noise: f64,
    day: usize,
    phase: f64,
    variant: u64,
    state: f64,
    burst: f64,
}

/// Group, how many series, their length, the most anomalies in one, the kind.
const GROUPS: [(&str, usize, usize, u64, Kind); 18] = [
    ("artificialNoAnomaly/flat", 2, 4_032, 0, flat),
    ("artificialNoAnomaly/wave", 3, 4_032, 0, wave),
    ("artificialWithAnomaly/wave", 4, 4_032, 1, wave),
    ("artificialWithAnomaly/spikes", 2, 4_032, 1, spikes),
    ("realAWSCloudwatch/cpu", 8, 4_032, 2, cpu),
    ("realAWSCloudwatch/disk", 2, 4_730, 3, disk),
    ("realAWSCloudwatch/network", 3, 4_500, 2, network),
    ("realAWSCloudwatch/requests", 2, 4_032, 2, requests),
    ("realAWSCloudwatch/group", 2, 4_600, 3, group),
    ("realAdExchange/price", 6, 1_624, 3, price),
    ("realKnownCause/ambient", 1, 7_267, 2, ambient),
    ("realKnownCause/latency", 2, 4_032, 3, latency),
    ("realKnownCause/machine", 1, 22_695, 4, machine),
    ("realKnownCause/taxi", 1, 10_320, 5, taxi),
    ("realKnownCause/keys", 2, 3_600, 2, keys),
    ("realTraffic/speed", 5, 1_500, 3, speed),
    ("realTraffic/travel_time", 2, 2_300, 3, travel_time),
    ("realTweets/volume", 10, 15_880, 4, volume),
];

/// The share of anomalies that can be seen in the values, and of series with one that nobody labelled.
const SHOWS: f64 = 0.9;
const UNLABELLED: f64 = 0.5;

/// The corpus of a seed.
pub(super) fn corpus(seed: u64) -> Vec<Series> {
    let mut random = Random::new(seed);
    let mut all = Vec::new();
    for (name, count, rows, anomalies, kind) in GROUPS {
        for at in 0..count {
            let count = if anomalies == 0 { 0 } else { 1 + random.below(anomalies) as usize };
            all.push(series(format!("{name}_{at}"), rows, count, kind, at as u64, &mut random));
        }
    }
    all
}

fn series(name: String, rows: usize, count: usize, kind: Kind, variant: u64, random: &mut Random) -> Series {
    let level = 20.0 + 60.0 * random.unit();
    let noise = 0.01 + 0.06 * random.unit();
    let mut shape = Shape { level, noise, day: 288, phase: random.unit(), variant, state: 0.0, burst: 0.0 };
    let width = rows / 10 / count.max(1);
    let (mut starts, mut windows) = (Vec::new(), Vec::new());
    let first = rows * 2 / 10;
    for at in 0..count {
        let room = (rows * 75 / 100) / count;
        let slack = room.saturating_sub(width).max(1) as u64;
        let begins = first + at * room + random.below(slack) as usize;
        windows.push(begins..=(begins + width - 1).min(rows - 1));
        // Who labels looks at the middle of the window, and is off a little; some see the trouble only when it is over.
        let off = 0.5 + random.normal(-0.05, 0.13);
        // What was known from elsewhere may not show.
        if random.chance(SHOWS) {
            starts.push(begins + (width as f64 * off.clamp(0.02, 0.9)) as usize);
        }
    }
    // The same may happen without being labelled, or while nothing counts yet.
    if count > 0 && random.chance(UNLABELLED) {
        starts.push(random.below(rows as u64) as usize);
    }
    starts.sort_unstable();
    let wanders = if name.starts_with("artificial") { 0.0 } else { 0.004 * random.unit() };
    let mut wander = 0.0;
    let values = (0..rows)
        .map(|row| {
            let since = starts.iter().rev().find(|start| **start <= row).map(|start| row - start);
            wander = 0.999 * wander + random.normal(0.0, wanders);
            kind(&mut shape, row, since, random) * (1.0 + wander)
        })
        .collect();
    Series { name, values, windows }
}

impl Shape {
    fn daily(&self, row: usize) -> f64 {
        let at = row as f64 / self.day as f64 + self.phase;
        (TAU * at).sin() + 0.35 * (2.0 * TAU * at + 1.0).sin()
    }

    /// Something that comes seldom, is high, and dies away.
    fn bursts(&mut self, random: &mut Random, chance: f64, height: f64, keeps: f64) -> f64 {
        self.burst *= keeps;
        if random.chance(chance) {
            self.burst += random.exponential(height);
        }
        self.burst
    }
}

fn lasts(since: Option<usize>, rows: usize) -> bool {
    since.is_some_and(|since| since < rows)
}

fn flat(shape: &mut Shape, _: usize, _: Option<usize>, random: &mut Random) -> f64 {
    if shape.variant == 0 { shape.level } else { shape.level * (1.0 + random.normal(0.0, 0.3)) }
}

fn wave(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    let is_day = (row % shape.day) > shape.day * 3 / 8 && (row % shape.day) < shape.day * 3 / 4;
    let noise = random.unit() * if shape.variant == 1 { 0.0 } else { 0.12 };
    let (high, low) = match (shape.variant % 4, lasts(since, shape.day)) {
        (0, true) => (0.1, 0.1),
        (1, true) => (0.5, 0.2),
        (2, true) => (1.6, 0.2),
        (3, true) => (0.2, 0.2),
        _ => (0.8, 0.2),
    };
    100.0 * (noise + if is_day { high } else { low })
}

fn spikes(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    let dense = lasts(since, 300);
    let every = if shape.variant == 0 && dense { 12 } else { 48 };
    let high = if shape.variant == 1 && dense { 3.0 } else { 1.0 };
    random.unit() * 0.05 + if row.is_multiple_of(every) { high * (0.8 + 0.2 * random.unit()) } else { 0.0 }
}

fn cpu(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    // A duty that repeats every few rows, some noise, and jobs now and then.
    let duty = [0.0, 0.6, -0.4, 0.2, -0.7][row % 5] * 0.06;
    let jobs = shape.bursts(random, 0.0012, 0.12, 0.5);
    let mut value = shape.level * (1.0 + duty * (shape.variant % 2) as f64 + random.normal(0.0, shape.noise) + jobs);
    match shape.variant % 4 {
        0 if lasts(since, 8) => value += 40.0,
        1 if since.is_some() => value += shape.level * 0.35,
        2 if lasts(since, 60) => value *= 0.45,
        3 if lasts(since, 150) => value += random.normal(0.0, 0.25 * shape.level) + 5.0,
        _ => {}
    }
    value.max(0.05)
}

fn disk(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    let job = row.is_multiple_of(60) || random.chance(0.01);
    let value = if job { random.exponential(3.0e6) } else { 0.0 };
    value + if lasts(since, 12) { 2.5e7 * (0.5 + random.unit()) * (1.0 + shape.phase) } else { 0.0 }
}

fn network(shape: &mut Shape, _: usize, since: Option<usize>, random: &mut Random) -> f64 {
    let bursts = shape.bursts(random, 0.004, 3.0e5, 0.3);
    let value = 1.0e5 * (1.0 + shape.phase) * (1.0 + random.normal(0.0, 0.08)) + bursts;
    value + if lasts(since, 10) { 2.0e6 * (0.6 + 0.5 * random.unit()) } else { 0.0 }
}

fn requests(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    let rate = 60.0 * (1.1 + shape.daily(row)).max(0.1);
    let value = rate + random.normal(0.0, 1.0) * rate.sqrt() * 2.0 + shape.bursts(random, 0.002, 40.0, 0.6);
    (value + if lasts(since, 6) { 350.0 } else { 0.0 }).max(0.0).round()
}

fn group(shape: &mut Shape, _: usize, since: Option<usize>, random: &mut Random) -> f64 {
    if random.chance(0.000_8) {
        shape.state = random.normal(0.0, 2.0);
    }
    let value = 33.0 + shape.state + random.normal(0.0, 0.25);
    if lasts(since, 80) { value * 0.3 } else { value }
}

fn price(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    shape.day = 24;
    let value = 0.1 * (1.0 + 0.15 * shape.daily(row)) * random.normal(0.0, 0.22).exp() + 0.04 * shape.bursts(random, 0.012, 1.0, 0.1);
    value + if lasts(since, 3) { 0.35 + 0.5 * random.unit() } else { 0.0 }
}

fn ambient(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    shape.day = 24;
    shape.state = 0.97 * shape.state + random.normal(0.0, 0.5);
    let value = 71.0 + 1.5 * shape.daily(row) + shape.state;
    value + since.map_or(0.0, |since| if since < 150 { -7.0 * (since as f64 / 25.0).min(1.0) } else { 0.0 })
}

fn latency(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    let value = 45.0 + shape.daily(row) + random.normal(0.0, 1.4) + shape.bursts(random, 0.001, 6.0, 0.3);
    let high = if shape.variant == 0 { 25.0 } else { 9.0 };
    value + if lasts(since, 20) { high * (0.6 + random.unit()) } else { 0.0 }
}

fn machine(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    shape.state = 0.996 * shape.state + random.normal(0.0, 0.9);
    let value = 88.0 + shape.state + 2.0 * shape.daily(row) + random.normal(0.0, 0.6);
    // It fails slowly, then at once, and is repaired.
    value - since.map_or(0.0, |since| if since < 400 { 60.0 * (since as f64 / 250.0).powi(2).min(1.0) } else { 0.0 })
}

fn taxi(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    shape.day = 48;
    let weekend = if (row / 48) % 7 >= 5 { 0.85 } else { 1.0 };
    let value = 15_000.0 + 9_000.0 * shape.daily(row) * weekend + random.normal(0.0, 650.0);
    match since {
        Some(since) if since < 60 => 0.6 * value + 1_500.0,
        _ => value,
    }
    .max(10.0)
}

fn keys(shape: &mut Shape, _: usize, since: Option<usize>, random: &mut Random) -> f64 {
    let active = random.chance(if lasts(since, 60) { 0.6 } else { 0.12 });
    if active { 0.05 + random.exponential(if lasts(since, 60) { 2.0 } else { 0.6 }) + 0.1 * shape.phase } else { 0.0 }
}

fn speed(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    shape.day = 150; // rows are missing at night
    let rush = if (row + 40) % 150 < 8 && random.chance(0.25) { 14.0 } else { 0.0 };
    let value = 66.0 - rush + random.normal(0.0, 3.3) - shape.bursts(random, 0.003, 7.0, 0.4);
    (value - if lasts(since, 12) { 20.0 + 25.0 * random.unit() } else { 0.0 }).max(5.0).round()
}

fn travel_time(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    shape.day = 200;
    let value = 250.0 + 60.0 * shape.daily(row).max(0.0) + random.exponential(45.0) + shape.bursts(random, 0.008, 150.0, 0.4);
    (value + if lasts(since, 10) { 900.0 * (0.6 + random.unit()) } else { 0.0 }).round()
}

fn volume(shape: &mut Shape, row: usize, since: Option<usize>, random: &mut Random) -> f64 {
    let open = (row % shape.day) > 160 && (row / shape.day) % 7 < 5;
    let rate = (0.2 + shape.level / 40.0) * (12.0 + 8.0 * shape.daily(row) + if open { 14.0 } else { 0.0 }).max(3.0);
    let value = rate + random.normal(0.0, 1.0) * (2.0 * rate).sqrt() + rate * shape.bursts(random, 0.006, 1.6, 0.75);
    let told = since.map_or(0.0, |since| rate * (14.0 + 10.0 * shape.phase) * (-(since as f64) / 9.0).exp());
    (value + told).max(0.0).round()
}
