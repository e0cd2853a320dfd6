//! Detectors for one series of which nothing is known beforehand: online, of bounded memory, a score from 0 to 1 a value.

mod conformal;

pub use conformal::{ALARM_SCORE, Conformal, probation_of};
