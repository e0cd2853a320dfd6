//! Detectors for series, and machines of many figures, of which nothing is known beforehand: online, of bounded memory, a score from 0 to 1.

mod contextual;
mod detector;
mod neighbours;
mod together;

pub use detector::{ALARM_SCORE, Detector};
pub use neighbours::probation_of;
pub use together::{Together, learns_of};
