//! Two sorted sequences as one.

use std::cmp::Ordering;

/// What is in memory alone, or merged with what is elsewhere.
pub(super) enum Source<M, D> {
    Memory(M),
    Merged(D),
}

impl<T, M: Iterator<Item = T>, D: Iterator<Item = T>> Iterator for Source<M, D> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::Memory(memory) => memory.next(),
            Self::Merged(merged) => merged.next(),
        }
    }
}

impl<T, M: DoubleEndedIterator<Item = T>, D: DoubleEndedIterator<Item = T>> DoubleEndedIterator for Source<M, D> {
    fn next_back(&mut self) -> Option<T> {
        match self {
            Self::Memory(memory) => memory.next_back(),
            Self::Merged(merged) => merged.next_back(),
        }
    }
}

/// Both of them in order; they have no item in common.
pub(super) struct Merged<L, R, T> {
    left: Ends<L, T>,
    right: Ends<R, T>,
    order: fn(&T, &T) -> Ordering,
}

/// A sequence with the next item at either end, once it was looked at.
struct Ends<I, T> {
    all: I,
    front: Option<T>,
    back: Option<T>,
}

impl<T, I: DoubleEndedIterator<Item = T>> Ends<I, T> {
    fn look_front(&mut self) -> Option<&T> {
        if self.front.is_none() {
            self.front = self.all.next().or_else(|| self.back.take());
        }
        self.front.as_ref()
    }

    fn look_back(&mut self) -> Option<&T> {
        if self.back.is_none() {
            self.back = self.all.next_back().or_else(|| self.front.take());
        }
        self.back.as_ref()
    }
}

impl<T, L: DoubleEndedIterator<Item = T>, R: DoubleEndedIterator<Item = T>> Merged<L, R, T> {
    pub(super) fn new(left: L, right: R, order: fn(&T, &T) -> Ordering) -> Self {
        Self { left: Ends { all: left, front: None, back: None }, right: Ends { all: right, front: None, back: None }, order }
    }
}

impl<T, L: DoubleEndedIterator<Item = T>, R: DoubleEndedIterator<Item = T>> Iterator for Merged<L, R, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let is_left = match (self.left.look_front(), self.right.look_front()) {
            (Some(left), Some(right)) => (self.order)(left, right).is_lt(),
            (left, _) => left.is_some(),
        };
        if is_left { self.left.front.take() } else { self.right.front.take() }
    }
}

impl<T, L: DoubleEndedIterator<Item = T>, R: DoubleEndedIterator<Item = T>> DoubleEndedIterator for Merged<L, R, T> {
    fn next_back(&mut self) -> Option<T> {
        let is_left = match (self.left.look_back(), self.right.look_back()) {
            (Some(left), Some(right)) => (self.order)(left, right).is_gt(),
            (left, _) => left.is_some(),
        };
        if is_left { self.left.back.take() } else { self.right.back.take() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_ends_meet(items in prop::collection::btree_map(0_u8..20, any::<bool>(), 0..12), from_back in prop::collection::vec(any::<bool>(), 14)) {
            let side = |is_left: bool| items.iter().filter(move |(_, it)| **it == is_left).map(|(item, _)| *item);
            let mut merged = Merged::new(side(true), side(false), u8::cmp);
            let mut expected = items.keys().copied();
            for is_back in from_back {
                let (found, wanted) = if is_back { (merged.next_back(), expected.next_back()) } else { (merged.next(), expected.next()) };
                prop_assert_eq!(found, wanted);
            }
        }
    }
}
