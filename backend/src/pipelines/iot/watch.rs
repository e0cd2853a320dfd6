//! What is normal of one sensor, and what is not: a robust score for jumps (by median absolute deviation), CUSUM for what wanders off its
//! level (or, where that moves by itself, off its path), repetition for what is stuck.
//!
//! Nothing is learnt from what looks wrong, so that a defect does not become normal; after a minute of it, it is.

use serde::{Deserialize, Serialize};

use super::{
    baseline::{Baseline, FIRST},
    path::Path,
};

/// Readings before anything is said.
const LEARN_MIN: u32 = FIRST;
/// A jump of so many deviations is a spike.
const JUMP_SIGMAS: f64 = 12.0;
/// CUSUM's slack and limit, in deviations. Page's k is half the shift to be found; air itself moves by half a deviation a memory. The
/// textbook's half a deviation and five give a false alarm every 465 values where nothing is wrong: of a fleet's sensors three a second.
/// Tried on this one, seven of eight findings were nothing.
const CUSUM_SLACK: f64 = 1.5;
const CUSUM_LIMIT: f64 = 15.0;
/// One reading adds no more than this to it: a single jump is not a drift.
const CUSUM_STEP: f64 = 5.0;
/// So many equal readings in a row are no chance with sensors of this many digits.
const SAME_MAX: u32 = 7;
/// Readings like before until all is well again.
const WELL_MIN: u32 = 3;
/// The same slack for what is off its path, which is known less well than a level; and the time between two readings that count whole.
const PATH_SLACK: f64 = 2.0;
const PATH_STEP_S: f64 = 0.5;
/// How fast the error of a path grows that nobody corrects, in units of the value.
const PATH_ERROR_PER_S: f64 = 0.15;
/// What lasts longer is the new normal.
const OPEN_MAX_MS: i64 = 60_000;

/// How a sensor behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Behaviour {
    /// It moves by itself no faster than this in a second: soil that is watered. Zero for what stays where it is.
    pub slope_per_s: f64,
    /// Its deviations are not taken for smaller.
    pub sigma_min: f64,
    /// Deviations are tolerated so many times.
    pub tolerance: f64,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It jumped.
    Spike,
    /// It repeats itself.
    Stuck,
    /// It wandered off.
    Drift,
}

impl Wrong {
    /// As anomalies call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Stuck => "stuck",
            Self::Drift => "drift",
        }
    }
}

/// What a reading changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Something is wrong from here on.
    Opened {
        /// What.
        wrong: Wrong,
        /// Since when.
        since_ms: i64,
        /// What gave it away, in the units of its limit: deviations, or readings that are the same.
        sign: Sign,
    },
    /// All is well again.
    Closed,
}

/// A figure that is beyond its limit.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Sign {
    /// The figure.
    pub value: f64,
    /// From where on it is wrong.
    pub limit: f64,
}

impl Sign {
    /// How clear it is, from one half at the limit to 1.
    pub fn score(self) -> f64 {
        1.0 - self.limit / self.value.max(self.limit) / 2.0
    }
}

/// What is known of a sensor.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Watch {
    seen: u32,
    baseline: Baseline,
    last: f64,
    last_ms: i64,
    same: u32,
    same_since_ms: i64,
    up: f64,
    down: f64,
    /// Since when each sum is above zero: where the drift began (Page's estimate of the change point).
    up_since_ms: i64,
    down_since_ms: i64,
    open: Option<(Wrong, i64)>,
    well: u32,
    /// Where it should be by now, of what moves by itself.
    path: Path,
}

impl Watch {
    /// What is wrong now.
    pub fn wrong(&self) -> Option<Wrong> {
        self.open.map(|(wrong, _)| wrong)
    }

    /// Looks at a reading; readings come in the order they were taken. `is_driven` says of what moves by itself that something moves it on
    /// purpose: a valve is open.
    pub fn observe(&mut self, ts_ms: i64, value: f64, is_driven: bool, behaviour: &Behaviour) -> Option<Change> {
        let silent_s = (ts_ms - self.last_ms).max(0) as f64 / 1_000.0;
        let passed_s = silent_s.min(5.0);
        if value == self.last && self.seen > 0 {
            self.same += 1;
        } else {
            (self.same, self.same_since_ms) = (1, ts_ms);
        }
        // What moves by itself is off its level all the time: how much it scatters can't be learnt from that.
        let moves = behaviour.slope_per_s > 0.0;
        let sigma = if moves { behaviour.sigma_min } else { self.baseline.sigma().max(behaviour.sigma_min) };
        let off = if moves { self.path.advance(value, is_driven, silent_s) } else { Some(value - self.baseline.level()) };
        let wrong = if self.seen < LEARN_MIN { None } else { self.look(value, off, sigma, silent_s, behaviour) };
        let change = match (self.open, wrong) {
            (None, Some((wrong, sign))) => {
                let since_ms = match wrong {
                    Wrong::Stuck => self.same_since_ms,
                    Wrong::Drift if self.up >= self.down => self.up_since_ms,
                    Wrong::Drift => self.down_since_ms,
                    Wrong::Spike => ts_ms,
                };
                self.open = Some((wrong, ts_ms));
                self.well = 0;
                Some(Change::Opened { wrong, since_ms, sign })
            }
            (Some((wrong, since_ms)), _) => {
                let open_s = (ts_ms - since_ms).max(0) as f64 / 1_000.0;
                let is_near = match wrong {
                    Wrong::Drift if moves => (value - self.path.at()).abs() < 4.0 * sigma + PATH_ERROR_PER_S * open_s,
                    _ => (value - self.baseline.level()).abs() < 6.0 * sigma + behaviour.slope_per_s * open_s,
                };
                self.go_on((wrong, since_ms), ts_ms, value, is_near)
            }
            (None, None) => {
                self.seen = self.seen.saturating_add(1);
                if moves {
                    self.baseline.move_to(value);
                    let is_usual = self.up.max(self.down) <= CUSUM_LIMIT / 3.0;
                    self.path.follow(value, is_usual);
                } else {
                    self.baseline.learn(value, passed_s, behaviour.sigma_min);
                }
                None
            }
        };
        (self.last, self.last_ms) = (value, ts_ms);
        change
    }

    fn look(&mut self, value: f64, off: Option<f64>, sigma: f64, silent_s: f64, behaviour: &Behaviour) -> Option<(Wrong, Sign)> {
        let limit = |sigmas: f64| sigmas * behaviour.tolerance;
        if self.same >= SAME_MAX {
            return Some((Wrong::Stuck, Sign { value: f64::from(self.same), limit: f64::from(SAME_MAX) }));
        }
        let jump = ((value - self.last).abs() - behaviour.slope_per_s * silent_s.max(1.0)).max(0.0) / sigma;
        if jump > limit(JUMP_SIGMAS) {
            return Some((Wrong::Spike, Sign { value: jump, limit: limit(JUMP_SIGMAS) }));
        }
        let Some(off) = off else {
            // Nobody knows where it should be: what was summed up says nothing any more.
            (self.up, self.down) = (0.0, 0.0);
            return None;
        };
        let moves = behaviour.slope_per_s > 0.0;
        // Errors of a path last: readings that come fast are not so many proofs.
        let (slack, weight) = if moves { (PATH_SLACK, (silent_s / PATH_STEP_S).min(1.0)) } else { (CUSUM_SLACK, 1.0) };
        let z = (off / sigma).clamp(-CUSUM_STEP, CUSUM_STEP);
        // A sum that is zero begins at the newest reading, at which it still was.
        self.up_since_ms = if self.up > 0.0 { self.up_since_ms } else { self.last_ms };
        self.down_since_ms = if self.down > 0.0 { self.down_since_ms } else { self.last_ms };
        self.up = (self.up + weight * (z - limit(slack))).max(0.0);
        self.down = (self.down + weight * (-z - limit(slack))).max(0.0);
        let sum = self.up.max(self.down);
        (sum > limit(CUSUM_LIMIT)).then(|| (Wrong::Drift, Sign { value: sum, limit: limit(CUSUM_LIMIT) }))
    }

    fn go_on(&mut self, (wrong, since_ms): (Wrong, i64), ts_ms: i64, value: f64, is_near: bool) -> Option<Change> {
        let is_well = if wrong == Wrong::Stuck { self.same == 1 } else { is_near };
        self.well = if is_well { self.well + 1 } else { 0 };
        let is_normal_now = ts_ms - since_ms > OPEN_MAX_MS;
        if self.well < WELL_MIN && !is_normal_now {
            return None;
        }
        // Soil has moved on in the meantime; what was learnt of how much it scatters, and how it moves, still holds.
        let seen = if is_normal_now { 0 } else { LEARN_MIN };
        let path = std::mem::take(&mut self.path).anew();
        let mut baseline = if is_normal_now { Baseline::default() } else { std::mem::take(&mut self.baseline) };
        baseline.move_to(value);
        *self = Self { seen, baseline, path, ..Self::default() };
        (self.same, self.same_since_ms) = (1, ts_ms);
        Some(Change::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Random;

    const SOIL: Behaviour = Behaviour { slope_per_s: 3.0, sigma_min: 0.2, tolerance: 1.0 };

    /// Soil that dries and is watered between two marks by what its sensor says while that is believed; the sensor wanders from a second on.
    fn soil(seed: u64, readings_per_s: usize, drift_per_s: f64, wrong_s: std::ops::Range<f64>) -> Vec<(f64, Change)> {
        let mut random = Random::new(seed);
        let (mut watch, mut pct, mut is_open, mut opened_s) = (Watch::default(), 31.0 + 10.0 * random.unit(), false, 0.0);
        let (mut changes, step_s) = (Vec::new(), 1.0 / readings_per_s as f64);
        for at_s in (0..120 * readings_per_s).map(|at| at as f64 * step_s) {
            pct += step_s * if is_open { 1.85 } else { -0.35 };
            let drift = if wrong_s.contains(&at_s) { drift_per_s * (at_s - wrong_s.start) } else { 0.0 };
            let value = pct + drift + random.normal(0.0, 0.15);
            let change = watch.observe((at_s * 1_000.0) as i64, value, is_open, &SOIL);
            let is_believed = watch.wrong().is_none();
            if !is_open && value < 30.0 && is_believed {
                (is_open, opened_s) = (true, at_s);
            } else if value > 42.0 || !is_believed || at_s - opened_s > 8.0 {
                is_open = false;
            }
            changes.extend(change.map(|change| (at_s, change)));
        }
        changes
    }

    #[test]
    fn what_wanders_off_from_the_first_reading_that_is_judged_began_then() {
        let air = Behaviour { slope_per_s: 0.0, sigma_min: 0.1, tolerance: 1.0 };
        let usual = |at: i64| 20.0 + 0.07 * (at * 7 % 5 - 2) as f64;
        let usual_ms = i64::from(LEARN_MIN) * 1_000;
        let value = |ts_ms: i64| {
            if ts_ms <= usual_ms { usual(ts_ms / 1_000) } else { 0.6 + (ts_ms - usual_ms) as f64 / 5_000.0 + usual(ts_ms / 1_000) }
        };
        let mut watch = Watch::default();
        let change = (1..=30).find_map(|at| watch.observe(at * 1_000, value(at * 1_000), false, &air));
        let Some(Change::Opened { wrong: Wrong::Drift, since_ms, .. }) = change else { panic!("{change:?}") };
        assert_eq!(since_ms, usual_ms);
    }

    #[test]
    fn soil_that_is_watered_does_not_drift() {
        for (seed, readings_per_s) in (0..15).flat_map(|seed| [(seed, 2), (seed, 8)]) {
            assert_eq!(soil(seed, readings_per_s, 0.0, 0.0..0.0), [], "seed {seed}, {readings_per_s}/s");
        }
    }

    #[test]
    fn a_moisture_sensor_that_wanders_either_way_is_found_and_is_well_again() {
        for (seed, drift_per_s) in (0..15).flat_map(|seed| [(seed, 0.6), (seed, -0.6)]) {
            let changes = soil(seed, 2, drift_per_s, 60.0..74.0);
            let [(at_s, Change::Opened { wrong: Wrong::Drift, sign, .. }), (well_s, Change::Closed)] = changes.as_slice() else {
                panic!("seed {seed}, {drift_per_s}: {changes:?}")
            };
            assert!((60.0..75.0).contains(at_s) && *well_s < 100.0, "seed {seed}, {drift_per_s}: {changes:?}");
            assert!(sign.value > sign.limit && (0.5..1.0).contains(&sign.score()), "{sign:?}");
        }
    }
}
