//! The words of a time that is written out: a date, a clock, a zone, in any usual order.

const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Years of two digits from this one on were in the last century.
const CENTURY_FROM: i64 = 70;

/// A time, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) date: Date,
    pub(super) clock_ms: i64,
    /// How far ahead of UTC.
    pub(super) zone_ms: i64,
}

/// A date as it is written; whether there is such a day is not asked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Date {
    /// The year comes first, or the month has a name.
    Clear { year: i64, month: i64, day: i64 },
    /// Day and month, or month and day.
    Numbers { first: i64, second: i64, year: i64, is_dotted: bool },
}

/// What was found so far.
#[derive(Default)]
struct Found<'a> {
    date: Option<Date>,
    month: Option<i64>,
    numbers: Vec<(i64, usize)>,
    clock_ms: Option<i64>,
    half: Option<Half>,
    zone: Option<&'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Am,
    Pm,
}

impl Written {
    /// `None` where a word is of no time, or one is missing or twice there.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (date_and, rest) = parted(text);
        let mut found = Found::default();
        for word in date_and.split_whitespace().chain(rest.split_whitespace()) {
            let word = word.trim_end_matches(',');
            if !word.is_empty() {
                found.word(word)?;
            }
        }
        found.finish()
    }
}

/// ISO 8601 has a `T` between date and clock, the common log format a colon: as if there were a space.
fn parted(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_between = |at: &usize| at.checked_sub(1).is_some_and(is_digit) && is_digit(at + 1);
    let at = text.find(['T', 't']).filter(is_between).or_else(|| {
        text.find(':').filter(|at| text[..*at].contains('/')).filter(|at| {
            let before = &text[..*at];
            !before.contains(char::is_whitespace) && before.len() >= 5 && before.rsplit('/').next().is_some_and(|year| year.len() == 4)
        })
    });
    at.map_or((text, ""), |at| (&text[..at], &text[at + 1..]))
}

impl<'a> Found<'a> {
    fn word(&mut self, word: &'a str) -> Option<()> {
        let is_alphabetic = word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.');
        if is_alphabetic {
            return self.name(word);
        }
        let first = *word.as_bytes().first()?;
        if self.clock_ms.is_some() && (first == b'+' || first == b'-') {
            return set(&mut self.zone, word);
        }
        // As browsers write it: `GMT+0100 (CET)`.
        if let Some(zone) = word.strip_prefix("GMT").or_else(|| word.strip_prefix("UTC")).filter(|zone| zone.starts_with(['+', '-'])) {
            return set(&mut self.zone, zone);
        }
        if self.zone.is_some() && first == b'(' {
            return Some(());
        }
        if word.contains(':') {
            return self.clock(word);
        }
        let parts: Vec<_> = word.split(['-', '/', '.']).collect();
        match parts[..] {
            [one, other, third] if self.date.is_none() => self.date(one, other, third, word.contains('.')),
            // `14.05` and `14.05.30`, as some countries write clocks.
            [hour, _] | [hour, _, _] if self.has_date() && hour.len() <= 2 && !word.contains(['-', '/']) => self.dotted_clock(word),
            [digits] if digits.len() == 8 && self.date.is_none() => self.compact_date(digits),
            [digits] if self.date.is_some() => self.compact_clock(digits),
            [digits] => self.loose(digits),
            _ if self.date.is_some() && self.numbers.is_empty() => self.compact_clock(word),
            _ => None,
        }
    }

    fn has_date(&self) -> bool {
        self.date.is_some() || self.month.is_some()
    }

    /// A month, a day of the week, a half of the day, a zone.
    fn name(&mut self, word: &'a str) -> Option<()> {
        let plain = word.replace('.', "").to_ascii_lowercase();
        match plain.as_str() {
            "am" => set(&mut self.half, Half::Am),
            "pm" => set(&mut self.half, Half::Pm),
            "z" | "utc" | "gmt" if self.clock_ms.is_some() => set(&mut self.zone, "Z"),
            "at" => Some(()),
            _ if named(&DAYS, &plain).is_some() => Some(()),
            _ => set(&mut self.month, named(&MONTHS, &plain)?),
        }
    }

    fn date(&mut self, one: &str, other: &str, third: &str, is_dotted: bool) -> Option<()> {
        let date = match (named(&MONTHS, one), named(&MONTHS, other)) {
            (Some(month), _) => Date::Clear { year: year(third)?, month, day: number(other)? },
            (_, Some(month)) if one.len() == 4 => Date::Clear { year: year(one)?, month, day: number(third)? },
            (_, Some(month)) => Date::Clear { year: year(third)?, month, day: number(one)? },
            _ if one.len() == 4 => Date::Clear { year: number(one)?, month: number(other)?, day: number(third)? },
            _ => Date::Numbers { first: number(one)?, second: number(other)?, year: year(third)?, is_dotted },
        };
        set(&mut self.date, date)
    }

    fn compact_date(&mut self, digits: &str) -> Option<()> {
        number(digits)?;
        let date = Date::Clear { year: number(&digits[..4])?, month: number(&digits[4..6])?, day: number(&digits[6..])? };
        set(&mut self.date, date)
    }

    /// `140500`, `1405Z`, `140500.25+0200`.
    fn compact_clock(&mut self, word: &'a str) -> Option<()> {
        let (digits, zone) = word.split_at(word.find(['+', '-', 'Z', 'z']).unwrap_or(word.len()));
        let (whole, _) = digits.split_once('.').unwrap_or((digits, ""));
        if !matches!(whole.len(), 4 | 6) || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return None;
        }
        if !zone.is_empty() {
            set(&mut self.zone, zone)?;
        }
        let (hour, minute) = (number(&digits[..2])?, number(&digits[2..4])?);
        set(&mut self.clock_ms, clock_ms(hour, minute, digits.get(4..).filter(|rest| !rest.is_empty()).unwrap_or("0"))?)
    }

    /// A day or a year beside a month's name.
    fn loose(&mut self, word: &str) -> Option<()> {
        let digits = ["st", "nd", "rd", "th"].iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
        self.numbers.push((number(digits)?, digits.len()));
        (self.numbers.len() <= 2).then_some(())
    }

    fn dotted_clock(&mut self, word: &str) -> Option<()> {
        let mut parts = word.splitn(3, '.');
        let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
        set(&mut self.clock_ms, clock_ms(hour, minute, parts.next().unwrap_or("0"))?)
    }

    /// `14:05`, `14:05:00.25+02:00`, `2:05PM`.
    fn clock(&mut self, word: &'a str) -> Option<()> {
        let (clock, zone) = word.split_at(word.find(['+', '-', 'Z', 'z']).unwrap_or(word.len()));
        if !zone.is_empty() {
            set(&mut self.zone, zone)?;
        }
        let digits = clock.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        if digits.len() < clock.len() {
            self.name(&clock[digits.len()..])?;
        }
        let mut parts = digits.splitn(3, ':');
        let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
        set(&mut self.clock_ms, clock_ms(hour, minute, parts.next().unwrap_or("0"))?)
    }

    fn finish(self) -> Option<Written> {
        let date = match (self.date, self.month, &self.numbers[..]) {
            (Some(date), None, []) => date,
            (None, Some(month), [(year, 4), (day, 1 | 2)] | [(day, 1 | 2), (year, 4)]) => Date::Clear { year: *year, month, day: *day },
            _ => return None,
        };
        let clock_ms = match (self.clock_ms, self.half) {
            (Some(clock_ms), Some(half)) => {
                let hour_ms = 3_600_000;
                let in_half_ms = if clock_ms < 13 * hour_ms { clock_ms % (12 * hour_ms) } else { return None };
                in_half_ms + if half == Half::Pm { 12 * hour_ms } else { 0 }
            }
            (None, Some(_)) => return None,
            (clock_ms, None) => clock_ms.unwrap_or(0),
        };
        Some(Written { date, clock_ms, zone_ms: self.zone.map_or(Some(0), zone_ms)? })
    }
}

/// Nothing may be there twice.
fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}

fn named(names: &[&str], word: &str) -> Option<i64> {
    let word = word.trim_end_matches('.');
    let is_name = |name: &&str| {
        let is_short = word.len() >= 3 && name.get(..word.len().min(name.len())).is_some_and(|start| start.eq_ignore_ascii_case(word));
        is_short && (word.len() <= 4 || word.len() == name.len())
    };
    names.iter().position(is_name).map(|at| at as i64 + 1)
}

fn year(text: &str) -> Option<i64> {
    let year = number(text)?;
    match text.len() {
        2 => Some(year + if year >= CENTURY_FROM { 1_900 } else { 2_000 }),
        4 => Some(year),
        _ => None,
    }
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn clock_ms(hour: i64, minute: i64, seconds: &str) -> Option<i64> {
    let is_plain = seconds.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','));
    // A leap second is written 60.
    let seconds: f64 = seconds.replace(',', ".").parse().ok()?;
    let is_real = is_plain && hour < 24 && minute < 60 && (0.0..61.0).contains(&seconds);
    is_real.then(|| (hour * 60 + minute) * 60_000 + (seconds * 1e3).round() as i64)
}

/// How far ahead of UTC: `-0700`, `+02:00`, `+02`, `Z`.
fn zone_ms(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
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
