//! What the user typed above the list, and the query it means. Pure.

use weir_model::{MessageQuery, Offset, PartitionId, QueryId, Start, TimestampMs, TopicName};

use crate::cli::time::parse_timestamp;

/// Rows asked for when nothing else is said.
pub(super) const LIMIT_DEFAULT: usize = 500;
/// Row limits to choose from.
pub(super) const LIMITS: &[usize] = &[100, 500, 1_000, 10_000, 100_000];

/// The fields above the list, as typed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Form {
    pub(super) topic: Option<TopicName>,
    /// Partition numbers with commas; empty for all.
    pub(super) partitions: String,
    pub(super) from: From,
    /// The offset, count or time that `from` wants.
    pub(super) from_text: String,
    pub(super) limit: usize,
    pub(super) contains: String,
    pub(super) follow: bool,
}

/// Where to begin, as the menu names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Newest,
    Beginning,
    End,
    Last,
    Offset,
    Time,
}

impl From {
    /// In the order of the menu.
    pub(super) const ALL: [Self; 6] = [Self::Newest, Self::Beginning, Self::End, Self::Last, Self::Offset, Self::Time];

    /// Its name in the menu.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Newest => "Newest",
            Self::Beginning => "Beginning",
            Self::End => "End (live only)",
            Self::Last => "Last N per partition",
            Self::Offset => "Offset",
            Self::Time => "Time",
        }
    }

    /// What to type beside it; `None` when it needs nothing.
    pub(super) fn hint(self) -> Option<&'static str> {
        match self {
            Self::Newest | Self::Beginning | Self::End => None,
            Self::Last => Some("100"),
            Self::Offset => Some("0"),
            Self::Time => Some("-1h, 2026-05-09T07:30Z"),
        }
    }
}

impl Default for Form {
    fn default() -> Self {
        Self {
            topic: None,
            partitions: String::new(),
            from: From::Newest,
            from_text: String::new(),
            limit: LIMIT_DEFAULT,
            contains: String::new(),
            follow: true,
        }
    }
}

impl Form {
    /// The form that says what this query says, so that a query opened from elsewhere can be changed.
    pub(super) fn of_query(query: &MessageQuery) -> Self {
        let (from, from_text) = match query.start {
            Start::Beginning => (From::Beginning, String::new()),
            Start::End => (From::End, String::new()),
            Start::Newest => (From::Newest, String::new()),
            Start::Offset(offset) => (From::Offset, offset.to_string()),
            Start::Last(count) => (From::Last, count.to_string()),
            Start::Timestamp(at) => (From::Time, at.0.to_string()),
        };
        let numbers = query.partitions.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
        Self {
            topic: Some(query.topic.clone()),
            partitions: numbers.join(","),
            from,
            from_text,
            limit: query.limit,
            contains: query.contains.to_string(),
            follow: query.follow,
        }
    }

    /// The query, or what is wrong with a field. `None` while no topic is chosen.
    pub(super) fn query(&self, id: QueryId, now: TimestampMs) -> Option<Result<MessageQuery, String>> {
        let topic = self.topic.clone()?;
        Some(self.start(now).and_then(|start| {
            Ok(MessageQuery {
                id,
                topic,
                partitions: parse_partitions(&self.partitions)?,
                start,
                limit: self.limit.max(1),
                follow: self.follow || start == Start::End,
                contains: self.contains.as_str().into(),
            })
        }))
    }

    fn start(&self, now: TimestampMs) -> Result<Start, String> {
        let text = self.from_text.trim();
        Ok(match self.from {
            From::Newest => Start::Newest,
            From::Beginning => Start::Beginning,
            From::End => Start::End,
            From::Last if text.is_empty() => Start::Last(100),
            From::Last => Start::Last(number(text)?),
            From::Offset if text.is_empty() => Start::Offset(Offset(0)),
            From::Offset => Start::Offset(Offset(number(text)?)),
            From::Time if text.is_empty() => return Err("Type a time, such as -1h or 2026-05-09T07:30:00Z".to_owned()),
            From::Time => Start::Timestamp(parse_timestamp(text, now)?),
        })
    }
}

fn number<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let plain: String = text.chars().filter(|c| !matches!(c, ',' | '_' | ' ')).collect();
    let number = plain.parse::<u64>().ok().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("`{text}` is not a whole number from 0 on"))
}

fn parse_partitions(text: &str) -> Result<Option<Vec<PartitionId>>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut partitions = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let wrong = || format!("`{part}` is no partition; write numbers such as 0,2,5-7");
        let (first, last): (i32, i32) = (first.trim().parse().map_err(|_| wrong())?, last.trim().parse().map_err(|_| wrong())?);
        if first < 0 || last < first || last - first > 100_000 {
            return Err(wrong());
        }
        partitions.extend((first..=last).map(PartitionId));
    }
    partitions.sort_unstable();
    partitions.dedup();
    Ok(Some(partitions))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(from: From, from_text: &str) -> Form {
        Form { topic: Some("orders".into()), from, from_text: from_text.to_owned(), ..Form::default() }
    }

    #[test]
    fn a_start_is_read_as_typed() {
        let check = |from: From, text: &str, expect: Result<Start, &str>| {
            let query = form(from, text).query(QueryId(1), TimestampMs(10_000_000)).expect("a topic is chosen");
            match (query.map(|query| query.start), expect) {
                (Ok(start), Ok(expect)) => assert_eq!(start, expect),
                (Err(text), Err(part)) => assert!(text.contains(part), "{text}"),
                (got, expect) => panic!("{text:?}: {got:?}, expected {expect:?}"),
            }
        };
        check(From::Newest, "ignored", Ok(Start::Newest));
        check(From::Last, "", Ok(Start::Last(100)));
        check(From::Last, "1,000", Ok(Start::Last(1_000)));
        check(From::Last, "many", Err("not a whole number"));
        check(From::Offset, "9007199254740993", Ok(Start::Offset(Offset(9_007_199_254_740_993))));
        check(From::Offset, "-3", Err("not a whole number"));
        check(From::Offset, "18446744073709551615", Err("not a whole number"));
        check(From::Time, "-1h", Ok(Start::Timestamp(TimestampMs(6_400_000))));
        check(From::Time, "", Err("Type a time"));
        check(From::Time, "soon", Err("soon"));
    }

    #[test]
    fn partitions_are_lists_and_ranges() {
        let check = |text: &str, expect: Option<Option<Vec<i32>>>| {
            let got = parse_partitions(text).ok().map(|list| list.map(|list| list.iter().map(|id| id.0).collect()));
            assert_eq!(got, expect, "{text}");
        };
        check("", Some(None));
        check("3", Some(Some(vec![3])));
        check("5-7, 0, 6", Some(Some(vec![0, 5, 6, 7])));
        check("x", None);
        check("-1", None);
        check("7-5", None);
        check("0-2000000000", None);
    }

    #[test]
    fn the_end_always_follows_and_no_topic_is_no_query() {
        let live = Form { follow: false, ..form(From::End, "") };
        assert!(live.query(QueryId(1), TimestampMs(0)).expect("a topic").expect("valid").follow);
        assert!(Form::default().query(QueryId(1), TimestampMs(0)).is_none());
    }

    #[test]
    fn a_query_from_elsewhere_fills_the_form() {
        let query = MessageQuery {
            id: QueryId(7),
            topic: "orders".into(),
            partitions: Some(vec![PartitionId(2)]),
            start: Start::Offset(Offset(42)),
            limit: 100,
            follow: false,
            contains: "x".into(),
        };
        assert_eq!(Form::of_query(&query).query(QueryId(7), TimestampMs(0)).expect("a topic").expect("valid"), query);
    }
}
