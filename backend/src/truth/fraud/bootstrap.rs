//! How far the scores of other days might lie: 95 % intervals by drawing the days of each tested span anew, with replacement (Efron 1979).
//! Days are drawn whole, because frauds of a day hang together.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    sim::Random,
    truth::ranking::{Scored, card_precisions},
};

/// Draws.
const DRAWS: usize = 200;
/// Cards that can be looked at each day.
const CARDS_PER_DAY: usize = 100;

/// Where 95 of 100 draws lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intervals {
    /// Of the average precision.
    pub average_precision: (f64, f64),
    /// Of the card precision at 100.
    pub card_precision_100: (f64, f64),
}

/// The intervals of the means over spans of days, such as test weeks; `None` where a span has a single day, or no frauds. Equal seeds give
/// equal intervals.
pub fn intervals(spans: &[Vec<Scored>], seed: u64) -> Option<Intervals> {
    let spans = spans.iter().map(|span| Span::new(span)).collect::<Option<Vec<_>>>()?;
    if spans.is_empty() {
        return None;
    }
    let mut random = Random::new(seed);
    let (mut average, mut card) = (Vec::with_capacity(DRAWS), Vec::with_capacity(DRAWS));
    for _ in 0..DRAWS {
        let draws: Vec<_> = spans.iter().filter_map(|span| span.draw(&mut random)).collect();
        // A draw without frauds says nothing.
        if draws.is_empty() {
            continue;
        }
        let mean = |of: fn(&(f64, f64)) -> f64| draws.iter().map(of).sum::<f64>() / draws.len() as f64;
        average.push(mean(|draw| draw.0));
        card.push(mean(|draw| draw.1));
    }
    Some(Intervals { average_precision: middle(average), card_precision_100: middle(card) })
}

/// Days that are tested together.
struct Span {
    /// The day of each payment by its place, and whether it was a fraud; the most suspicious first, those of a score in one part.
    ranked: Vec<Vec<(usize, bool)>>,
    card_precisions: Vec<f64>,
}

impl Span {
    fn new(scored: &[Scored]) -> Option<Self> {
        let days: BTreeSet<_> = scored.iter().map(|it| it.day).collect();
        let days: BTreeMap<i64, usize> = days.into_iter().zip(0..).collect();
        if days.len() < 2 || !scored.iter().any(|it| it.is_fraud) {
            return None;
        }
        let mut sorted: Vec<_> = scored.iter().collect();
        sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
        let part = |tied: &[&Scored]| tied.iter().map(|it| (days[&it.day], it.is_fraud)).collect();
        let ranked = sorted.chunk_by(|a, b| a.score == b.score).map(part).collect();
        Some(Self { ranked, card_precisions: card_precisions(scored, CARDS_PER_DAY) })
    }

    /// Average precision and card precision of as many days, drawn; `None` where no fraud was drawn.
    fn draw(&self, random: &mut Random) -> Option<(f64, f64)> {
        let days = self.card_precisions.len();
        let mut times = vec![0_u32; days];
        (0..days).for_each(|_| times[random.below(days as u64) as usize] += 1);
        let (mut seen, mut hits, mut sum) = (0.0, 0.0, 0.0);
        for tied in &self.ranked {
            let (drawn, found) = tied
                .iter()
                .fold((0, 0), |(drawn, found), (day, is_fraud)| (drawn + times[*day], found + if *is_fraud { times[*day] } else { 0 }));
            (seen, hits) = (seen + f64::from(drawn), hits + f64::from(found));
            if found > 0 {
                sum += f64::from(found) * hits / seen;
            }
        }
        let cards = times.iter().zip(&self.card_precisions).map(|(times, precision)| f64::from(*times) * precision).sum::<f64>();
        (hits > 0.0).then(|| (sum / hits, cards / days as f64))
    }
}

/// Without the lowest and the highest 2.5 %.
fn middle(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 40;
    let at = |at: usize| values.get(at).copied().unwrap_or_default();
    (at(cut), at(values.len().saturating_sub(cut + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::ranking::average_precision;

    fn span(days: i64, score: impl Fn(i64, u32) -> f64) -> Vec<Scored> {
        let cards = (0..days).flat_map(|day| (0..40).map(move |card| (day, card)));
        cards.map(|(day, card)| Scored { card, day, score: score(day, card), is_fraud: card % 10 == 0 }).collect()
    }

    #[test]
    fn an_interval_holds_the_score_and_is_as_wide_as_days_differ() {
        // Good days and bad days.
        let mixed = span(20, |day, card| if card % 10 == 0 { f64::from(u32::from(day % 2 == 0)) } else { f64::from(card) / 100.0 });
        let (of_mixed, score) = (intervals(std::slice::from_ref(&mixed), 1).unwrap(), average_precision(&mixed).unwrap());
        let (low, high) = of_mixed.average_precision;
        assert!(low < score && score < high && high - low > 0.1, "{of_mixed:?} {score}");
        let perfect = intervals(&[span(20, |_, card| f64::from(u8::from(card % 10 == 0)))], 1).unwrap();
        assert_eq!(perfect.average_precision, (1.0, 1.0));
        assert_eq!(intervals(&[mixed], 1), Some(of_mixed), "equal seeds");
        assert_eq!(intervals(&[span(1, |_, _| 0.5)], 1), None, "a single day");
        assert_eq!(intervals(&[], 1), None);
    }
}
