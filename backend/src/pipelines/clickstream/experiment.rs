//! The A/B test as a whole: each partition counts its users ([`super::processor`]), here all of them meet, and each news of one gives the
//! newest figures of every side.
//!
//! Partitions tell sums since the run's start and no changes: what is told twice counts once.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::records::{Ab, Exposures, Lift, Side, Verdict};
use crate::{
    stream::{Forward, Processor, Record, Store, StoreHandle},
    truth::{ALPHA, always_valid},
};

/// What is known of one test.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    /// By partition of the events.
    parts: BTreeMap<i32, BTreeMap<String, Side>>,
}

/// A store for the processor.
pub(super) fn store() -> Store<String, Tally> {
    Store::new()
}

/// Sums up.
pub(super) struct Tests {
    pub(super) run: Arc<str>,
    pub(super) store: StoreHandle<String, Tally>,
}

impl Processor<String, Exposures, String, Ab> for Tests {
    fn process(&mut self, record: &Record<String, Exposures>, out: &mut Forward<'_, String, Ab>) {
        let exposures = &record.value;
        if *exposures.run != *self.run {
            return; // left over from another run
        }
        let mut sides = BTreeMap::<String, Side>::new();
        self.store.borrow_mut().update(&exposures.experiment, Tally::default, |tally| {
            tally.parts.insert(exposures.partition, exposures.sides.clone());
            for (variant, counted) in tally.parts.values().flatten() {
                let side = sides.entry(variant.clone()).or_default();
                side.n += counted.n;
                side.conversions += counted.conversions;
            }
        });
        for ab in results(&self.run, &exposures.experiment, &sides) {
            out.send(&Record { key: format!("{}/{}", ab.experiment, ab.variant), value: ab, timestamp_ms: record.timestamp_ms });
        }
    }
}

/// What is told of each side; the first one by name is what the others are compared with.
fn results(run: &str, experiment: &str, sides: &BTreeMap<String, Side>) -> Vec<Ab> {
    let Some((control, base)) = sides.first_key_value() else { return Vec::new() };
    let result = |(variant, side): (&String, &Side)| {
        let interval = (variant != control).then(|| always_valid((base.conversions, base.n), (side.conversions, side.n), ALPHA));
        let verdict = match interval {
            None => Verdict::Control,
            Some(interval) if interval.covers(0.0) => Verdict::Undecided,
            Some(interval) if interval.estimate > 0.0 => Verdict::Better,
            Some(_) => Verdict::Worse,
        };
        let lift = interval.map(|it| Lift { against: control.clone(), estimate: it.estimate, low: it.low, high: it.high });
        let Side { n, conversions } = *side;
        let (run, experiment, variant) = (run.to_owned(), experiment.to_owned(), variant.clone());
        Ab { run, experiment, variant, n, conversions, rate: conversions as f64 / n.max(1) as f64, lift, verdict }
    };
    sides.iter().map(result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_compared_with_the_first() {
        let check = |a: (u64, u64), b: (u64, u64), expect: Verdict| {
            let side = |(conversions, n)| Side { n, conversions };
            let sides = [("A".to_owned(), side(a)), ("B".to_owned(), side(b))].into();
            let [first, second] = &results("r", "checkout", &sides)[..] else { panic!("two sides") };
            assert_eq!((first.verdict, &first.lift, second.verdict), (Verdict::Control, &None, expect));
            let lift = second.lift.as_ref().expect("a lift");
            assert!((second.rate - first.rate - lift.estimate).abs() < 1e-9 && lift.low < lift.estimate && lift.estimate < lift.high);
        };
        check((50, 100), (52, 100), Verdict::Undecided);
        check((5_000, 10_000), (6_000, 10_000), Verdict::Better);
        check((6_000, 10_000), (5_000, 10_000), Verdict::Worse);
        assert!(results("r", "checkout", &BTreeMap::new()).is_empty());
    }
}
