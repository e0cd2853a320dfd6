//! Where a value should be that moves by itself, evenly, one way or the other: soil dries, and gains while its valve is open.

use serde::{Deserialize, Serialize};

/// How fast it moves is known after so many seconds, and remembered for so many.
const KNOWN_S: f64 = 7.0;
const MEMORY_S: f64 = 60.0;
/// How fast the path takes on what is measured.
const FOLLOW_S: f64 = 8.0;
/// After a longer silence it may have been moved and moved back.
const SILENT_MAX_S: f64 = 5.0;

/// The path of a value.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Path {
    /// Where it should be, the last value, and whether it was driven then.
    now: Option<(f64, f64, bool)>,
    by_itself: Slope,
    driven: Slope,
    /// The newest step, of which nothing was learnt yet.
    step: Option<(f64, f64)>,
}

/// How far it went in how many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
struct Slope {
    way: f64,
    seconds: f64,
}

impl Path {
    /// Where the value should be.
    pub(super) fn at(&self) -> f64 {
        self.now.map_or(0.0, |(at, ..)| at)
    }

    /// Goes on to the next value; how far that is off the path, where it is known.
    pub(super) fn advance(&mut self, value: f64, is_driven: bool, passed_s: f64) -> Option<f64> {
        self.step = None;
        let (at, last, was_driven) = self.now.unwrap_or((value, value, is_driven));
        let slope = if is_driven { self.driven } else { self.by_itself };
        // Between two steps of which one was driven nobody knows for how long it was.
        let is_even = self.now.is_some() && was_driven == is_driven && passed_s <= SILENT_MAX_S;
        let known = slope.per_s().filter(|_| is_even);
        let next = if is_even { at + known.unwrap_or((value - last) / passed_s.max(1e-3)) * passed_s } else { at + value - last };
        self.now = Some((next, value, is_driven));
        self.step = is_even.then_some((value - last, passed_s));
        known.map(|_| value - next)
    }

    /// Takes on what was measured, as nothing is wrong with it; how fast it moves is learnt of what is usual only.
    pub(super) fn follow(&mut self, value: f64, is_usual: bool) {
        let Some((at, _, is_driven)) = &mut self.now else { return };
        let slope = if *is_driven { &mut self.driven } else { &mut self.by_itself };
        let weight = match self.step.take() {
            Some((way, seconds)) => {
                if is_usual {
                    slope.learn(way, seconds);
                }
                if slope.per_s().is_some() { 1.0 - (-seconds / FOLLOW_S).exp() } else { 1.0 }
            }
            None => 1.0,
        };
        *at += weight * (value - *at);
    }

    /// The same slopes from anywhere.
    pub(super) fn anew(self) -> Self {
        Self { now: None, step: None, ..self }
    }
}

impl Slope {
    fn per_s(self) -> Option<f64> {
        (self.seconds >= KNOWN_S).then(|| self.way / self.seconds)
    }

    fn learn(&mut self, way: f64, seconds: f64) {
        let kept = ((MEMORY_S - seconds) / self.seconds.max(1e-9)).clamp(0.0, 1.0);
        (self.way, self.seconds) = (self.way * kept + way, self.seconds * kept + seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_does_by_itself_is_learnt_and_what_it_does_else_is_off() {
        let mut path = Path::default();
        let mut next = |value: f64, is_driven, seconds| {
            let off = path.advance(value, is_driven, seconds);
            path.follow(value, true);
            off
        };
        assert_eq!([12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0].map(|value| next(value, false, 1.0)), [None; 8]);
        assert_eq!(next(4.0, false, 1.0), Some(0.0));
        assert_eq!(next(4.5, true, 1.0), None, "it is driven from now on");
        assert_eq!([6.5, 8.5, 10.5, 12.5, 14.5, 16.5, 18.5].map(|value| next(value, true, 1.0)), [None; 7]);
        assert_eq!(next(20.5, true, 1.0), Some(0.0));
        assert_eq!(next(20.0, false, 1.0), None);
        assert_eq!(next(20.0, false, 1.0), Some(1.0), "it should have gone on");
        assert_eq!(next(99.0, false, 60.0), None, "after a silence nobody knows");
    }
}
