//! How well both models rank frauds before honest payments: by what they said before the label was known.

use std::collections::VecDeque;

use crate::{
    pipelines::fraud::records::Example,
    truth::ranking::{Scored, roc_auc},
};

/// Labelled payments looked at, the newest.
const EXAMPLES_MAX: usize = 4_000;
/// Labelled payments between two points.
const POINT_EVERY: u64 = 50;
/// Points kept.
const POINTS_MAX: usize = 240;

/// Labelled payments that both models scored, and how that was.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    /// Of the trees, of the online model, and whether it was a fraud.
    examples: VecDeque<(f64, f64, bool)>,
    seen: u64,
    pub(super) points: VecDeque<Point>,
}

/// The areas under the receiver operating characteristic at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) at_ms: i64,
    pub(super) trees: f64,
    pub(super) online: f64,
}

impl Ranking {
    /// A labelled payment; one that no model or a single one scored says nothing of both.
    pub(super) fn example(&mut self, example: &Example) {
        let Some((trees, online)) = example.score.zip(example.online_score) else { return };
        self.examples.push_back((trees, online, example.is_fraud));
        if self.examples.len() > EXAMPLES_MAX {
            self.examples.pop_front();
        }
        self.seen += 1;
        if !self.seen.is_multiple_of(POINT_EVERY) {
            return;
        }
        let auc = |of: fn(&(f64, f64, bool)) -> f64| {
            let scored: Vec<_> = self.examples.iter().map(|it| Scored { card: 0, day: 0, score: of(it), is_fraud: it.2 }).collect();
            roc_auc(&scored)
        };
        if let Some((trees, online)) = auc(|it| it.0).zip(auc(|it| it.1)) {
            // Labels of one moment come at different times: the chart goes on with the newest payment that has one.
            let at_ms = self.points.back().map_or(example.ts, |last| last.at_ms.max(example.ts));
            self.points.pop_back_if(|last| last.at_ms == at_ms);
            self.points.push_back(Point { at_ms, trees, online });
        }
        if self.points.len() > POINTS_MAX {
            self.points.pop_front();
        }
    }

    /// Labelled payments that the newest point rests on.
    pub(super) fn examples(&self) -> usize {
        self.examples.len()
    }
}
