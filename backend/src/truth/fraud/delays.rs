//! How soon crimes were stopped: by kind, over their victims, which are the cards they used, or terminals where those fell to thieves. Victims
//! that were never stopped count as missed, not as if they were not there.

use std::collections::BTreeMap;

use crate::sim::fraud::Scenario;

/// Cards kept; those of a longer run that come later are not looked at.
const CARDS_MAX: usize = 200_000;

/// Whom a crime is about: the card, or the terminal where that is what was taken.
pub fn victim<T>(kind: Scenario, card: T, terminal: T) -> T {
    if kind == Scenario::Terminal { terminal } else { card }
}

/// Crimes by kind and victim.
#[derive(Clone, Debug, Default)]
pub struct Delays {
    cards: BTreeMap<(Scenario, u64), Card>,
}

/// What a kind of crime did with one card.
#[derive(Clone, Copy, Debug)]
struct Card {
    first_ms: i64,
    /// Frauds up to the first that was stopped.
    frauds: u32,
    /// When that was.
    stopped_ms: Option<i64>,
}

/// How soon a kind of crime was stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Delay {
    /// Victims it had.
    pub cards: usize,
    /// Those that were stopped at some time.
    pub found: usize,
    /// Frauds up to the first that was stopped, itself included: the median over all cards; `None` when most were never stopped.
    pub payments_median: Option<f64>,
    /// Milliseconds of event time from the first fraud to it.
    pub ms_median: Option<i64>,
}

impl Delay {
    /// Cards that were never stopped.
    pub fn missed(&self) -> usize {
        self.cards - self.found
    }
}

impl Delays {
    /// A fraud and whether it was stopped; those of a victim in the order of time.
    pub fn add(&mut self, kind: Scenario, victim: u64, ts: i64, is_stopped: bool) {
        if self.cards.len() >= CARDS_MAX && !self.cards.contains_key(&(kind, victim)) {
            return;
        }
        let card = self.cards.entry((kind, victim)).or_insert(Card { first_ms: ts, frauds: 0, stopped_ms: None });
        if card.stopped_ms.is_none() {
            card.frauds += 1;
            card.stopped_ms = is_stopped.then_some(ts);
        }
    }

    /// The figures of each kind there was.
    pub fn by_kind(&self) -> BTreeMap<Scenario, Delay> {
        let mut kinds = BTreeMap::<Scenario, Vec<&Card>>::new();
        self.cards.iter().for_each(|((kind, _), card)| kinds.entry(*kind).or_default().push(card));
        kinds.into_iter().map(|(kind, cards)| (kind, delay(cards.into_iter()))).collect()
    }

    /// The figures of all kinds together.
    pub fn all(&self) -> Delay {
        delay(self.cards.values())
    }
}

fn delay<'a>(cards: impl Iterator<Item = &'a Card> + Clone) -> Delay {
    let found = cards.clone().filter(|card| card.stopped_ms.is_some()).count();
    let median = |of: fn(&Card) -> i64| {
        // What was never stopped comes after everything that was.
        let mut values: Vec<_> = cards.clone().map(|card| if card.stopped_ms.is_some() { of(card) } else { i64::MAX }).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().filter(|value| *value < i64::MAX)
    };
    Delay {
        cards: cards.clone().count(),
        found,
        payments_median: median(|card| i64::from(card.frauds)).map(|payments| payments as f64),
        ms_median: median(|card| card.stopped_ms.unwrap_or(card.first_ms) - card.first_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_stopped_is_missed_and_no_median_hides_it() {
        let check = |frauds: &[(u64, i64, bool)], expect: (usize, usize, Option<f64>, Option<i64>)| {
            let mut delays = Delays::default();
            frauds.iter().for_each(|(card, ts, is_stopped)| delays.add(Scenario::Leak, *card, *ts, *is_stopped));
            let delay = delays.all();
            assert_eq!((delay.cards, delay.missed(), delay.payments_median, delay.ms_median), expect, "{frauds:?}");
            assert_eq!(delays.by_kind().into_values().collect::<Vec<_>>(), if frauds.is_empty() { vec![] } else { vec![delay] });
        };
        check(&[], (0, 0, None, None));
        check(&[(1, 10, false), (1, 30, true), (1, 90, false)], (1, 0, Some(2.0), Some(20)));
        check(&[(1, 10, true), (2, 10, false), (2, 15, true), (3, 10, false)], (3, 1, Some(2.0), Some(5)));
        check(&[(1, 10, true), (2, 10, false), (3, 10, false)], (3, 2, None, None));
    }
}
