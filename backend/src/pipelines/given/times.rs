//! Times as logs and tables write them, with their zones, to epoch milliseconds.
//!
//! Most say by themselves what they mean. `03/04/2025` does not: its file does ([`super::Sniff`]), or who runs it (`FILE?dates=dmy`).

mod words;

use words::{Date, Written};

/// Numbers below these are seconds, milliseconds, microseconds and nanoseconds since 1970, with what makes them milliseconds.
const UNITS: [(f64, f64); 4] = [(1e11, 1e3), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6)];

/// Which of two numbers is the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipelines) enum Order {
    /// `29/03/2025`.
    DayFirst,
    /// `03/29/2025`.
    MonthFirst,
}

impl Order {
    /// Reads what a mapping says.
    pub(super) fn told(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "dmy" => Ok(Self::DayFirst),
            "mdy" => Ok(Self::MonthFirst),
            other => Err(format!("`{other}` is no order of dates; write dates=dmy for 29/03/2025, dates=mdy for 03/29/2025")),
        }
    }
}

/// How the times of one file are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::pipelines) struct Dates {
    /// Which comes first; `None` where nothing tells, and dates that could be either are none.
    pub(super) order: Option<Order>,
    /// Whether numbers of 8 and 12 digits are dates (`20250329`, `202503291405`) and no counts of seconds.
    pub(super) is_compact: bool,
}

/// What a text that is a time says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// One thing.
    At(i64),
    /// One with the day first, the other with the month first; `None` where there is no such date.
    Either { day_first: Option<i64>, month_first: Option<i64> },
}

impl Dates {
    /// A number since the epoch, `10/Oct/2000:13:55:36 -0700`, `2000-10-10T13:55:36.123+02:00`, `Oct 10, 2000 1:55:36 PM`, `10.10.2000
    /// 13:55`, `20001010135536`, and their like; without a zone it is UTC.
    pub(in crate::pipelines) fn parse_ms(&self, text: &str) -> Option<i64> {
        match self.reading(text.trim())? {
            Reading::At(ms) => Some(ms),
            Reading::Either { day_first, month_first } => match (self.order, day_first, month_first) {
                (Some(Order::DayFirst), day_first, _) => day_first,
                (Some(Order::MonthFirst), _, month_first) => month_first,
                (None, Some(one), Some(other)) => (one == other).then_some(one),
                (None, day_first, month_first) => day_first.or(month_first),
            },
        }
    }

    /// The same, of what was measured: nothing was before 1970.
    pub(in crate::pipelines) fn parse_since_1970_ms(&self, text: &str) -> Option<i64> {
        self.parse_ms(text).filter(|ms| *ms >= 0)
    }

    /// Whether a text is a time, even one that could be two.
    pub(in crate::pipelines) fn is_time(&self, text: &str) -> bool {
        self.reading(text.trim()).is_some()
    }

    /// Why a text is no time.
    pub(in crate::pipelines) fn why_not(&self, text: &str) -> String {
        match (self.reading(text.trim()), self.order) {
            (Some(Reading::Either { .. }), None) => {
                format!("`{text}` could have the day first or the month: say which behind the file's name, ?dates=dmy or ?dates=mdy")
            }
            (Some(Reading::Either { .. }), Some(Order::DayFirst)) => format!("`{text}` is no time: the day comes first here"),
            (Some(Reading::Either { .. }), Some(Order::MonthFirst)) => format!("`{text}` is no time: the month comes first here"),
            _ => format!("`{text}` is no time"),
        }
    }

    pub(super) fn reading(&self, text: &str) -> Option<Reading> {
        if let Ok(number) = text.parse::<f64>() {
            // No clock has counted so far: it is a date.
            if (text.len() == 14 || self.is_compact)
                && let Some(ms) = compact_ms(text)
            {
                return Some(Reading::At(ms));
            }
            let (_, to_ms) = UNITS.iter().find(|(below, _)| number.abs() < *below)?;
            return Some(Reading::At((number * to_ms) as i64));
        }
        let Written { date, clock_ms, zone_ms } = Written::of(text)?;
        let at = |day: Option<i64>| day.map(|day| day + clock_ms - zone_ms);
        match date {
            Date::Clear { year, month, day } => at(day_ms(year, month, day)).map(Reading::At),
            Date::Numbers { first, second, year, is_dotted } => {
                let (day_first, month_first) = (at(day_ms(year, second, first)), at(day_ms(year, first, second)));
                match (day_first, month_first) {
                    (None, None) => None,
                    // Where dots are written, the day comes first, unless there is no such day.
                    (Some(ms), _) if is_dotted && self.order.is_none() => Some(Reading::At(ms)),
                    (Some(one), Some(other)) if one == other => Some(Reading::At(one)),
                    _ => Some(Reading::Either { day_first, month_first }),
                }
            }
        }
    }
}

/// `20250329`, `202503291405`, `20250329140500`.
pub(super) fn compact_ms(text: &str) -> Option<i64> {
    let is_one = [8, 12, 14].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let part = |from: usize, to: usize| text.get(from..to).map_or(Some(0), |digits| digits.parse::<i64>().ok());
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let year = part(0, 4).filter(|year| (1970..2100).contains(year))?;
    let is_clock = hour < 24 && minute < 60 && second < 61;
    let clock_ms = ((hour * 60 + minute) * 60 + second) * 1_000;
    (is_one && is_clock).then(|| day_ms(year, part(4, 6)?, part(6, 8)?).map(|day| day + clock_ms))?
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
mod tests;
