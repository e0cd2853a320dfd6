//! What goes wrong without being asked for: now and then a sensor fails, a device loses its network, one moves to another zone.

use crate::sim::Random;

/// Something that happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ambient {
    /// A sensor or a bearing fails.
    Defect,
    /// A device loses its network for so long.
    Outage { for_ms: i64 },
    /// A device is carried to another zone.
    Move,
}

/// When what happens next.
#[derive(Clone, Debug)]
pub(super) struct Ambience {
    random: Random,
    defects_per_min: f64,
    next_defect_ms: i64,
    next_outage_ms: i64,
    next_move_ms: i64,
}

/// Detectors learn what is normal first.
const DEFECTS_FROM_MS: i64 = 14_000;
const OUTAGES_FROM_MS: i64 = 3_000;
/// Mean time between outages, and between moves.
const OUTAGE_EVERY_MS: f64 = 5_000.0;
const MOVE_EVERY_MS: i64 = 8_000;

impl Ambience {
    pub(super) fn new(seed: u64, start_ms: i64, defects_per_min: f64) -> Self {
        Self {
            random: Random::new(seed ^ 0xa3b1_e47c),
            defects_per_min,
            next_defect_ms: start_ms + DEFECTS_FROM_MS,
            next_outage_ms: start_ms + OUTAGES_FROM_MS,
            next_move_ms: start_ms + MOVE_EVERY_MS / 2,
        }
    }

    /// What is due.
    pub(super) fn due(&mut self, now_ms: i64) -> Option<Ambient> {
        if now_ms >= self.next_defect_ms && self.defects_per_min > 0.0 {
            self.next_defect_ms = now_ms + self.random.exponential(60_000.0 / self.defects_per_min) as i64;
            return Some(Ambient::Defect);
        }
        if now_ms >= self.next_outage_ms {
            self.next_outage_ms = now_ms + self.random.exponential(OUTAGE_EVERY_MS) as i64;
            return Some(Ambient::Outage { for_ms: self.random.between(4_000, 18_000) });
        }
        if now_ms >= self.next_move_ms {
            self.next_move_ms = now_ms + MOVE_EVERY_MS;
            return Some(Ambient::Move);
        }
        None
    }
}
