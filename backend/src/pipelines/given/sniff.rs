//! How one file writes dates and numbers: as its first rows show, or as was told behind its name.

use super::{
    numbers::{self, Decimal, Numbers},
    times::{Dates, Order, Reading, compact_ms},
};

/// Rows that are looked at, and those that are enough where they leave no question open.
const ROWS_MAX: usize = 200_000;
const ROWS_ENOUGH: usize = 1_000;
/// Of so many values one may say the opposite of the rest: it is told as a row that can't be read.
const ODD_SHARE: u64 = 100;
/// Changes of the day by which an order is told where no clock shows that rows are sorted at all.
const CHANGES_MIN: u64 = 4;
/// Steps of the clock within days by which is known whether rows are sorted, and how far apart they are.
const STEPS_MIN: u64 = 5;
const HALF_A_DAY_MS: i64 = 43_200_000;
const DAY_MS: i64 = 86_400_000;

/// What was told behind a file's name: `dates=dmy`, `decimal=comma`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::pipelines) struct Told {
    order: Option<Order>,
    decimal: Option<Decimal>,
}

impl Told {
    /// What may be told, for people.
    pub(in crate::pipelines) const NAMES: &'static str = "dates (dmy, mdy), decimal (point, comma)";

    /// Takes one part of a mapping; tells whether it was one of these.
    ///
    /// # Errors
    /// When it is, and says nothing known.
    pub(in crate::pipelines) fn take(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name.trim() {
            "dates" => self.order = Some(Order::told(value)?),
            "decimal" => self.decimal = Some(Decimal::told(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// How a file writes times and numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::pipelines) struct Dialect {
    /// Its times.
    pub(in crate::pipelines) dates: Dates,
    /// Its numbers.
    pub(in crate::pipelines) numbers: Numbers,
}

/// Looks at the rows of a file, in their order, before they are read.
#[derive(Clone, Debug, Default)]
pub(in crate::pipelines) struct Sniff {
    told: Told,
    rows: usize,
    dates: DateEvidence,
    numbers: NumberEvidence,
}

impl Sniff {
    /// Nothing seen yet.
    pub(in crate::pipelines) fn new(told: Told) -> Self {
        Self { told, ..Self::default() }
    }

    /// A time of the next row.
    pub(in crate::pipelines) fn time(&mut self, text: &str) {
        self.rows += 1;
        self.dates.see(text.trim());
    }

    /// A number of the row.
    pub(in crate::pipelines) fn number(&mut self, text: &str) {
        self.numbers.see(text);
    }

    /// A count of the row: as it has no fraction, `1,020` and `1.020` are a thousand and twenty.
    pub(in crate::pipelines) fn count(&mut self, text: &str) {
        self.numbers.see_count(text);
    }

    /// Whether further rows would say nothing new, or too many were looked at.
    pub(in crate::pipelines) fn is_enough(&self) -> bool {
        let is_settled = self.dates.is_settled() && self.numbers.is_settled();
        self.rows >= ROWS_MAX || (self.rows >= ROWS_ENOUGH && is_settled)
    }

    /// What the rows said.
    ///
    /// # Errors
    /// Where they leave open how dates or numbers are meant; says what to do.
    pub(in crate::pipelines) fn dialect(&self) -> Result<Dialect, String> {
        let order = self.told.order.map_or_else(|| self.dates.order(), |order| Ok(Some(order)))?;
        let decimal = self.told.decimal.map_or_else(|| self.numbers.decimal(), |decimal| Ok(Some(decimal)))?;
        let is_compact = self.dates.counts > 0 && self.dates.compact == self.dates.counts;
        Ok(Dialect { dates: Dates { order, is_compact }, numbers: Numbers { decimal } })
    }
}

/// Which of two things a value says, with the first one that did.
#[derive(Clone, Debug, Default)]
struct Votes {
    count: u64,
    first: String,
}

impl Votes {
    fn add(&mut self, text: &str) {
        if self.count == 0 {
            text.clone_into(&mut self.first);
        }
        self.count += 1;
    }

    /// The one that nearly all are for; `None` where there is no vote.
    fn winner<T>((one, votes): (T, &Self), (other, against): (T, &Self)) -> Result<Option<T>, String> {
        match (votes.count, against.count) {
            (0, 0) => Ok(None),
            (yes, no) if no * ODD_SHARE <= yes => Ok(Some(one)),
            (yes, no) if yes * ODD_SHARE <= no => Ok(Some(other)),
            _ => Err(format!("it has `{}` and `{}`", votes.first, against.first)),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct DateEvidence {
    day_first: Votes,
    month_first: Votes,
    either: Votes,
    /// Numbers, and those of them that are dates without signs.
    counts: u64,
    compact: u64,
    walks: [Walk; 2],
    /// Steps of the clock within a day, forwards and back, and the longest.
    steps: [u64; 2],
    longest_ms: i64,
}

/// How dates that could be either go on, read one way.
#[derive(Clone, Debug, Default)]
struct Walk {
    last_ms: Option<i64>,
    /// Changes of the day, forwards and back.
    changes: [u64; 2],
    /// Those that are no longer than steps within a day.
    short: u64,
}

impl DateEvidence {
    fn see(&mut self, text: &str) {
        if text.parse::<f64>().is_ok() {
            self.counts += 1;
            self.compact += u64::from(compact_ms(text).is_some());
            return;
        }
        match Dates::default().reading(text) {
            Some(Reading::Either { day_first: Some(day_first), month_first: Some(month_first) }) => {
                self.either.add(text);
                self.step(day_first, month_first);
            }
            Some(Reading::Either { day_first: Some(_), month_first: None }) => self.day_first.add(text),
            Some(Reading::Either { .. }) => self.month_first.add(text),
            _ => {}
        }
    }

    fn step(&mut self, day_first: i64, month_first: i64) {
        let [one, other] = &mut self.walks;
        let steps = [(one, day_first), (other, month_first)].map(|(walk, ms)| {
            let last = walk.last_ms.replace(ms);
            last.map(|last| (ms - last, ms.div_euclid(DAY_MS) != last.div_euclid(DAY_MS)))
        });
        let [Some((by_day, is_change)), Some((by_month, _))] = steps else { return };
        if !is_change {
            self.steps[usize::from(by_day < 0)] += u64::from(by_day != 0);
            self.longest_ms = self.longest_ms.max(by_day.abs());
            return;
        }
        let is_known = self.steps[0] + self.steps[1] >= STEPS_MIN && self.longest_ms < HALF_A_DAY_MS;
        for (walk, by) in self.walks.iter_mut().zip([by_day, by_month]) {
            walk.changes[usize::from(by < 0)] += 1;
            walk.short += u64::from(is_known && by.abs() <= self.longest_ms);
        }
    }

    fn is_settled(&self) -> bool {
        self.either.count == 0 || self.day_first.count + self.month_first.count > 0
    }

    fn order(&self) -> Result<Option<Order>, String> {
        let help = "say which comes first behind the file's name: ?dates=dmy (29/03/2025) or ?dates=mdy (03/29/2025)";
        let voted = Votes::winner((Order::DayFirst, &self.day_first), (Order::MonthFirst, &self.month_first));
        let voted = voted.map_err(|both| format!("its dates have the day first in some rows and the month in others: {both}; {help}"))?;
        if voted.is_some() || self.either.count == 0 {
            return Ok(voted);
        }
        let [by_day, by_month] = &self.walks;
        match (self.goes_on(by_day), self.goes_on(by_month)) {
            (Some(true), Some(false)) => return Ok(Some(Order::DayFirst)),
            (Some(false), Some(true)) => return Ok(Some(Order::MonthFirst)),
            _ => {}
        }
        match (by_day.short, by_month.short) {
            (1.., 0) => Ok(Some(Order::DayFirst)),
            (0, 1..) => Ok(Some(Order::MonthFirst)),
            _ => {
                Err(format!("its dates, such as `{}`, could have the day first or the month, and no row tells; {help}", self.either.first))
            }
        }
    }

    /// Whether the days follow each other, forwards or back; `None` where too few do to say.
    fn goes_on(&self, walk: &Walk) -> Option<bool> {
        let [forwards, back] = self.steps;
        let [later, earlier] = walk.changes;
        let changes = later + earlier;
        let is_sorted = forwards + back >= STEPS_MIN && forwards.min(back) * ODD_SHARE <= forwards + back;
        let odd = match is_sorted {
            true if forwards > back => earlier,
            true => later,
            false if changes >= CHANGES_MIN => later.min(earlier),
            false => return None,
        };
        match changes {
            0 => None,
            _ if odd * ODD_SHARE <= changes => Some(true),
            _ if odd * 10 > changes => Some(false),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct NumberEvidence {
    point: Votes,
    comma: Votes,
    either: Votes,
}

impl NumberEvidence {
    fn see(&mut self, text: &str) {
        match numbers::evidence(text) {
            numbers::Evidence::Is(Decimal::Point) => self.point.add(text),
            numbers::Evidence::Is(Decimal::Comma) => self.comma.add(text),
            numbers::Evidence::EitherComma => self.either.add(text),
            numbers::Evidence::None | numbers::Evidence::NoNumber => {}
        }
    }

    fn see_count(&mut self, text: &str) {
        let is_thousand = |part: Option<(&str, &str)>| part.is_some_and(|(_, after)| after.len() == 3 && after != "000");
        match numbers::evidence(text) {
            numbers::Evidence::EitherComma => self.point.add(text),
            numbers::Evidence::None if is_thousand(text.trim().split_once('.')) => self.comma.add(text),
            _ => self.see(text),
        }
    }

    fn is_settled(&self) -> bool {
        self.either.count == 0 || self.point.count + self.comma.count > 0
    }

    fn decimal(&self) -> Result<Option<Decimal>, String> {
        let help = "say which sign is the decimal one behind the file's name: ?decimal=point (1,020.5) or ?decimal=comma (1.020,5)";
        let voted = Votes::winner((Decimal::Point, &self.point), (Decimal::Comma, &self.comma));
        let voted = voted.map_err(|both| format!("its numbers have a decimal point in some rows and a comma in others: {both}; {help}"))?;
        match voted {
            None if self.either.count > 0 => {
                let first = &self.either.first;
                Err(format!("its numbers, such as `{first}`, could be thousands or fractions, and no row tells; {help}"))
            }
            voted => Ok(voted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(texts: &[String]) -> Result<Option<Order>, String> {
        let mut sniff = Sniff::default();
        texts.iter().for_each(|text| sniff.time(text));
        sniff.dialect().map(|dialect| dialect.dates.order)
    }

    fn decimal(texts: &[&str]) -> Result<Option<Decimal>, String> {
        let mut sniff = Sniff::default();
        texts.iter().for_each(|text| sniff.number(text));
        sniff.dialect().map(|dialect| dialect.numbers.decimal)
    }

    #[test]
    fn dates_are_told_by_a_day_beyond_twelve() {
        let check = |texts: &[&str], expect: Result<Option<Order>, &str>| {
            let got = dates(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
            match expect {
                Ok(expect) => assert_eq!(got, Ok(expect), "{texts:?}"),
                Err(why) => assert!(got.as_ref().is_err_and(|error| error.contains(why)), "{texts:?}: {got:?}"),
            }
        };
        check(&["03/04/2025", "29/03/2025"], Ok(Some(Order::DayFirst)));
        check(&["03/04/2025", "03/29/2025"], Ok(Some(Order::MonthFirst)));
        check(&["2025-03-04", "1743257100"], Ok(None));
        check(&["03.04.2025"], Ok(None));
        check(&["04/04/2025"], Ok(None));
        check(&["03/04/2025"], Err("?dates=dmy"));
        check(&["13/04/2025", "04/13/2025"], Err("`13/04/2025` and `04/13/2025`"));
        let mut many = vec!["13/04/2025"; 200];
        many.push("04/13/2025");
        check(&many, Ok(Some(Order::DayFirst)));
    }

    #[test]
    fn dates_are_told_by_the_order_of_rows() {
        let text = |order: Order, (month, day): (i64, i64), clock: &str| match order {
            Order::DayFirst => format!("{day:02}/{month:02}/2025{clock}"),
            Order::MonthFirst => format!("{month:02}/{day:02}/2025{clock}"),
        };
        for order in [Order::DayFirst, Order::MonthFirst] {
            // Days over the end of a month, forwards and, as banks export them, back.
            let mut days: Vec<_> = [(1, 9), (1, 10), (1, 12), (2, 2), (2, 3), (2, 8)].map(|day| text(order, day, "")).into();
            assert_eq!(dates(&days), Ok(Some(order)), "{days:?}");
            days.reverse();
            assert_eq!(dates(&days), Ok(Some(order)), "{days:?}");
            // Two nights, and rows every hour.
            let hour = |hour: i64| text(order, (3, 4 + hour / 24), &format!(" {:02}:30", hour % 24));
            let hours: Vec<_> = (0..60).map(hour).collect();
            assert_eq!(dates(&hours), Ok(Some(order)), "{hours:?}");
            // A row each day, as well as one each month.
            let daily: Vec<_> = (1..10).map(|day| text(order, (3, day), "")).collect();
            assert!(dates(&daily).is_err_and(|why| why.contains("no row tells")), "{daily:?}");
            // In no order at all.
            let any: Vec<_> = [(3, 9), (7, 2), (1, 8), (11, 3), (4, 6), (2, 1)].map(|day| text(order, day, "")).into();
            assert!(dates(&any).is_err(), "{any:?}");
        }
    }

    #[test]
    fn what_is_told_counts() {
        let mut told = Told::default();
        assert_eq!((told.take("dates", "mdy"), told.take("decimal", "comma"), told.take("user", "ip")), (Ok(true), Ok(true), Ok(false)));
        assert!(told.take("dates", "ymd").is_err() && told.take("decimal", "x").is_err());
        let mut sniff = Sniff::new(told);
        sniff.time("29/03/2025");
        sniff.number("1,020");
        let expect = Dialect {
            dates: Dates { order: Some(Order::MonthFirst), is_compact: false },
            numbers: Numbers { decimal: Some(Decimal::Comma) },
        };
        assert_eq!(sniff.dialect(), Ok(expect));
    }

    #[test]
    fn dates_without_signs_are_told_by_all_of_them() {
        let is_compact = |texts: &[&str]| {
            let mut sniff = Sniff::default();
            texts.iter().for_each(|text| sniff.time(text));
            sniff.dialect().map(|dialect| dialect.dates.is_compact)
        };
        assert_eq!(is_compact(&["20250329", "20250330"]), Ok(true));
        assert_eq!(is_compact(&["202503291405"]), Ok(true));
        assert_eq!(is_compact(&["20250329", "20250399"]), Ok(false), "a count passes all numbers");
        assert_eq!(is_compact(&["2025-03-29"]), Ok(false));
    }

    #[test]
    fn the_decimal_sign_is_told_by_numbers_that_have_one_meaning() {
        let check = |texts: &[&str], expect: Result<Option<Decimal>, &str>| match expect {
            Ok(expect) => assert_eq!(decimal(texts), Ok(expect), "{texts:?}"),
            Err(why) => assert!(decimal(texts).is_err_and(|error| error.contains(why)), "{texts:?}"),
        };
        check(&["1,020", "12.50"], Ok(Some(Decimal::Point)));
        check(&["1,020", "12,50"], Ok(Some(Decimal::Comma)));
        check(&["1.020", "12,50"], Ok(Some(Decimal::Comma)));
        check(&["5", "x", ""], Ok(None));
        check(&["1.020", "2.125"], Ok(None));
        check(&["1,020", "980"], Err("?decimal=point"));
        check(&["12.5", "12,5"], Err("`12.5` and `12,5`"));
    }

    #[test]
    fn counts_have_no_fractions() {
        let check = |texts: &[&str], expect: Option<Decimal>| {
            let mut sniff = Sniff::default();
            texts.iter().for_each(|text| sniff.count(text));
            assert_eq!(sniff.dialect().map(|dialect| dialect.numbers.decimal), Ok(expect), "{texts:?}");
        };
        check(&["1,020", "980"], Some(Decimal::Point));
        check(&["1.020", "980"], Some(Decimal::Comma));
        check(&["980", "10.000"], None);
        check(&["10.0", "1020.0"], Some(Decimal::Point));
    }

    #[test]
    fn enough_is_seen_when_no_question_is_open() {
        let mut sniff = Sniff::default();
        let rows = |sniff: &mut Sniff, text: &str| (0..ROWS_ENOUGH).for_each(|_| sniff.time(text));
        rows(&mut sniff, "2025-03-29");
        assert!(sniff.is_enough());
        rows(&mut sniff, "03/04/2025");
        assert!(!sniff.is_enough());
        sniff.time("29/03/2025");
        assert!(sniff.is_enough());
    }
}
