//! When each event of a run is due: virtual time, so that a run does not depend on how busy the machine is.

/// Nanoseconds in a second.
const NANOS_PER_S: u128 = 1_000_000_000;

/// A virtual schedule: event `n` after a change of rate is due exactly `n / rate` seconds after it.
///
/// Virtual time equals wall-clock time as long as the sender keeps up. Whole-number arithmetic from the last change of rate,
/// so no error adds up.
#[derive(Clone, Debug)]
pub struct Schedule {
    rate_per_s: u32,
    base_ns: u128,
    since_base: u64,
}

impl Schedule {
    /// Starts at virtual time zero.
    pub fn new(rate_per_s: u32) -> Self {
        Self { rate_per_s: rate_per_s.max(1), base_ns: 0, since_base: 0 }
    }

    /// The rate at work.
    pub fn rate_per_s(&self) -> u32 {
        self.rate_per_s
    }

    /// When the next event is due, in nanoseconds of virtual time.
    pub fn due_ns(&self) -> u128 {
        self.base_ns + u128::from(self.since_base) * NANOS_PER_S / u128::from(self.rate_per_s)
    }

    /// Takes the next event.
    pub fn advance(&mut self) {
        self.since_base += 1;
    }

    /// Changes the rate from the next event on.
    pub fn set_rate(&mut self, rate_per_s: u32) {
        let rate_per_s = rate_per_s.max(1);
        if rate_per_s != self.rate_per_s {
            *self = Self { rate_per_s, base_ns: self.due_ns(), since_base: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_exact_over_any_time() {
        for rate in [10, 7, 3_333, 50_000] {
            let mut schedule = Schedule::new(rate);
            for _ in 0..u64::from(rate) * 60 {
                schedule.advance();
            }
            assert_eq!(schedule.due_ns(), 60 * NANOS_PER_S, "rate {rate}");
        }
    }

    #[test]
    fn a_change_of_rate_counts_from_the_next_event() {
        let mut schedule = Schedule::new(10);
        (0..10).for_each(|_| schedule.advance());
        schedule.set_rate(100);
        (0..100).for_each(|_| schedule.advance());
        assert_eq!(schedule.due_ns(), 2 * NANOS_PER_S);
    }
}
