//! What can go wrong on purpose.

use super::event::DeviceId;

/// A sensor of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sensor {
    /// Air temperature.
    Temperature,
    /// Air humidity.
    Humidity,
    /// Soil moisture.
    Moisture,
}

impl Sensor {
    /// Each with its name on the command line.
    pub const ALL: [(Self, &str); 3] = [(Self::Temperature, "temperature"), (Self::Humidity, "humidity"), (Self::Moisture, "moisture")];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(sensor, _)| *sensor == self).map_or("", |(_, name)| name)
    }
}

/// A fault with what can be chosen of it.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// A share of the devices loses its network, and sends later what it kept.
    Offline {
        /// In percent.
        percent: u32,
    },
    /// A sensor tells the same value again and again.
    Stuck {
        /// Of which device; any where it is `None`.
        device: Option<DeviceId>,
        /// Which sensor.
        sensor: Sensor,
    },
    /// A sensor wanders off.
    Drift {
        /// Of which device.
        device: Option<DeviceId>,
        /// Which sensor.
        sensor: Sensor,
    },
    /// A sensor jumps, and back.
    Spike {
        /// Of which device.
        device: Option<DeviceId>,
        /// Which sensor.
        sensor: Sensor,
    },
    /// A machine's bearing wears out.
    Bearing {
        /// Of which machine.
        device: Option<DeviceId>,
    },
    /// The clocks of a tenth of the devices are wrong.
    ClockSkew {
        /// By so much.
        by_ms: i64,
    },
    /// The MQTT broker is dead: nobody can send.
    MqttDown,
    /// The MQTT broker restarts, and all devices come back at the same moment.
    Herd,
    /// A site belongs to another region.
    Reparent {
        /// Which site; the first where it is `None`.
        site: Option<String>,
    },
    /// Valves do not move.
    ActuatorRefuses {
        /// Of which device; of a tenth of the fields where it is `None`.
        device: Option<DeviceId>,
    },
}
