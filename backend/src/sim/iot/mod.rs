//! The IoT world: regions, sites and zones with fields and machines, over bad networks, in virtual time.
//!
//! The loop is closed: a field dries as it is warm and gains water while its valve is open; a machine shakes when its bearing wears and
//! stands still once it is told to. Devices keep what they can't send and send it later, in order.

mod ambient;
mod device;
mod event;
mod fault;
mod generator;
mod physics;
#[cfg(test)]
mod tests;

pub use event::{Ack, AckResult, Action, Command, DeviceEvent, DeviceEventKind, DeviceId, Placement, Reading, SensorType, TruthRecord};
pub use fault::{FaultKind, Sensor};
pub use generator::{Generator, GeneratorParams, Record, Topic};
