//! A history checker: what producers were told, held against what readers saw.
//!
//! A record is known by its value, so each value is written once. Records of a **stream** (a producer's partition, or a key) are to be seen in
//! the order they were written. What a producer was told decides what must be, may be, and must not be seen:
//!
//! | told | outside a transaction | committed | aborted | end unknown |
//! |---|---|---|---|---|
//! | acknowledged | must | must | must not | all of them or none |
//! | failed | must not | must not | must not | must not |
//! | unknown | may | must | must not | all of them or none |

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

/// What a producer was told of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is there; at this offset, if the producer was told.
    Acknowledged(Option<i64>),
    /// It was refused and is not there.
    Failed,
    /// Nothing, or a timeout: it may be there.
    Unknown,
}

/// What a producer was told of a transaction's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It counts.
    Committed,
    /// It does not.
    Aborted,
    /// Nobody said.
    Unknown,
}

/// A record as a reader saw it, readers of committed records where there are transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its value.
    pub value: String,
}

/// What was written.
#[derive(Debug, Clone, Default)]
pub struct History {
    writes: Vec<Write>,
    ends: BTreeMap<u64, End>,
}

#[derive(Debug, Clone)]
struct Write {
    stream: String,
    value: String,
    told: Told,
    transaction: Option<u64>,
}

/// What must not be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// It was acknowledged, or committed, and is not there.
    Lost(String),
    /// It is there more than once.
    Duplicated(String),
    /// The first comes before the second, but was written after it in the same stream.
    /// The second was written before the first, in the same stream.
    Reordered(String, String),
    /// Its transaction was aborted.
    AbortedButSeen(String),
    /// It was refused.
    FailedButSeen(String),
    /// Nobody wrote it.
    Invented(String),
    /// It is at another offset than the producer was told.
    Moved {
        /// Which.
        value: String,
        /// Where it should be.
        told: i64,
        /// Where it is.
        seen: i64,
    },
    /// Some of a transaction are there, but not this one.
    Torn {
        /// Which transaction.
        transaction: u64,
        /// What is missing of it.
        missing: String,
    },
    /// In this partition an offset came after one that is not below it.
    OffsetsGoBack {
        /// Where.
        partition: i32,
        /// The offset that came too late.
        offset: i64,
    },
}

impl History {
    /// A record was written outside transactions.
    pub fn wrote(&mut self, stream: impl Into<String>, value: impl Into<String>, told: Told) {
        self.writes.push(Write { stream: stream.into(), value: value.into(), told, transaction: None });
    }

    /// A record was written in this transaction, whose end is unknown until [`Self::ended`].
    pub fn wrote_in(&mut self, transaction: u64, stream: impl Into<String>, value: impl Into<String>, told: Told) {
        self.ends.entry(transaction).or_insert(End::Unknown);
        self.writes.push(Write { stream: stream.into(), value: value.into(), told, transaction: Some(transaction) });
    }

    /// How a transaction ended, as far as its producer knows.
    pub fn ended(&mut self, transaction: u64, end: End) {
        self.ends.insert(transaction, end);
    }

    /// Everything that is wrong with what was read, from the beginning to the end of the log and each partition in the order it was read.
    pub fn violations(&self, seen: &[Seen]) -> Vec<Violation> {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, record) in seen.iter().enumerate() {
            places.entry(&record.value).or_default().push(at);
        }
        let mut violations = offsets_that_go_back(seen);
        let known: BTreeSet<&str> = self.writes.iter().map(|write| write.value.as_str()).collect();
        violations.extend(places.keys().filter(|value| !known.contains(*value)).map(|value| Violation::Invented((*value).to_owned())));
        for write in &self.writes {
            let places = places.get(write.value.as_str()).map(Vec::as_slice).unwrap_or_default();
            violations.extend(self.about_one(write, places, seen));
        }
        violations.extend(self.torn(&places));
        violations.extend(self.reordered(&places));
        violations.sort();
        violations
    }

    /// # Errors
    /// The first violations, and how many there are.
    pub fn check(&self, seen: &[Seen]) -> Result<(), String> {
        const SHOWN: usize = 10;
        let violations = self.violations(seen);
        if violations.is_empty() {
            return Ok(());
        }
        let shown: Vec<String> = violations.iter().take(SHOWN).map(Violation::to_string).collect();
        Err(format!("{} violations among {} records read, first {}", violations.len(), seen.len(), shown.join("; ")))
    }

    fn about_one(&self, write: &Write, places: &[usize], seen: &[Seen]) -> Vec<Violation> {
        let value = || write.value.clone();
        let mut violations = Vec::new();
        let end = write.transaction.and_then(|transaction| self.ends.get(&transaction)).copied();
        let must_be = match end {
            None => matches!(write.told, Told::Acknowledged(_)),
            Some(end) => end == End::Committed && write.told != Told::Failed,
        };
        if must_be && places.is_empty() {
            violations.push(Violation::Lost(value()));
        }
        if write.told == Told::Failed && !places.is_empty() {
            violations.push(Violation::FailedButSeen(value()));
        } else if end == Some(End::Aborted) && !places.is_empty() {
            violations.push(Violation::AbortedButSeen(value()));
        }
        if places.len() > 1 {
            violations.push(Violation::Duplicated(value()));
        }
        if let (Told::Acknowledged(Some(told)), Some(first)) = (write.told, places.first())
            && seen[*first].offset != told
        {
            violations.push(Violation::Moved { value: value(), told, seen: seen[*first].offset });
        }
        violations
    }

    /// Transactions whose end is not known are there as a whole, or not at all.
    fn torn(&self, places: &HashMap<&str, Vec<usize>>) -> Vec<Violation> {
        let mut violations = Vec::new();
        for (transaction, _) in self.ends.iter().filter(|(_, end)| **end == End::Unknown) {
            let of_it = self.writes.iter().filter(|write| write.transaction == Some(*transaction) && write.told != Told::Failed);
            let (there, missing): (Vec<&Write>, Vec<&Write>) = of_it.partition(|write| places.contains_key(write.value.as_str()));
            if let Some(missing) = missing.first().filter(|_| !there.is_empty()) {
                violations.push(Violation::Torn { transaction: *transaction, missing: missing.value.clone() });
            }
        }
        violations
    }

    fn reordered(&self, places: &HashMap<&str, Vec<usize>>) -> Vec<Violation> {
        let mut last: HashMap<&str, (usize, &str)> = HashMap::new();
        let mut violations = Vec::new();
        for write in &self.writes {
            let Some(place) = places.get(write.value.as_str()).and_then(|places| places.first()) else { continue };
            match last.get(write.stream.as_str()) {
                Some((before, earlier)) if before > place => {
                    violations.push(Violation::Reordered(write.value.clone(), (*earlier).to_owned()));
                }
                _ => _ = last.insert(&write.stream, (*place, &write.value)),
            }
        }
        violations
    }
}

fn offsets_that_go_back(seen: &[Seen]) -> Vec<Violation> {
    let mut last: BTreeMap<i32, i64> = BTreeMap::new();
    let mut violations = Vec::new();
    for Seen { partition, offset, .. } in seen {
        if last.insert(*partition, *offset).is_some_and(|last| last >= *offset) {
            violations.push(Violation::OffsetsGoBack { partition: *partition, offset: *offset });
        }
    }
    violations
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(value) => write!(f, "'{value}' is lost"),
            Self::Duplicated(value) => write!(f, "'{value}' is there more than once"),
            Self::Reordered(first, second) => write!(f, "'{first}' comes before '{second}', but was written after it"),
            Self::AbortedButSeen(value) => write!(f, "'{value}' was aborted, but is seen"),
            Self::FailedButSeen(value) => write!(f, "'{value}' was refused, but is seen"),
            Self::Invented(value) => write!(f, "'{value}' was written by nobody"),
            Self::Moved { value, told, seen } => write!(f, "'{value}' was acknowledged at offset {told}, but is at {seen}"),
            Self::Torn { transaction, missing } => write!(f, "of transaction {transaction} '{missing}' is missing, but others are there"),
            Self::OffsetsGoBack { partition, offset } => write!(f, "partition {partition}: offset {offset} came too late"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two streams, one record of unknown fate, one refused, and a transaction of each end.
    fn history() -> History {
        let mut history = History::default();
        history.wrote("a", "a0", Told::Acknowledged(Some(0)));
        history.wrote("a", "a1", Told::Unknown);
        history.wrote("a", "a2", Told::Acknowledged(None));
        history.wrote("b", "b0", Told::Failed);
        for (transaction, end) in [(1, End::Committed), (2, End::Aborted), (3, End::Unknown)] {
            history.wrote_in(transaction, "t", format!("t{transaction}.0"), Told::Acknowledged(None));
            history.wrote_in(transaction, "t", format!("t{transaction}.1"), Told::Unknown);
            history.ended(transaction, end);
        }
        history
    }

    fn violations(values: &[&str]) -> Vec<Violation> {
        let seen = (0..).zip(values).map(|(offset, value)| Seen { partition: 0, offset, value: (*value).to_owned() });
        history().violations(&seen.collect::<Vec<_>>())
    }

    #[test]
    fn what_may_be_is_no_violation() {
        for values in [
            &["a0", "a2", "t1.0", "t1.1"][..],
            &["a0", "a1", "a2", "t1.0", "t1.1", "t3.0", "t3.1"],
            // Streams need no order among each other.
            &["a0", "t1.0", "a2", "t1.1"],
        ] {
            assert_eq!(violations(values), [], "{values:?}");
        }
    }

    #[test]
    fn each_kind_of_violation_is_found() {
        let text = str::to_owned;
        let check = |values: &[&str], expect: Violation| assert_eq!(violations(values), [expect], "{values:?}");
        check(&["a0", "t1.0", "t1.1"], Violation::Lost(text("a2")));
        check(&["a0", "a2", "t1.0"], Violation::Lost(text("t1.1")));
        check(&["a0", "a2", "a2", "t1.0", "t1.1"], Violation::Duplicated(text("a2")));
        check(&["a0", "a2", "a1", "t1.0", "t1.1"], Violation::Reordered(text("a2"), text("a1")));
        check(&["a0", "a2", "t1.1", "t1.0"], Violation::Reordered(text("t1.1"), text("t1.0")));
        check(&["a0", "a2", "t1.0", "t1.1", "t2.0"], Violation::AbortedButSeen(text("t2.0")));
        check(&["a0", "a2", "t1.0", "t1.1", "b0"], Violation::FailedButSeen(text("b0")));
        check(&["a0", "a2", "t1.0", "t1.1", "x"], Violation::Invented(text("x")));
        check(&["t1.0", "a0", "a2", "t1.1"], Violation::Moved { value: text("a0"), told: 0, seen: 1 });
        check(&["a0", "a2", "t1.0", "t1.1", "t3.1"], Violation::Torn { transaction: 3, missing: text("t3.0") });
    }

    #[test]
    fn offsets_only_grow() {
        let mut history = History::default();
        let mut seen = Vec::new();
        for (partition, offset) in [(0, 0), (1, 0), (0, 2), (0, 2), (1, 1)] {
            let value = format!("value {}", seen.len());
            history.wrote("any", value.clone(), Told::Acknowledged(None));
            seen.push(Seen { partition, offset, value });
        }
        assert_eq!(history.violations(&seen), [Violation::OffsetsGoBack { partition: 0, offset: 2 }]);
        assert!(history.check(&seen).unwrap_err().starts_with("1 violations among 5 records read, first partition 0"));
        seen.remove(3);
        assert_eq!(history.violations(&seen), [Violation::Lost("value 3".to_owned())]);
    }
}
