//! What is normal of one sensor, and what is not: a robust z-score for jumps, CUSUM for what wanders off, repetition for what is stuck.
//!
//! Nothing is learnt from what looks wrong, so that a defect does not become normal; after a minute of it, it is.

use serde::{Deserialize, Serialize};

/// Readings before anything is said.
const LEARN_MIN: u32 = 15;
/// How long level and scale remember.
const LEVEL_S: f64 = 8.0;
const SCALE_S: f64 = 20.0;
/// Mean absolute deviations in a standard deviation of a normal distribution.
const SIGMA_PER_MAD: f64 = 1.2533;
/// A jump of so many deviations is a spike.
const JUMP_SIGMAS: f64 = 12.0;
/// CUSUM's slack and limit, in deviations. Page's k is half the shift to be found; air itself moves by half a deviation a memory.
const CUSUM_SLACK: f64 = 1.5;
const CUSUM_LIMIT: f64 = 15.0;
/// One reading adds no more than this to it: a single jump is not a drift.
const CUSUM_STEP: f64 = 5.0;
/// So many equal readings in a row are no chance with sensors of this many digits.
const SAME_MAX: u32 = 7;
/// Readings like before until all is well again.
const WELL_MIN: u32 = 3;
/// What lasts longer is the new normal.
const OPEN_MAX_MS: i64 = 60_000;

/// How a sensor behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Behaviour {
    /// It moves by itself no faster than this in a second: soil that is watered.
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
        /// How clearly, 0 to 1.
        score: f64,
    },
    /// All is well again.
    Closed,
}

/// What is known of a sensor.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Watch {
    seen: u32,
    level: f64,
    scale: f64,
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
}

impl Watch {
    /// What is wrong now.
    pub fn wrong(&self) -> Option<Wrong> {
        self.open.map(|(wrong, _)| wrong)
    }

    /// Looks at a reading; readings come in the order they were taken.
    pub fn observe(&mut self, ts_ms: i64, value: f64, behaviour: &Behaviour) -> Option<Change> {
        let silent_s = (ts_ms - self.last_ms).max(0) as f64 / 1_000.0;
        let passed_s = silent_s.min(5.0);
        if value == self.last && self.seen > 0 {
            self.same += 1;
        } else {
            (self.same, self.same_since_ms) = (1, ts_ms);
        }
        // What moves by itself is off its level all the time: how much it scatters can't be learnt from that.
        let moves = behaviour.slope_per_s > 0.0;
        let sigma = if moves { behaviour.sigma_min } else { (self.scale * SIGMA_PER_MAD).max(behaviour.sigma_min) };
        let wrong = if self.seen < LEARN_MIN { None } else { self.look(ts_ms, value, sigma, silent_s, behaviour) };
        let change = match (self.open, wrong) {
            (None, Some((wrong, score))) => {
                let since_ms = match wrong {
                    Wrong::Stuck => self.same_since_ms,
                    Wrong::Drift if self.up >= self.down => self.up_since_ms,
                    Wrong::Drift => self.down_since_ms,
                    Wrong::Spike => ts_ms,
                };
                self.open = Some((wrong, ts_ms));
                self.well = 0;
                Some(Change::Opened { wrong, since_ms, score })
            }
            (Some((wrong, since_ms)), _) => {
                let moved = behaviour.slope_per_s * (ts_ms - since_ms).max(0) as f64 / 1_000.0;
                self.go_on((wrong, since_ms), ts_ms, value, 6.0 * sigma + moved)
            }
            (None, None) => {
                self.learn(value, passed_s);
                if moves {
                    self.level = value;
                }
                None
            }
        };
        (self.last, self.last_ms) = (value, ts_ms);
        change
    }

    fn look(&mut self, ts_ms: i64, value: f64, sigma: f64, silent_s: f64, behaviour: &Behaviour) -> Option<(Wrong, f64)> {
        let limit = |sigmas: f64| sigmas * behaviour.tolerance;
        if self.same >= SAME_MAX {
            return Some((Wrong::Stuck, f64::from(self.same) / f64::from(self.same + 1)));
        }
        let jump = ((value - self.last).abs() - behaviour.slope_per_s * silent_s.max(1.0)).max(0.0) / sigma;
        if jump > limit(JUMP_SIGMAS) {
            return Some((Wrong::Spike, 1.0 - limit(JUMP_SIGMAS) / jump / 2.0));
        }
        if behaviour.slope_per_s > 0.0 {
            return None; // what may move by itself may wander
        }
        let z = ((value - self.level) / sigma).clamp(-CUSUM_STEP, CUSUM_STEP);
        self.up = (self.up + z - limit(CUSUM_SLACK)).max(0.0);
        self.down = (self.down - z - limit(CUSUM_SLACK)).max(0.0);
        self.up_since_ms = if self.up > 0.0 { self.up_since_ms } else { ts_ms };
        self.down_since_ms = if self.down > 0.0 { self.down_since_ms } else { ts_ms };
        let sum = self.up.max(self.down);
        (sum > limit(CUSUM_LIMIT)).then(|| (Wrong::Drift, 1.0 - limit(CUSUM_LIMIT) / sum / 2.0))
    }

    fn go_on(&mut self, (wrong, since_ms): (Wrong, i64), ts_ms: i64, value: f64, near: f64) -> Option<Change> {
        let is_well = match wrong {
            Wrong::Stuck => self.same == 1,
            Wrong::Spike | Wrong::Drift => (value - self.level).abs() < near,
        };
        self.well = if is_well { self.well + 1 } else { 0 };
        let is_normal_now = ts_ms - since_ms > OPEN_MAX_MS;
        if self.well < WELL_MIN && !is_normal_now {
            return None;
        }
        // Soil has moved on in the meantime; what was learnt of how much it scatters still holds.
        *self = Self { seen: if is_normal_now { 0 } else { LEARN_MIN }, level: value, scale: self.scale, ..Self::default() };
        (self.same, self.same_since_ms) = (1, ts_ms);
        Some(Change::Closed)
    }

    fn learn(&mut self, value: f64, passed_s: f64) {
        self.seen = self.seen.saturating_add(1);
        if self.seen == 1 {
            self.level = value;
            return;
        }
        let weight = |memory_s: f64| (1.0 - (-passed_s / memory_s).exp()).max(1.0 / f64::from(self.seen)).min(0.5);
        let (level, scale) = (weight(LEVEL_S), weight(SCALE_S));
        let off = (value - self.level).abs();
        let off = if self.seen > LEARN_MIN { off.min(3.0 * SIGMA_PER_MAD * self.scale.max(1e-9)) } else { off };
        self.scale += scale * (off - self.scale);
        self.level += level * (value - self.level);
    }
}
