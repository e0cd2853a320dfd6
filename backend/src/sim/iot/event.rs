//! What devices and the world say. Field names are a public format; what a device does not measure is left out.

use serde::{Deserialize, Serialize};

use crate::ids::text_id;

text_id!(
    /// A device's name.
    DeviceId
);

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensorType {
    /// A field with a valve.
    #[default]
    Field,
    /// A machine that can be shut down.
    Machine,
    /// One figure over time, from given data.
    Series,
}

/// A record of `sensor_data`, keyed by device.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Reading {
    /// Who measured; empty for a sign that time has passed.
    pub device_id: DeviceId,
    /// Where the device believes it is; `hierarchy` knows better.
    #[serde(default)]
    pub site: String,
    /// The same.
    #[serde(default)]
    pub zone: String,
    /// What the device is.
    pub sensor_type: SensorType,
    /// When the device's counter began: a device that starts anew counts anew.
    #[serde(default)]
    pub boot: i64,
    /// Counts the device's readings from 0.
    pub seq: u64,
    /// When it was measured, by the device's clock, epoch ms.
    pub ts: i64,
    /// When it was sent, by the device's clock; 0 where devices do not tell.
    #[serde(default)]
    pub sent_ts: i64,
    /// Air, or the machine's motor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    /// Air.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub humidity_pct: Option<f64>,
    /// Soil.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soil_moisture_pct: Option<f64>,
    /// The machine's bearing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vibration_rms_g: Option<f64>,
    /// What the machine draws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_kw: Option<f64>,
    /// The one figure of a series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The valve is open, or the machine runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_on: Option<bool>,
    /// The battery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery_v: Option<f64>,
    /// How well the radio hears, dBm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rssi: Option<i32>,
    /// The firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fw: Option<String>,
}

/// What happened to a device's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceEventKind {
    /// It connected.
    Online,
    /// It went without a word; its last will says so.
    Offline,
}

/// A record of `device_events`, keyed by device: what an MQTT broker tells of connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEvent {
    /// Whose.
    pub device_id: DeviceId,
    /// What.
    pub kind: DeviceEventKind,
    /// When, by the broker's clock.
    pub ts: i64,
}

/// A record of `hierarchy`, keyed by device: where it belongs from some time on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Who.
    pub device_id: DeviceId,
    /// The region.
    pub region: String,
    /// The site in it.
    pub site: String,
    /// The zone in it.
    pub zone: String,
    /// Readings from this event time on count here.
    pub valid_from: i64,
}

/// What a device can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Water the field, for `arg` seconds at most.
    OpenValve,
    /// No more water.
    CloseValve,
    /// Stop the machine.
    ShutDown,
}

/// A record of `commands`, keyed by device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Unique.
    pub command_id: String,
    /// To whom.
    pub device_id: DeviceId,
    /// What.
    pub action: Action,
    /// How much, where it matters; 0 else.
    #[serde(default)]
    pub arg: f64,
    /// After so long it must not be obeyed any more.
    pub ttl_ms: i64,
    /// Why.
    pub reason: String,
    /// When it was given, event time.
    pub ts: i64,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckResult {
    /// It was obeyed.
    Done,
    /// The actuator does not move.
    Refused,
    /// It came too late.
    Expired,
}

/// A record of `command_acks`, keyed by device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Of which command.
    pub command_id: String,
    /// By whom.
    pub device_id: DeviceId,
    /// What became of it.
    pub result: AckResult,
    /// When.
    pub ts: i64,
}

/// A record of the truth topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TruthRecord {
    /// A sensor or a machine misbehaves.
    Label {
        /// Which device.
        device_id: DeviceId,
        /// How, such as `stuck`.
        anomaly: String,
        /// Since, event time.
        from_ms: i64,
        /// Until, as far as is known.
        until_ms: i64,
    },
    /// A stretch of a given series that its labels call anomalous.
    SeriesWindow {
        /// Which series.
        series: String,
        /// Its first row, from 0.
        first_row: u64,
        /// Its last.
        last_row: u64,
    },
    /// By which way devices send, told once.
    Network {
        /// Devices that speak MQTT.
        mqtt_devices: u64,
        /// All of them.
        devices: u64,
        /// Through which broker, or why they do not.
        through: String,
    },
    /// How wet the fields are, once a second.
    Moisture {
        /// When.
        ts: i64,
        /// Fields.
        fields: u64,
        /// Those neither too dry nor too wet.
        in_band: u64,
        /// How many of the same fields would be if nobody opened a valve.
        in_band_without: u64,
    },
    /// Something was broken on purpose.
    Fault {
        /// What.
        fault: String,
        /// Since, event time.
        from_ms: i64,
        /// Until.
        until_ms: i64,
    },
    /// How many readings each device took, at the end of a run.
    Totals {
        /// By device.
        readings: std::collections::BTreeMap<DeviceId, u64>,
        /// Event time of the end.
        ts: i64,
    },
}
