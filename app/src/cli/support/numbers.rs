//! Numbers for people: thousand separators, IEC bytes.

pub(crate) use weir_model::grouped;

/// A number with this many digits after its point and its thousands apart: `1,234.5`.
pub(crate) fn decimal(number: f64, decimals: usize) -> String {
    if !number.is_finite() {
        return "-".to_owned();
    }
    let text = format!("{:.decimals$}", number.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let is_negative = number < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
    let sign = if is_negative { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// Bytes in IEC units: `512 B`, `1.5 KiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let check = |number: i128, expect: &str| assert_eq!(grouped(number), expect);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(-1_234_567, "-1,234,567");
        check(i128::from(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn decimals_round_and_lose_a_meaningless_sign() {
        let check = |number: f64, decimals: usize, expect: &str| assert_eq!(decimal(number, decimals), expect);
        check(1234.56, 1, "1,234.6");
        check(-0.01, 1, "0.0");
        check(-1500.0, 0, "-1,500");
        check(0.999, 2, "1.00");
        check(f64::NAN, 2, "-");
    }

    #[test]
    fn bytes_take_the_unit_that_fits() {
        let check = |number: u64, expect: &str| assert_eq!(bytes(number), expect);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1536, "1.5 KiB");
        check(1024 * 1024 - 1, "1.0 MiB");
        check(u64::MAX, "16.0 EiB");
    }
}
