//! IoT: a fleet of devices, from its readings to the commands that act on it.
//!
//! ```text
//! sensor_data ─┐                                                        ┌─► device_state (twins)
//! device_events ─► by device: seq, gaps, clock ─► twin, health ─► watch ─┼─► anomalies, alerts
//! hierarchy ───┤        │                                        └─ control ─► commands ─► devices ─► command_acks ─┐
//!              │        └─► windows of zone, site, region, fleet (as of event time) ─► by node ─► site_rollups      │
//!              └────────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Devices speak MQTT: every one is a client of the embedded broker, or of another, and a bridge writes to Kafka what they publish.
//! Everything about a device happens in the task its key lives in. A reading counts once, at the time it was taken, where its device
//! belonged then, however late it comes: a closed window is told again when something was kept back for it. Each device has windows of its own
//! too, `device_rollups`: its readings thinned out to count, sum, bounds, mean and variance.

mod baseline;
mod bridge;
pub mod control;
mod dashboard;
pub mod detect;
pub mod device;
mod fleet;
mod input;
pub mod machine;
mod meta;
mod network;
mod path;
pub mod records;
mod rollups;
mod sabotage;
mod scenarios;
pub mod seqs;
pub mod series;
pub mod settings;
mod shape;
mod standing;
#[cfg(test)]
mod tests;
mod topology;
pub mod watch;
mod world;

pub use meta::meta;
pub use sabotage::Sabotage;
pub use shape::shape;
pub use topology::topology;
