//! Numbers as tables write them: `1,020.5`, `1 020,5`, `1.020,50`, `$12.34`, `1e3`.
//!
//! Most say by themselves which sign is the decimal one. `1,020` does not: its file does ([`super::Sniff`]), or who runs it
//! (`FILE?decimal=comma`).

use std::borrow::Cow;

/// Signs between groups of digits besides comma and point.
const GAPS: [char; 6] = [' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '’'];
/// Plus, and what is written for minus.
const SIGNS: [char; 3] = ['+', '-', '\u{2212}'];
/// Signs of currencies, before or after an amount.
const CURRENCIES: [char; 8] = ['$', '€', '£', '¥', '₹', '₽', '₩', '₺'];

/// Which sign stands before fractions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipelines) enum Decimal {
    /// `1,020.5`.
    Point,
    /// `1.020,5`.
    Comma,
}

impl Decimal {
    /// Reads what a mapping says.
    pub(super) fn told(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "point" | "dot" | "." => Ok(Self::Point),
            "comma" | "," => Ok(Self::Comma),
            other => Err(format!("`{other}` is no decimal sign; write decimal=point for 1,020.5, decimal=comma for 1.020,5")),
        }
    }

    fn signs(self) -> (char, char) {
        match self {
            Self::Point => ('.', ','),
            Self::Comma => (',', '.'),
        }
    }
}

/// How the numbers of one file are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::pipelines) struct Numbers {
    /// `None` where nothing tells: then a single point is the decimal sign, and a comma that could be either makes no number.
    pub(super) decimal: Option<Decimal>,
}

/// What a number says of the decimal sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Nothing: it has neither sign.
    None,
    /// It is this one.
    Is(Decimal),
    /// A comma that could be either.
    EitherComma,
    /// It is no number, whatever the sign.
    NoNumber,
}

impl Numbers {
    /// The number.
    ///
    /// # Errors
    /// Why it is none.
    pub(in crate::pipelines) fn parse(&self, text: &str) -> Result<f64, String> {
        // What programs write needs no second look.
        let is_plain = self.decimal != Some(Decimal::Comma) || !text.contains('.');
        match text.trim().parse::<f64>() {
            Ok(number) if is_plain => Ok(number),
            _ => self.plain(text)?.parse().map_err(|_| format!("`{text}` is no number")),
        }
    }

    /// Whether a text is a number, however its file writes them.
    pub(in crate::pipelines) fn may_be(text: &str) -> bool {
        evidence(text) != Evidence::NoNumber
    }

    /// An amount in hundredths, rounded half away from zero, without binary fractions on the way.
    ///
    /// # Errors
    /// Why it is none.
    pub(in crate::pipelines) fn hundredths(&self, text: &str) -> Result<i64, String> {
        let too_large = || format!("`{text}` is too large");
        let plain = self.plain(text)?;
        if plain.contains(['e', 'E']) {
            let number = plain.parse::<f64>().map_err(|_| format!("`{text}` is no number"))?;
            return if number.abs() < 1e15 { Ok((number * 100.0).round() as i64) } else { Err(too_large()) };
        }
        let (is_negative, digits) = plain.strip_prefix('-').map_or((false, &*plain), |digits| (true, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let cents: String = fraction.chars().chain("00".chars()).take(2).collect();
        let is_rounded_up = fraction.as_bytes().get(2).is_some_and(|digit| *digit >= b'5');
        let whole = if whole.is_empty() { Ok(0) } else { whole.parse::<i64>() };
        let minor =
            whole.ok().and_then(|whole| whole.checked_mul(100)?.checked_add(cents.parse().ok()?)?.checked_add(is_rounded_up.into()));
        minor.map(|minor| if is_negative { -minor } else { minor }).ok_or_else(too_large)
    }

    /// The number as programs write it: digits, perhaps with a minus, a point, and an exponent.
    fn plain<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, String> {
        let none = || format!("`{text}` is no number");
        let Bare { digits, is_negative, exponent } = Bare::of(text).ok_or_else(none)?;
        let decimal = match (self.decimal, evidence_of(digits)) {
            (_, Evidence::NoNumber) => return Err(none()),
            (Some(told), _) => told,
            (None, Evidence::Is(decimal)) => decimal,
            (None, Evidence::None) => Decimal::Point,
            (None, Evidence::EitherComma) => {
                return Err(format!(
                    "`{text}` could be a thousand or a fraction: say which behind the file's name, ?decimal=point or ?decimal=comma"
                ));
            }
        };
        let (point, group) = decimal.signs();
        let (whole, fraction) = digits.split_once(point).unwrap_or((digits, ""));
        let is_fraction = fraction.bytes().all(|byte| byte.is_ascii_digit());
        if !is_fraction || !is_grouped(whole, group) {
            let sign = if decimal == Decimal::Comma { "comma" } else { "point" };
            return Err(format!("{}: the decimal sign here is the {sign}", none()));
        }
        let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
        let sign = if is_negative { "-" } else { "" };
        let rest = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
        Ok(format!("{sign}{whole}{rest}{exponent}").into())
    }
}

/// What a text says of the decimal sign.
pub(super) fn evidence(text: &str) -> Evidence {
    Bare::of(text).map_or(Evidence::NoNumber, |bare| evidence_of(bare.digits))
}

fn evidence_of(digits: &str) -> Evidence {
    let count = |sign| digits.matches(sign).count();
    let is = |decimal: Decimal| {
        let (point, group) = decimal.signs();
        let (whole, fraction) = digits.split_once(point).unwrap_or((digits, ""));
        is_grouped(whole, group) && fraction.bytes().all(|byte| byte.is_ascii_digit())
    };
    match (is(Decimal::Point), is(Decimal::Comma)) {
        (false, false) => Evidence::NoNumber,
        (true, false) => Evidence::Is(Decimal::Point),
        (false, true) => Evidence::Is(Decimal::Comma),
        _ if count(',') == 0 && count('.') == 0 => Evidence::None,
        // `1.020`: what programs write has a point.
        _ if count(',') == 0 => Evidence::None,
        _ => Evidence::EitherComma,
    }
}

/// A number without what stands around it.
struct Bare<'a> {
    digits: &'a str,
    is_negative: bool,
    exponent: &'a str,
}

impl<'a> Bare<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let mut rest = text.trim();
        let mut is_negative = false;
        // Accountants write what is owed in brackets.
        if let Some(inner) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            (rest, is_negative) = (inner, true);
        }
        // The sign stands before the currency's or behind it.
        let is_signed = rest.starts_with(SIGNS);
        for _ in 0..2 {
            is_negative |= rest.starts_with(&SIGNS[1..]);
            rest = without_currency(rest.strip_prefix(SIGNS).unwrap_or(rest));
            if is_signed {
                break;
            }
        }
        let (digits, exponent) = rest.split_at(rest.find(['e', 'E']).unwrap_or(rest.len()));
        let power = exponent.trim_start_matches(['e', 'E']).trim_start_matches(['+', '-']);
        let is_power = exponent.is_empty() || (!power.is_empty() && power.bytes().all(|byte| byte.is_ascii_digit()) && power.len() < 4);
        let is_number =
            digits.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == ',') && digits.bytes().any(|byte| byte.is_ascii_digit());
        (is_power && is_number && exponent.matches(['e', 'E']).count() < 2).then_some(Self { digits, is_negative, exponent })
    }
}

/// Without a sign or a code, such as `EUR`, before or after.
fn without_currency(text: &str) -> &str {
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    let before = text.get(..3).filter(|code| is_code(code)).map(|_| &text[3..]);
    let after = text.len().checked_sub(3).and_then(|at| text.get(at..).filter(|code| is_code(code)).map(|_| &text[..at]));
    before.or(after).unwrap_or(text).trim_matches(CURRENCIES).trim_matches(GAPS)
}

/// Whether these are digits, in groups or not: all of three but the first, or but the last of two, as in India.
fn is_grouped(whole: &str, group: char) -> bool {
    let mut groups = whole.split(|c| c == group || GAPS.contains(&c));
    let first = groups.next().unwrap_or_default();
    let rest: Vec<_> = groups.collect();
    let is_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let Some((last, middle)) = rest.split_last() else { return is_digits(first) };
    let sizes = [middle.iter().all(|group| group.len() == 3), middle.iter().all(|group| group.len() == 2)];
    let is_sized = (1..=3).contains(&first.len()) && last.len() == 3 && sizes.contains(&true);
    // Nobody writes 0,125 for a hundred and twenty-five.
    is_sized && !first.starts_with('0') && is_digits(first) && rest.iter().all(|group| is_digits(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Numbers = Numbers { decimal: None };
    const POINT: Numbers = Numbers { decimal: Some(Decimal::Point) };
    const COMMA: Numbers = Numbers { decimal: Some(Decimal::Comma) };

    #[test]
    fn numbers_in_every_dress() {
        for (text, any, point, comma) in [
            ("12.34", Some(12.34), Some(12.34), None),
            ("12,34", Some(12.34), None, Some(12.34)),
            ("1,020.5", Some(1_020.5), Some(1_020.5), None),
            ("1.020,50", Some(1_020.5), None, Some(1_020.5)),
            ("1 020,5", Some(1_020.5), None, Some(1_020.5)),
            ("1\u{202f}020,5", Some(1_020.5), None, Some(1_020.5)),
            ("1'020.50", Some(1_020.5), Some(1_020.5), None),
            ("1,020", None, Some(1_020.0), Some(1.02)),
            ("1.020", Some(1.02), Some(1.02), Some(1_020.0)),
            ("1,020,300", Some(1_020_300.0), Some(1_020_300.0), None),
            ("1.020.300", Some(1_020_300.0), None, Some(1_020_300.0)),
            ("12,34,567.5", Some(1_234_567.5), Some(1_234_567.5), None),
            ("0,125", Some(0.125), None, Some(0.125)),
            ("$12.34", Some(12.34), Some(12.34), None),
            ("-$1,234.50", Some(-1_234.5), Some(-1_234.5), None),
            ("$-5", Some(-5.0), Some(-5.0), Some(-5.0)),
            ("($5.00)", Some(-5.0), Some(-5.0), None),
            ("12,34 €", Some(12.34), None, Some(12.34)),
            ("EUR 12", Some(12.0), Some(12.0), Some(12.0)),
            ("12 USD", Some(12.0), Some(12.0), Some(12.0)),
            ("\u{2212}5", Some(-5.0), Some(-5.0), Some(-5.0)),
            ("+5", Some(5.0), Some(5.0), Some(5.0)),
            ("1e3", Some(1_000.0), Some(1_000.0), Some(1_000.0)),
            ("1.5E-3", Some(0.0015), Some(0.0015), None),
            ("1,5E-3", Some(0.0015), None, Some(0.0015)),
            (".5", Some(0.5), Some(0.5), None),
            (" 5. ", Some(5.0), Some(5.0), None),
            ("", None, None, None),
            ("-", None, None, None),
            (".", None, None, None),
            ("12,3,4", None, None, None),
            ("1.2.3", None, None, None),
            ("12 34", None, None, None),
            ("--5", None, None, None),
            ("5.x", None, None, None),
            ("12%", None, None, None),
            ("1e", None, None, None),
            ("2025-03-29", None, None, None),
            ("29.03.2025", None, None, None),
            ("cheap", None, None, None),
        ] {
            let got = [ANY, POINT, COMMA].map(|numbers| numbers.parse(text).ok());
            assert_eq!(got, [any, point, comma], "{text}");
        }
        assert!(ANY.parse("1,020").is_err_and(|why| why.contains("?decimal=point")));
        assert!(COMMA.parse("12.34").is_err_and(|why| why.contains("the decimal sign here is the comma")));
    }

    #[test]
    fn amounts_are_exact() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(ANY.hundredths(text).ok(), expect, "{text}");
        check("35.79", Some(3_579));
        check("35", Some(3_500));
        check("35.", Some(3_500));
        check(" .5 ", Some(50));
        check("-0.05", Some(-5));
        check("35.799", Some(3_580));
        check("1.005", Some(101));
        check("-1.005", Some(-101));
        check("9007199254740993.01", Some(900_719_925_474_099_301));
        check("1e3", Some(100_000));
        check("$1,234.50", Some(123_450));
        check("35,79", Some(3_579));
        check("EUR 5", Some(500));
        for bad in ["", ".", "-", "3 5", "5.x", "--5", "NaN", "inf", "1e20", "99999999999999999999"] {
            check(bad, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_number_or_none(text in "[0-9eE.,+ $€'A-Z()-]{0,16}") {
            for numbers in [ANY, POINT, COMMA] {
                let _ = (numbers.parse(&text), numbers.hundredths(&text), evidence(&text));
            }
        }
    }
}
