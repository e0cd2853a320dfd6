//! Times and lengths of time as people write them. UTC throughout: a terminal's zone says nothing about a cluster's.

use weir_model::TimestampMs;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// `500ms`, `30s`, `2m`, `1h`, `7d`, and sums such as `1m30s`, in milliseconds.
pub(crate) fn parse_duration_ms(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a length of time; write it like 500ms, 30s, 2m or 1m30s");
    let mut rest = text;
    let mut total_ms = 0_u64;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let next_at = rest[unit_at..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| unit_at + at);
        let unit_ms = match &rest[unit_at..next_at] {
            "ms" => 1,
            "s" => SECOND_MS,
            "m" => MINUTE_MS,
            "h" => HOUR_MS,
            "d" => DAY_MS,
            _ => return Err(wrong()),
        };
        let count: u64 = rest[..unit_at].parse().map_err(|_| wrong())?;
        let part_ms = count.checked_mul(unit_ms.unsigned_abs()).ok_or_else(wrong)?;
        total_ms = total_ms.checked_add(part_ms).ok_or_else(wrong)?;
        rest = &rest[next_at..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total_ms) }
}

/// Milliseconds since 1970 when there are more than ten digits, else seconds; RFC 3339, with `Z` where no zone stands; a date; or `-1h`
/// for an hour before `now`.
pub(crate) fn parse_timestamp(text: &str, now: TimestampMs) -> Result<TimestampMs, String> {
    let wrong = || format!("`{text}` is not a time; write milliseconds since 1970, 2026-05-09T07:30:00Z or -1h");
    if let Some(ago) = text.strip_prefix('-') {
        let ago_ms = i64::try_from(parse_duration_ms(ago)?).map_err(|_| wrong())?;
        return Ok(TimestampMs(now.0.saturating_sub(ago_ms)));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().map_err(|_| wrong())?;
        return Ok(TimestampMs(if text.len() > 10 { number } else { number * SECOND_MS }));
    }
    parse_rfc3339_ms(text).map(TimestampMs).ok_or_else(wrong)
}

/// RFC 3339 to the millisecond, always the same width: `2026-05-09T07:30:00.000Z`.
pub(crate) fn format_utc(at: TimestampMs) -> String {
    let (year, month, day) = civil_from_days(at.0.div_euclid(DAY_MS));
    let of_day_ms = at.0.rem_euclid(DAY_MS);
    let (hour, minute) = (of_day_ms / HOUR_MS, of_day_ms / MINUTE_MS % 60);
    let (second, ms) = (of_day_ms / SECOND_MS % 60, of_day_ms % SECOND_MS);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// A length of time in the largest unit that keeps it readable: `850 ms`, `12.3 s`, `4 min 05 s`.
pub(crate) fn format_elapsed(elapsed_ms: u64) -> String {
    match elapsed_ms {
        0..1_000 => format!("{elapsed_ms} ms"),
        1_000..60_000 => format!("{:.1} s", elapsed_ms as f64 / 1_000.0),
        _ => format!("{} min {:02} s", elapsed_ms / 60_000, elapsed_ms / 1_000 % 60),
    }
}

fn parse_rfc3339_ms(text: &str) -> Option<i64> {
    if !text.is_ascii() {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
    };
    let sign = |at: usize, allowed: &str| text.get(at..=at).filter(|sign| allowed.contains(*sign));
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    sign(4, "-").and(sign(7, "-"))?;
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month, day) {
        return None; // no such day
    }
    if text.len() == 10 {
        return Some(days * DAY_MS);
    }
    sign(10, "Tt ").and(sign(13, ":")).and(sign(16, ":"))?;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = &text[19..];
    let fraction = rest.strip_prefix('.').map(|rest| &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())]);
    let ms = match fraction {
        None => 0,
        Some("") => return None,
        Some(digits) => format!("{digits:0<3}").get(..3)?.parse().ok()?,
    };
    let zone_at = 19 + fraction.map_or(0, |digits| 1 + digits.len());
    let zone_ms = parse_zone_ms(&text[zone_at..])?;
    Some(days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + ms - zone_ms)
}

fn parse_zone_ms(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let is_valid = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_valid(hours) || !is_valid(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * HOUR_MS + minutes * MINUTE_MS))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        let check = |text: &str, expect: Option<u64>| assert_eq!(parse_duration_ms(text).ok(), expect, "{text}");
        check("500ms", Some(500));
        check("30s", Some(30_000));
        check("2m", Some(120_000));
        check("1m30s", Some(90_000));
        check("1h", Some(3_600_000));
        check("7d", Some(604_800_000));
        for wrong in ["", "30", "s", "-1s", "1.5s", "1 s", "3x", "99999999999999999999s", "9223372036854775807d"] {
            check(wrong, None);
        }
    }

    #[test]
    fn timestamps_are_read_as_tools_write_them() {
        let now = TimestampMs(1_000_000_000);
        let check = |text: &str, expect: Option<i64>| assert_eq!(parse_timestamp(text, now).ok().map(|at| at.0), expect, "{text}");
        check("1700000000123", Some(1_700_000_000_123));
        check("1700000000", Some(1_700_000_000_000));
        check("2023-11-14T22:13:20Z", Some(1_700_000_000_000));
        check("2023-11-14T22:13:20.5Z", Some(1_700_000_000_500));
        check("2023-11-14T22:13:20.123456789+01:00", Some(1_699_996_400_123));
        check("2023-11-14 22:13:20", Some(1_700_000_000_000));
        check("2024-02-29", Some(1_709_164_800_000));
        check("-1h", Some(1_000_000_000 - 3_600_000));
        for wrong in ["", "now", "2023-02-29", "2023-13-01", "2023-11-14T25:00:00Z", "2023-11-14T22:13:20+1:00", "2023-11-14T22:13", "é"] {
            check(wrong, None);
        }
    }

    #[test]
    fn every_day_comes_back() {
        for days in (-800_000..800_000).step_by(37) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(format_utc(TimestampMs(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
        assert_eq!(format_utc(TimestampMs(-1)), "1969-12-31T23:59:59.999Z");
    }
}
