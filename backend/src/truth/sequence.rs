//! Completeness: which numbers of `0..n` were seen, and which more than once.

/// Numbers tracked at most: 16 million take 2 MB.
const NUMBERS_MAX: u64 = 1 << 24;

/// A bitmap over the numbers a generator gave to its events.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    words: Vec<u64>,
    seen: u64,
    duplicates: u64,
    beyond: u64,
}

impl Sequence {
    /// Notes a number.
    pub fn observe(&mut self, number: u64) {
        if number >= NUMBERS_MAX {
            self.beyond += 1;
            return;
        }
        let (word, bit) = ((number / 64) as usize, 1_u64 << (number % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if self.words[word] & bit == 0 {
            self.words[word] |= bit;
            self.seen += 1;
        } else {
            self.duplicates += 1;
        }
    }

    /// Distinct numbers seen.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Numbers seen again.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// The first number of `0..n` that was not seen.
    pub fn first_missing(&self, n: u64) -> Option<u64> {
        let word = self.words.iter().position(|word| *word != u64::MAX).unwrap_or(self.words.len());
        let bits = self.words.get(word).map_or(0, |word| word.trailing_ones());
        Some(word as u64 * 64 + u64::from(bits)).filter(|number| *number < n)
    }

    /// Whether exactly `0..n` was seen, each once.
    pub fn is_exactly(&self, n: u64) -> bool {
        self.seen == n && self.duplicates == 0 && self.beyond == 0 && self.first_missing(n).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sees_gaps_and_duplicates() {
        let of = |numbers: &mut dyn Iterator<Item = u64>| {
            let mut sequence = Sequence::default();
            numbers.for_each(|number| sequence.observe(number));
            sequence
        };
        assert!(of(&mut (0..200).rev()).is_exactly(200));
        assert!(of(&mut (0..128)).is_exactly(128));
        assert!(!of(&mut (0..200)).is_exactly(201));
        assert_eq!(of(&mut (0..200).filter(|n| *n != 130)).first_missing(200), Some(130));
        assert!(!of(&mut (0..200).chain([7])).is_exactly(200), "a duplicate is no completeness");
        assert!(!of(&mut (0..3).chain([u64::MAX])).is_exactly(3));
    }
}
