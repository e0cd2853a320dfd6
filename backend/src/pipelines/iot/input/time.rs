//! Times as tables of measurements have them.

/// Numbers up to these are seconds, milliseconds, microseconds and nanoseconds since 1970, with what makes them milliseconds.
const UNITS: [(f64, f64); 4] = [(1e11, 1e3), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6)];
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// Epoch milliseconds of a number since 1970, or of a date with a time, a fraction and an offset (ISO 8601); without an offset it is UTC.
pub(super) fn parse_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let (_, to_ms) = UNITS.iter().find(|(below, _)| (0.0..*below).contains(&number))?;
        return Some((number * to_ms) as i64);
    }
    let (date, clock) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00"));
    let (clock, offset_ms) = zoned(clock.trim())?;
    Some(day(date)? * DAY_MS + of_day_ms(clock)? - offset_ms)
}

/// The clock, and by how much it is ahead of UTC.
fn zoned(clock: &str) -> Option<(&str, i64)> {
    let plain = clock.strip_suffix(['Z', 'z']).or_else(|| clock.strip_suffix("UTC")).or_else(|| clock.strip_suffix("GMT"));
    if let Some(plain) = plain {
        return Some((plain.trim_end(), 0));
    }
    let Some(at) = clock.find(['+', '-']) else { return Some((clock, 0)) };
    let (clock, offset) = clock.split_at_checked(at)?;
    let (sign, digits) = (if offset.starts_with('-') { -1 } else { 1 }, offset.get(1..)?.replace(':', ""));
    let number = |part: Option<&str>| part?.parse::<i64>().ok();
    let (hours, minutes) = match digits.len() {
        2 => (number(digits.get(..2))?, 0),
        4 => (number(digits.get(..2))?, number(digits.get(2..))?),
        _ => return None,
    };
    ((0..=18).contains(&hours) && (0..60).contains(&minutes)).then_some((clock.trim_end(), sign * (hours * 60 + minutes) * MINUTE_MS))
}

fn of_day_ms(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':');
    let mut part = |or: &'static str| parts.next().unwrap_or(or).parse::<f64>().ok();
    let (hour, minute, second) = (part("")?, part("")?, part("0")?);
    let is_real = (0.0..24.0).contains(&hour) && (0.0..60.0).contains(&minute) && (0.0..61.0).contains(&second);
    (is_real && parts.next().is_none()).then(|| ((hour * 60.0 + minute) * 60_000.0 + (second * 1e3).round()) as i64)
}

/// Days since 1970 of `2014-02-14` or `2014/2/14`.
fn day(date: &str) -> Option<i64> {
    let mut parts = date.split(['-', '/']).map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_real = (1970..3000).contains(&year) && (1..=12).contains(&month) && (1..=days).contains(&day) && parts.next().is_none();
    // Years begin in March here, so that leap days come last.
    let year = year - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    is_real.then(|| 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_dress() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(parse_ms(text), expect, "{text}");
        let noon = 1_566_397_800_000;
        for text in [
            "1566397800",
            "1566397800.0",
            "1566397800000",
            "1566397800000000",
            "1566397800000000000",
            "2019-08-21 14:30:00",
            " 2019-08-21 14:30 ",
            "2019-08-21T14:30Z",
            "2019-08-21 14:30:00 UTC",
            "2019-08-21T16:30:00+02:00",
            "2019-08-21 16:30:00.000+0200",
            "2019-08-21T09:30:00-05",
            "2019/8/21 14:30:00",
        ] {
            check(text, Some(noon));
        }
        check("2019-08-21 14:30:00.250000", Some(noon + 250));
        check("2019-08-21T14:30:00.5-00:30", Some(noon + 500 + 1_800_000));
        check("1970-01-01", Some(0));
        check("2000-02-29 00:00", Some(951_782_400_000));
        for text in ["2019-13-21 14:30", "2019-02-29", "2019-08-21 25:00", "2019-08-21 14:30+99:00", "21.08.2019", "noon", "", "-5", "NaN"]
        {
            check(text, None);
        }
    }
}
