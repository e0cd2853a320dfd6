//! Times as logs and tables write them, with their zones, to epoch milliseconds.

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Numbers below these are seconds, milliseconds, microseconds and nanoseconds since 1970, with what makes them milliseconds.
const UNITS: [(f64, f64); 4] = [(1e11, 1e3), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6)];

/// A number since the epoch, `10/Oct/2000:13:55:36 -0700`, or `2000-10-10T13:55:36.123+02:00`; without a zone it is UTC.
pub(super) fn parse_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let (_, to_ms) = UNITS.iter().find(|(below, _)| number.abs() < *below)?;
        return Some((number * to_ms) as i64);
    }
    clf_ms(text).or_else(|| iso_ms(text))
}

/// The same, of what was measured: nothing was before 1970.
pub(super) fn parse_since_1970_ms(text: &str) -> Option<i64> {
    parse_ms(text).filter(|ms| *ms >= 0)
}

/// The time of the common log format. Servers written in Python have a space between date and clock, and no zone.
fn clf_ms(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once([':', ' '])?;
    let mut date = date.split('/');
    let (day, month, year) = (number(date.next()?)?, date.next()?, number(date.next()?)?);
    let month = 1 + MONTHS.iter().position(|known| known.eq_ignore_ascii_case(month))? as i64;
    let (clock, zone) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(day_ms(year, month, day)? + clock_ms(clock)? - zone_ms(zone)?)
}

fn iso_ms(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00:00"));
    let mut date = date.split(['-', '/']);
    let (year, month, day) = (number(date.next()?)?, number(date.next()?)?, number(date.next()?)?);
    if date.next().is_some() {
        return None;
    }
    let rest = rest.trim_end_matches("UTC").trim_end_matches("GMT").trim();
    let zone_at = rest.find(['+', '-', 'Z', 'z']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone_at);
    Some(day_ms(year, month, day)? + clock_ms(clock.trim())? - zone_ms(zone)?)
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn clock_ms(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    // A leap second is written 60.
    let seconds: f64 = parts.next().unwrap_or("0").replace(',', ".").parse().ok()?;
    let is_real = hour < 24 && minute < 60 && (0.0..61.0).contains(&seconds) && parts.next().is_none();
    is_real.then(|| (hour * 60 + minute) * 60_000 + (seconds * 1e3).round() as i64)
}

/// How far ahead of UTC: `-0700`, `+02:00`, `+02`, `Z`, nothing.
fn zone_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = text[1..].replace(':', "");
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits)?, 0),
        4 => (number(&digits[..2])?, number(&digits[2..])?),
        _ => return None,
    };
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn day_ms(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let in_month = *days.get(usize::try_from(month - 1).ok()?)?;
    if !(1970..3000).contains(&year) || !(1..=in_month).contains(&day) {
        return None;
    }
    // Days since 1970 in the Gregorian calendar: years begin in March here, so that leap days come last.
    let year = year - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some((365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468) * 86_400_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_every_dress() {
        for (text, expected) in [
            ("10/Oct/2000:13:55:36 -0700", Some(971_211_336_000)),
            ("01/Jul/1995:00:00:01 -0400", Some(804_571_201_000)),
            ("29/Feb/2000:00:00:00 +0000", Some(951_782_400_000)),
            ("10/oct/2000:20:55:36", Some(971_211_336_000)),
            ("10/Oct/2000 20:55:36", Some(971_211_336_000)),
            ("2000-10-10T20:55:36Z", Some(971_211_336_000)),
            ("2000-10-10 22:55:36.250+02:00", Some(971_211_336_250)),
            ("2000-10-10 20:55:36 UTC", Some(971_211_336_000)),
            ("2000-10-10", Some(971_136_000_000)),
            ("971211336", Some(971_211_336_000)),
            ("971211336000", Some(971_211_336_000)),
            ("971211336.0", Some(971_211_336_000)),
            ("971211336000000", Some(971_211_336_000)),
            ("971211336000000000", Some(971_211_336_000)),
            (" 2000-10-10 20:55 ", Some(971_211_300_000)),
            ("2000-10-10T20:55Z", Some(971_211_300_000)),
            ("2000-10-10 22:55:36.000+0200", Some(971_211_336_000)),
            ("2000-10-10T15:55:36-05", Some(971_211_336_000)),
            ("2000/10/10 20:55:36.5", Some(971_211_336_500)),
            ("2000-10-10T20:55:36.5-00:30", Some(971_213_136_500)),
            ("1970-01-01", Some(0)),
            ("-5", Some(-5_000)),
            ("2000-02-29 00:00", Some(951_782_400_000)),
            ("29/Feb/2001:00:00:00 +0000", None),
            ("31/Apr/2001:00:00:00 +0000", None),
            ("10/Okt/2000:13:55:36 -0700", None),
            ("10/Oct/2000:24:55:36 -0700", None),
            ("10/Oct/2000:13:55:36 -0760", None),
            ("10/Oct/2000", None),
            ("10/Oct/2000 soon", None),
            ("2000-13-10 20:55", None),
            ("2001-02-29", None),
            ("2000-10-10 25:00", None),
            ("2000-10-10 20:55+99:00", None),
            ("10.10.2000", None),
            ("yesterday", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(parse_ms(text), expected, "{text}");
            assert_eq!(parse_since_1970_ms(text), expected.filter(|ms| *ms >= 0), "{text}");
        }
    }
}
