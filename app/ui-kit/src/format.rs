//! Numbers, sizes and times as texts, the same everywhere.

/// An exact integer with thousand separators: `1,234,567`.
pub fn integer(value: impl Into<i128>) -> String {
    let value = value.into();
    let digits = value.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        out.push('−');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with so many digits after the point, and thousand separators.
pub fn decimal(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, fraction)| (whole, Some(fraction)));
    let sign = if value < 0.0 && text.chars().any(|c| c.is_ascii_digit() && c != '0') { "−" } else { "" };
    let whole = whole.parse::<i128>().map_or_else(|_| whole.to_owned(), integer);
    fraction.map_or_else(|| format!("{sign}{whole}"), |fraction| format!("{sign}{whole}.{fraction}"))
}

const PREFIXES: [&str; 5] = ["", " k", " M", " G", " T"];

/// A rate with an SI prefix and three digits that matter: `12.3 k`.
pub fn si(value: f64) -> String {
    let mut scaled = value.abs();
    let mut prefix = 0;
    while scaled >= 999.5 && prefix + 1 < PREFIXES.len() {
        scaled /= 1_000.0;
        prefix += 1;
    }
    let decimals = match scaled {
        _ if scaled == 0.0 => 0,
        _ if scaled < 9.995 && (prefix > 0 || scaled.fract() != 0.0) => 2,
        _ if scaled < 99.95 && (prefix > 0 || scaled.fract() != 0.0) => 1,
        _ => 0,
    };
    format!("{}{}", decimal(scaled.copysign(value), decimals), PREFIXES[prefix])
}

/// A number with an SI prefix and as many digits as tell it from its neighbours, which are one step away: `1.5 k` in steps of 500.
pub fn si_step(value: f64, step: f64) -> String {
    // By a little less than the next thousand, as 1,000 may have come out as 999.9999.
    let thousands = (value.abs() * (1.0 + 1e-9)).log10().max(0.0) as usize / 3;
    let prefix = thousands.min(PREFIXES.len() - 1);
    let unit = 1_000.0_f64.powi(prefix as i32);
    let decimals = (-(step / unit).log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize;
    // A zero that came out a hair below it has no sign.
    let value = if value.abs() < step / 2.0 { 0.0 } else { value };
    format!("{}{}", decimal(value / unit, decimals), PREFIXES[prefix])
}

/// A rate: `12.3 k/s`.
pub fn per_s(value: f64) -> String {
    let text = si(value);
    if text.contains(' ') { format!("{text}/s") } else { format!("{text} /s") }
}

/// A size with an IEC prefix: `1.2 MiB`.
pub fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value;
    let mut unit = 0;
    while scaled >= 1_023.95 && unit + 1 < UNITS.len() {
        scaled /= 1_024.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && scaled < 99.95);
    format!("{} {}", decimal(scaled, decimals), UNITS[unit])
}

/// A length of time: `420 ms`, `3.2 s`, `4 m 05 s`, `1 h 04 m`, `2 d 03 h`.
pub fn duration_ms(value: i64) -> String {
    let sign = if value < 0 { "−" } else { "" };
    let ms = value.unsigned_abs();
    let s = ms / 1_000;
    match s {
        0 => format!("{sign}{ms} ms"),
        1..60 => format!("{sign}{}.{} s", s, ms % 1_000 / 100),
        60..3_600 => format!("{sign}{} m {:02} s", s / 60, s % 60),
        3_600..86_400 => format!("{sign}{} h {:02} m", s / 3_600, s % 3_600 / 60),
        _ => format!("{sign}{} d {:02} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// How long ago: `just now`, `12 s ago`.
pub fn ago(age_ms: i64) -> String {
    match age_ms {
        i64::MIN..1_500 => "just now".to_owned(),
        1_500..60_000 => format!("{} s ago", age_ms / 1_000),
        _ => format!("{} ago", duration_ms(age_ms)),
    }
}

/// A share of one as a percentage.
pub fn percent(share: f64, decimals: usize) -> String {
    format!("{} %", decimal(share * 100.0, decimals))
}

/// Epoch milliseconds as date and time in UTC: `2026-11-23 01:02:03.456`.
pub fn timestamp_utc(epoch_ms: i64) -> String {
    let (year, month, day) = civil(epoch_ms.div_euclid(86_400_000));
    format!("{year:04}-{month:02}-{day:02} {}", time_utc(epoch_ms))
}

/// Epoch milliseconds as time of day in UTC: `01:02:03.456`.
pub fn time_utc(epoch_ms: i64) -> String {
    let ms = epoch_ms.rem_euclid(86_400_000);
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000)
}

/// A moment among others that lie up to `span_ms` apart, in UTC: `01:02:03` within a day, else with its date, `12-05 01:02`.
pub fn moment_utc(epoch_ms: i64, span_ms: i64) -> String {
    let full = timestamp_utc(epoch_ms);
    let part = if span_ms < 86_400_000 { full.get(11..19) } else { full.get(5..16) };
    part.unwrap_or(&full).to_owned()
}

/// Year, month and day of a day number since 1970-01-01 in the proleptic Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years are counted from 1 March, so that the leap day comes last in its year, and in eras of 400 years, which are all alike.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_a_date_where_they_need_one() {
        assert_eq!(moment_utc(1_767_225_723_456, 86_399_999), "00:02:03");
        assert_eq!(moment_utc(1_767_225_723_456, 86_400_000), "01-01 00:02");
    }

    #[test]
    fn integers_keep_every_digit() {
        let check = |value: i128, expect: &str| assert_eq!(integer(value), expect);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(-1_234_567, "−1,234,567");
        check(i128::from(i64::MAX), "9,223,372,036,854,775,807");
        check(i128::from(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn rates_and_sizes_have_prefixes() {
        let check = |value: f64, expect_si: &str, expect_bytes: &str| {
            assert_eq!((si(value), bytes(value)), (expect_si.into(), expect_bytes.into()))
        };
        check(0.0, "0", "0 B");
        check(7.0, "7", "7 B");
        check(999.0, "999", "999 B");
        check(1_000.0, "1.00 k", "1,000 B");
        check(12_345.0, "12.3 k", "12.1 KiB");
        check(1_536_000.0, "1.54 M", "1.5 MiB");
        assert_eq!(si(0.25), "0.25");
        assert_eq!(per_s(50_000.0), "50.0 k/s");
        assert_eq!(per_s(3.0), "3 /s");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(timestamp_utc(0), "1970-01-01 00:00:00.000");
        assert_eq!(timestamp_utc(1_709_210_096_789), "2024-02-29 12:34:56.789");
        assert_eq!(timestamp_utc(-1), "1969-12-31 23:59:59.999");
        let check = |ms: i64, expect: &str| assert_eq!(duration_ms(ms), expect);
        check(420, "420 ms");
        check(3_250, "3.2 s");
        check(245_000, "4 m 05 s");
        check(3_840_000, "1 h 04 m");
        check(183_600_000, "2 d 03 h");
        assert_eq!(ago(12_900), "12 s ago");
        assert_eq!(percent(0.1234, 1), "12.3 %");
        assert_eq!(decimal(-0.001, 1), "0.0");
    }
}
