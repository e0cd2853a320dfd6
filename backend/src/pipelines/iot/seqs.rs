//! Which readings of a device were seen: all up to a number, but for these.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Gaps that are kept apart; a device with more of them has its oldest given up.
const GAPS_MAX: usize = 256;

/// What a number is to what was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Newer than all.
    Newest,
    /// It was missing.
    Fills,
    /// It was seen.
    Again,
}

/// The numbers seen.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seqs {
    /// The first that was not seen above all that were.
    next: u64,
    /// Gaps below it: first and last.
    gaps: BTreeMap<u64, u64>,
}

impl Seqs {
    /// Notes a number.
    pub fn note(&mut self, seq: u64) -> Place {
        if seq >= self.next {
            if seq > self.next {
                self.gaps.insert(self.next, seq - 1);
                if self.gaps.len() > GAPS_MAX {
                    self.gaps.pop_first();
                }
            }
            self.next = seq.saturating_add(1);
            return Place::Newest;
        }
        let Some((first, last)) = self.gaps.range(..=seq).next_back().map(|(first, last)| (*first, *last)) else { return Place::Again };
        if seq > last {
            return Place::Again;
        }
        self.gaps.remove(&first);
        if first < seq {
            self.gaps.insert(first, seq - 1);
        }
        if seq < last {
            self.gaps.insert(seq + 1, last);
        }
        Place::Fills
    }

    /// How many are missing.
    pub fn missing(&self) -> u64 {
        self.gaps.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// The first that is.
    pub fn first_missing(&self) -> Option<u64> {
        self.gaps.first_key_value().map(|(first, _)| *first)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_knows_what_a_set_knows(numbers in proptest::collection::vec(0_u64..60, 0..120)) {
            let (mut seqs, mut seen) = (Seqs::default(), BTreeSet::new());
            for number in numbers {
                let newest = seen.last().copied();
                let expected = match seen.insert(number) {
                    false => Place::Again,
                    true if newest.is_none_or(|newest| number > newest) => Place::Newest,
                    true => Place::Fills,
                };
                prop_assert_eq!(seqs.note(number), expected);
                let missing: Vec<_> = (0..*seen.last().expect("one")).filter(|number| !seen.contains(number)).collect();
                prop_assert_eq!(seqs.missing(), missing.len() as u64);
                prop_assert_eq!(seqs.first_missing(), missing.first().copied());
            }
        }
    }
}
