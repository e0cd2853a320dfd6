//! Detectors for one series of which nothing is known beforehand: online, of bounded memory, a score from 0 to 1 a value.

mod contextual;
mod detector;
mod neighbours;

pub use detector::{ALARM_SCORE, Detector};
pub use neighbours::probation_of;
