//! What a process uses, as Linux tells it, and the time of day.

use std::fs;

/// Linux counts CPU time for others in hundredths of a second, whatever its clock is (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of a process so far, all threads, user and system; "self" is this one.
pub fn cpu_seconds(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything. After it: state is the first field, utime the 12th, stime the 13th.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

/// A figure of /proc/PROCESS/status in MB: `VmRSS`, `VmHWM`. NaN if it is not there.
pub fn memory_mb(process: &str, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024.0 / 1e6)
}

/// Now, as Kafka counts time.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
