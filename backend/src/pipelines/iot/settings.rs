//! What the pipeline is made of: names, windows, limits.

/// The pipeline's short name.
pub const ID: &str = "iot";
/// Readings, keyed by device.
pub const SENSOR_DATA: &str = "sensor_data";
/// Connections as the MQTT broker sees them, keyed by device.
pub const DEVICE_EVENTS: &str = "device_events";
/// Where each device belongs from when on, keyed by device; compacted.
pub const HIERARCHY: &str = "hierarchy";
/// The twin of each device, keyed by device; compacted.
pub const DEVICE_STATE: &str = "device_state";
/// Sums over zones, sites, regions and the fleet, keyed by node; compacted.
pub const SITE_ROLLUPS: &str = "site_rollups";
/// Each device's readings thinned out: count, sum, bounds, mean and variance by window, keyed by device.
pub const DEVICE_ROLLUPS: &str = "device_rollups";
/// What is not as it should be, keyed by device.
pub const ANOMALIES: &str = "anomalies";
/// What devices are told, keyed by device.
pub const COMMANDS: &str = "commands";
/// What became of it, keyed by device.
pub const COMMAND_ACKS: &str = "command_acks";
/// Values of given series, keyed by series.
pub const SERIES: &str = "iot.series";
/// How strange each is, keyed by series.
pub const SERIES_SCORES: &str = "iot.series.scores";
/// Alerts of all pipelines.
pub const ALERTS: &str = "alerts";
/// What can't be read, with the reason.
pub const DLQ: &str = "iot.dlq";
/// The truth, which no topology reads.
pub const TRUTH: &str = "_truth.iot";

/// The application, and its consumer group.
pub const APP: &str = "iot";
/// Partitions of the topics that are keyed by device or node.
pub const PARTITIONS: i32 = 6;

/// The windows of roll-ups.
pub const WINDOW_MS: i64 = 10_000;
/// A roll-up is told so long after its window's end, and again when something comes later.
pub const GRACE_MS: i64 = 10_000;
/// What comes later than this is counted, and changes nothing.
pub const KEPT_MS: i64 = 600_000;
/// A device's clock may be off by so much before it is set right.
pub const CLOCK_MS: i64 = 2_000;
/// A device is stale after two missed readings, but not before this: networks are not even.
pub const STALE_MS: i64 = 2_000;
/// It is offline after three, but not before this.
pub const OFFLINE_MS: i64 = 3_000;
/// So many percent of the fleet offline at once are no chance; it is well again with fewer than the other, and nothing missing.
pub const FLEET_OFFLINE_PCT: f64 = 25.0;
/// The same for well again.
pub const FLEET_WELL_PCT: f64 = 10.0;
/// Twins are told this often, and whenever their state changes.
pub const TWIN_EVERY_MS: i64 = 1_000;

/// How many times as fast as the clock event time runs: as fast, and nothing else can be set. The loop is closed by things that keep the
/// clock's time: sockets of devices and their broker, retries, keep-alives, last wills, transactions of the application. A command comes to
/// its device some tenths of a second after the reading it answers; at ten times the speed that is seconds, in which it expires, a reading
/// becomes history, and arrival tells nothing of a device's own clock. To scale all of that by the speed would take the same picture and call
/// its seconds something else: what takes too long to watch is fast already in the physics, where soil dries within minutes.
pub const SPEED: f64 = 1.0;

/// Fields are watered from here on, in percent of soil moisture.
pub const DRY_PCT: f64 = 30.0;
/// And up to here.
pub const WET_PCT: f64 = 42.0;
/// A valve closes by itself after this: its device may lose its network while it is open.
pub const OPEN_MAX_S: f64 = 8.0;
/// A command is obeyed within this or not at all.
pub const COMMAND_TTL_MS: i64 = 5_000;
/// Without an answer after this nobody waits any more.
pub const ACK_MAX_MS: i64 = 30_000;
/// After a refusal the next command waits.
pub const REFUSED_PAUSE_MS: i64 = 5_000;
/// A reading older than this when it comes is history: nothing is done about it.
pub const LIVE_MS: i64 = 3_000;

/// The checks, each with the topic that holds what it judges.
pub const JUDGED: [(&str, &str); 8] = [
    ("gaps_closed", DEVICE_STATE),
    ("device_order", DEVICE_STATE),
    ("rollups_equal_batch", SITE_ROLLUPS),
    ("downsampled_equal_batch", DEVICE_ROLLUPS),
    ("anomalies_found", ANOMALIES),
    ("moisture_in_band", SENSOR_DATA),
    ("commands_acked", COMMAND_ACKS),
    ("samples_scored_once", SERIES_SCORES),
];
