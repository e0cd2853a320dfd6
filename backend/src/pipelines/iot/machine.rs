//! A machine's figures taken together: what is usual of each may be unusual of all of them. Hotelling's T² measures how far along the
//! usual direction a reading is, Q how far off it (Jackson and Mudholkar 1979): a worn bearing shakes without drawing more power.

use serde::{Deserialize, Serialize};

use super::watch::Sign;

/// Figures: vibration, temperature, power.
const FIGURES: usize = 3;
/// Readings before anything is said, and how many later ones remember.
const LEARN_MIN: u32 = 20;
const MEMORY: f64 = 400.0;
/// After a start a machine warms up.
const SETTLE_MS: i64 = 9_000;
/// Limits, in squared deviations.
const T2_MAX: f64 = 60.0;
const Q_MAX: f64 = 25.0;
/// So many in a row are no chance.
const WRONG_MIN: u32 = 2;

/// What is known of a machine.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct MachineWatch {
    seen: u32,
    mean: [f64; FIGURES],
    covariance: [[f64; FIGURES]; FIGURES],
    since_ms: Option<i64>,
    has_stopped: bool,
    wrong: u32,
    is_open: bool,
}

impl MachineWatch {
    /// Whether something is wrong.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Looks at a reading; `Some(Some(sign))` where something begins to be wrong, `Some(None)` where it ends.
    pub fn observe(&mut self, ts_ms: i64, is_running: bool, figures: [f64; FIGURES], tolerance: f64) -> Option<Option<Sign>> {
        if !is_running {
            (self.since_ms, self.has_stopped, self.wrong) = (None, true, 0);
            return std::mem::take(&mut self.is_open).then_some(None);
        }
        let since_ms = *self.since_ms.get_or_insert(ts_ms);
        if self.has_stopped && ts_ms - since_ms < SETTLE_MS {
            return None;
        }
        let (t2, q) = if self.seen < LEARN_MIN { (0.0, 0.0) } else { self.distances(&figures) };
        let excess = (t2 / T2_MAX).max(q / Q_MAX) / tolerance;
        if excess <= 1.0 {
            self.wrong = 0;
            self.learn(&figures);
            return std::mem::take(&mut self.is_open).then_some(None);
        }
        self.wrong += 1;
        let is_new = self.wrong >= WRONG_MIN && !self.is_open;
        self.is_open |= is_new;
        is_new.then_some(Some(Sign { value: excess, limit: 1.0 }))
    }

    /// T² along the first principal component, and Q off it, of figures in units of their deviation.
    fn distances(&self, figures: &[f64; FIGURES]) -> (f64, f64) {
        let deviation: [f64; FIGURES] = std::array::from_fn(|at| self.covariance[at][at].sqrt().max(0.02));
        let z: [f64; FIGURES] = std::array::from_fn(|at| (figures[at] - self.mean[at]) / deviation[at]);
        let correlation: [[f64; FIGURES]; FIGURES] =
            std::array::from_fn(|a| std::array::from_fn(|b| self.covariance[a][b] / deviation[a] / deviation[b]));
        let mut axis = [1.0; FIGURES];
        for _ in 0..16 {
            let next: [f64; FIGURES] = std::array::from_fn(|a| dot(&correlation[a], &axis));
            let length = dot(&next, &next).sqrt().max(1e-12);
            axis = next.map(|part| part / length);
        }
        let image: [f64; FIGURES] = std::array::from_fn(|a| dot(&correlation[a], &axis));
        let (along, spread) = (dot(&z, &axis), dot(&image, &axis).max(0.05));
        (along * along / spread, dot(&z, &z) - along * along)
    }

    fn learn(&mut self, figures: &[f64; FIGURES]) {
        self.seen = self.seen.saturating_add(1);
        let weight = (1.0 / f64::from(self.seen)).max(1.0 / MEMORY);
        let off: [f64; FIGURES] = std::array::from_fn(|at| figures[at] - self.mean[at]);
        for (a, off_a) in off.iter().enumerate() {
            self.mean[a] += weight * off_a;
            for (b, off_b) in off.iter().enumerate() {
                self.covariance[a][b] += weight * ((1.0 - weight) * off_a * off_b - self.covariance[a][b]);
            }
        }
    }
}

fn dot(a: &[f64; FIGURES], b: &[f64; FIGURES]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
