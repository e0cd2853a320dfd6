//! Average precision and card precision by week, by the Fraud Detection Handbook's protocol.

use std::collections::{BTreeMap, BTreeSet};

use crate::truth::ranking::{Scored, average_precision, card_precision, roc_auc};

/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// Days of a training set, of the feedback delay, and of a test week, as the handbook has them.
const WEEK_DAYS: i64 = 7;
/// Cards that can be looked at each day.
const CARDS_PER_DAY: usize = 100;

/// A payment, its score and its truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The card, as any number.
    pub card: u32,
    /// When.
    pub ts: i64,
    /// The score; 0 where there was none.
    pub score: f64,
    /// Whether it was a fraud.
    pub is_fraud: bool,
}

/// The scores of a test week.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Week {
    /// Its first day since the epoch.
    pub day: i64,
    /// Payments tested.
    pub payments: usize,
    /// Frauds among them.
    pub frauds: usize,
    /// Average precision.
    pub average_precision: f64,
    /// Card precision at 100.
    pub card_precision_100: f64,
    /// The area under the receiver operating characteristic.
    pub roc_auc: f64,
}

/// Scores every whole week that begins at least `warm_up_days` after the first payment.
pub fn weeks(judged: &[Judged], warm_up_days: i64) -> Vec<Week> {
    let score = |tested: &Vec<Scored>| {
        Some(Week {
            day: tested.first()?.day,
            payments: tested.len(),
            frauds: tested.iter().filter(|it| it.is_fraud).count(),
            average_precision: average_precision(tested)?,
            card_precision_100: card_precision(tested, CARDS_PER_DAY)?,
            roc_auc: roc_auc(tested)?,
        })
    };
    test_weeks(judged, warm_up_days).iter().filter_map(score).collect()
}

/// What is tested in each of these weeks, by the handbook's protocol: cards whose frauds are known by then, from two weeks before the test
/// week until a week and a day before each day, are left out.
pub fn test_weeks(judged: &[Judged], warm_up_days: i64) -> Vec<Vec<Scored>> {
    let mut days = BTreeMap::<i64, Vec<&Judged>>::new();
    judged.iter().for_each(|it| days.entry(it.day()).or_default().push(it));
    let (Some(first), Some(last)) = (days.keys().next().copied(), days.keys().next_back().copied()) else { return Vec::new() };
    let frauds_of = |day: i64| days.get(&day).into_iter().flatten().filter(|it| it.is_fraud).map(|it| it.card);
    let mut weeks = Vec::new();
    let mut start = first + warm_up_days;
    while start + WEEK_DAYS - 1 <= last {
        let mut known: BTreeSet<_> = (start - 2 * WEEK_DAYS..start - WEEK_DAYS).flat_map(frauds_of).collect();
        let mut tested = Vec::new();
        for day in start..start + WEEK_DAYS {
            known.extend(frauds_of(day - WEEK_DAYS - 1));
            let of_day = days.get(&day).into_iter().flatten().filter(|it| !known.contains(&it.card));
            tested.extend(of_day.map(|it| it.scored()));
        }
        if tested.iter().any(|it| it.is_fraud) {
            weeks.push(tested);
        }
        start += WEEK_DAYS;
    }
    weeks
}

/// All payments from a day on.
pub(super) fn since(judged: &[Judged], day: i64) -> Vec<Scored> {
    judged.iter().filter(|it| it.day() >= day).map(Judged::scored).collect()
}

impl Judged {
    fn day(&self) -> i64 {
        self.ts.div_euclid(DAY_MS)
    }

    fn scored(&self) -> Scored {
        Scored { card: self.card, day: self.day(), score: self.score, is_fraud: self.is_fraud }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_leave_out_cards_whose_frauds_are_known() {
        let mut judged = Vec::new();
        for day in 0..35 {
            for card in 0..20 {
                // Card 1 is robbed on day 10, 17 and 20; card 2 on day 15; the model sees all of it.
                let is_fraud = matches!((card, day), (1, 10 | 17 | 20) | (2, 15));
                judged.push(Judged { card, ts: day * DAY_MS, score: f64::from(u8::from(is_fraud)), is_fraud });
            }
        }
        let weeks = weeks(&judged, 14);
        // In the weeks from day 14 and 21: card 1 is known from day 18 on, so that day 20 counts no more.
        assert_eq!(weeks.iter().map(|week| (week.day, week.frauds)).collect::<Vec<_>>(), [(14, 2)]);
        assert_eq!(weeks[0].payments, 7 * 20 - 3);
        assert_eq!(weeks[0].average_precision, 1.0);
        assert!((weeks[0].card_precision_100 - 2.0 / 7.0 / 100.0).abs() < 1e-12);
    }
}
