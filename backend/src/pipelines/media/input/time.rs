//! Times as tables have them, and names of files.

use crate::pipelines::given::Dates;

/// Epoch milliseconds of a time; in names of files other signs stand between date and clock, and in the clock.
pub(super) fn parse_ms(text: &str, dates: Dates) -> Option<i64> {
    dates.parse_since_1970_ms(text).or_else(|| {
        let (date, clock) = text.split_once('+')?;
        dates.parse_since_1970_ms(&format!("{date} {}", clock.replace('_', ":")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_have_times_too() {
        for (text, expected) in [
            ("1566397800", Some(1_566_397_800_000)),
            ("2019-08-21T16:30:00+02:00", Some(1_566_397_800_000)),
            ("2019-08-21+14_30", Some(1_566_397_800_000)),
            ("2019-08-21+14_30_00", Some(1_566_397_800_000)),
            ("2019-13-21+14_30", None),
            ("yesterday", None),
        ] {
            assert_eq!(parse_ms(text, Dates::default()), expected, "{text}");
        }
    }
}
