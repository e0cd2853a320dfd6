//! Times as people write them into tables.

use crate::pipelines::times;

/// Below this a number is seconds: the year 5138 in seconds, 1973 in milliseconds.
const SECONDS_BELOW: f64 = 1e11;

/// Epoch milliseconds of a time; dates without a zone are UTC.
pub(in crate::pipelines) fn parse_ms(text: &str) -> Option<i64> {
    written(text).or_else(|| times::parse_ms(text).filter(|ms| *ms >= 0))
}

/// As file names have them too, with other signs between date and clock.
fn written(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<f64>() {
        let ms = if number < SECONDS_BELOW { number * 1e3 } else { number };
        return (0.0..1e15).contains(&ms).then_some(ms as i64);
    }
    let text = text.trim_end_matches('Z');
    let (date, clock) = text.split_once(['T', ' ', '+']).unwrap_or((text, "0:0"));
    let mut date = date.split(['-', '/']).map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = clock.split([':', '_']).map(|part| part.parse::<f64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next().unwrap_or(Some(0.0))?);
    let is_real = (1970..3000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0.0..24.0).contains(&hour)
        && (0.0..60.0).contains(&minute)
        && (0.0..61.0).contains(&second);
    is_real.then(|| days_since_epoch(year, month, day) * 86_400_000 + ((hour * 60.0 + minute) * 60_000.0 + second * 1e3) as i64)
}

/// Days from 1970-01-01 in the Gregorian calendar: years begin in March here, so that leap days come last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_every_dress() {
        for (text, expected) in [
            ("1566397800", Some(1_566_397_800_000)),
            ("1566397800.0", Some(1_566_397_800_000)),
            ("1566397800000", Some(1_566_397_800_000)),
            ("2019-08-21 14:30:00", Some(1_566_397_800_000)),
            ("2019-08-21T14:30Z", Some(1_566_397_800_000)),
            ("2019-08-21T16:30:00+02:00", Some(1_566_397_800_000)),
            ("2019-08-21+14_30", Some(1_566_397_800_000)),
            ("1566397800000000", Some(1_566_397_800_000)),
            ("2019/08/21 14:30:00.5", Some(1_566_397_800_500)),
            ("1970-01-01", Some(0)),
            ("2000-02-29 00:00", Some(951_782_400_000)),
            ("2019-13-21 14:30", None),
            ("yesterday", None),
            ("", None),
            ("-5", None),
        ] {
            assert_eq!(parse_ms(text), expected, "{text}");
        }
    }
}
