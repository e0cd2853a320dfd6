//! The dashboard over a replayed world.

use weir_model::{TimestampMs, WidgetBody};

use super::*;
use crate::{
    pipelines::fraud::{
        DetectorParams,
        model::{BoostParams, TrainerParams},
        replay::Replay,
        rules::defaults,
        settings::{RULES, VERDICTS},
    },
    sim::fraud::{Emitted, Generator, WorldParams},
};

/// A month of a small world; the reviewers are right about every second case.
fn month() -> Fold {
    let mut fold = Fold::default();
    let boost = BoostParams { trees: 15, depth: 3, ..BoostParams::default() };
    let learning = TrainerParams { boost, examples_min: 150, frauds_min: 10, ..TrainerParams::default() };
    let mut replay = Replay::new(DetectorParams::default(), learning).unwrap();
    for rule in defaults() {
        let id = rule.rule_id.clone();
        fold.observe(RULES, Some(id.as_bytes()), Some(&serde_json::to_vec(&rule).unwrap()), TimestampMs(0));
        replay.rule(&id, Some(&rule), 0, &mut |_| ()).unwrap();
    }
    let mut world = Generator::new(WorldParams { customers: 100, terminals: 150, ..WorldParams::demo(1) });
    for step in 0..4_600 {
        let at = TimestampMs(step * 10);
        let mut published = Vec::new();
        let mut out = |record: &crate::stream::Publish| published.push(record.clone());
        match world.generate() {
            Emitted::Payment(event, _) => replay.payment(&event, &mut out).unwrap(),
            Emitted::Chargeback(event, at_ms) => {
                replay.chargeback(&event, at_ms, &mut out).unwrap();
                let label = crate::pipelines::fraud::replay::chargeback(&event);
                fold.observe(CHARGEBACKS, None, Some(&serde_json::to_vec(&label).unwrap()), at);
            }
        }
        for record in published {
            fold.observe(&record.topic, record.key.as_deref(), record.value.as_deref(), at);
        }
    }
    fold
}

#[test]
fn the_dashboard_tells_what_the_labels_say() {
    let mut fold = month();
    let number = |fold: &Fold, id: &str| {
        let widget = fold.dashboard(TimestampMs(46_000)).widgets.into_iter().find(|widget| &*widget.id == id).unwrap();
        let WidgetBody::Number { value, .. } = widget.body else { panic!("{id} is no number") };
        value.unwrap()
    };
    let (recall, precision) = (number(&fold, "recall"), number(&fold, "precision"));
    assert!((10.0..100.0).contains(&recall) && (30.0..=100.0).contains(&precision), "{recall} {precision}");
    assert!(number(&fold, "saved") > 100.0 && number(&fold, "decisions_per_s") > 50.0);
    let dashboard = fold.dashboard(TimestampMs(46_000));
    assert!(dashboard.widgets.iter().any(|widget| widget.title.contains("learnt from")), "a model is at work");
    let ranked = fold.ranking.points.back().unwrap();
    assert!(ranked.trees > 0.5 && ranked.online > 0.5 && fold.ranking.examples() >= 50, "{ranked:?}");
    let ids: std::collections::BTreeSet<_> = dashboard.widgets.iter().map(|widget| widget.id.clone()).collect();
    assert_eq!(ids.len(), dashboard.widgets.len(), "ids are unique");
    let worst = fold.terminals.worst(fold.newest_ms.unwrap(), 3);
    assert!(worst.iter().any(|(_, frauds, known)| *frauds > 1 && known.stopped > 0), "{worst:?}");
    assert!(!fold.rings.is_empty() && !fold.alerts.is_empty() && !fold.cases.is_empty());
    let (open, case) = (fold.cases.len(), fold.cases[0].clone());
    fold.observe(VERDICTS, None, Some(&serde_json::to_vec(&case.verdict(true)).unwrap()), TimestampMs(0));
    assert_eq!(fold.cases.len(), open - 1);
    fold.observe(DECISIONS, None, Some(b"nonsense"), TimestampMs(0));
    assert_eq!(Fold::default().dashboard(TimestampMs(0)).widgets.len(), dashboard.widgets.len(), "an empty one has all widgets");
}
