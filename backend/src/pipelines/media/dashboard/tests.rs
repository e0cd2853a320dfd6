//! What the dashboard shows of the records it is told.

use super::*;
use crate::pipelines::media::{Media, records::Cause, world::json};
use weir_model::{PipelineParams, WidgetBody};

fn observe(fold: &mut Fold, topic: &str, key: &str, value: &[u8]) {
    let record = Observed {
        topic,
        partition: 0,
        offset: 0,
        timestamp_ms: 8_000,
        key: Some(key.as_bytes()),
        value: Some(value),
        headers: Vec::new(),
    };
    fold.observe(&record, TimestampMs(8_000));
}

fn body<'a>(dashboard: &'a Dashboard, id: &str) -> &'a WidgetBody {
    &dashboard.widgets.iter().find(|widget| &*widget.id == id).expect("the widget").body
}

#[test]
fn an_empty_dashboard_and_nonsense_harm_nothing() {
    let mut fold = Fold::default();
    let empty = fold.dashboard(TimestampMs(0)).widgets.len();
    for topic in crate::pipelines::media::settings::RESULTS {
        observe(&mut fold, topic, "x", b"nonsense");
        observe(&mut fold, topic, "x", b"{}");
    }
    assert_eq!(fold.dashboard(TimestampMs(0)).widgets.len(), empty);
    let ids: std::collections::BTreeSet<_> = fold.dashboard(TimestampMs(0)).widgets.into_iter().map(|widget| widget.id).collect();
    assert_eq!(ids.len(), empty, "ids are unique");
}

#[test]
fn slices_incidents_and_rooms_are_shown() {
    let mut fold = Fold::default();
    let cell = |cdn: &str, failures| (vec![cdn.to_owned(), "eu".to_owned()], 10, failures);
    let slice = Slice {
        start_ms: 4_000,
        end_ms: 8_000,
        dimensions: vec!["cdn".to_owned(), "region".to_owned()],
        cells: vec![cell("cdn-a", 0), cell("cdn-b", 5)],
        source: 0,
        watched_ms: Vec::new(),
        is_asked: false,
        has_more: false,
        forecasts: Vec::new(),
    };
    observe(&mut fold, SLICES, "run", &json(&slice));
    let cause = Cause { attributes: vec![("cdn".to_owned(), "cdn-b".to_owned())], score: 50.0, total: 10.0, failures: 5.0, expected: 0.1 };
    let incident = Incident {
        incident_id: "run-1".to_owned(),
        scope: "run".to_owned(),
        state: IncidentState::Open,
        cause,
        alternatives: Vec::new(),
        since_ms: 4_000,
        opened_ms: 8_000,
        closed_ms: None,
        extra_share: 0.5,
        peak_share: 0.5,
        views: 10,
        viewers: 12,
        bad_before: None,
        bad_now: 0.5,
        remedy: None,
    };
    observe(&mut fold, INCIDENTS, "run-1", &json(&incident));
    let closed = Incident { state: IncidentState::Closed, closed_ms: Some(9_000), ..incident.clone() };
    let dashboard = fold.dashboard(TimestampMs(0));
    assert_eq!(dashboard.event_time, Some(TimestampMs(8_000)));
    assert!(matches!(body(&dashboard, "bad_views"), WidgetBody::Number { value: Some(value), .. } if *value == 25.0));
    assert!(matches!(body(&dashboard, "cdn_by_region"), WidgetBody::Heat { rows, .. } if rows[1].values == [Some(50.0)]));
    assert!(
        matches!(body(&dashboard, "incidents"), WidgetBody::Incidents { incidents } if &*incidents[0].title == "cdn-b" && incidents[0].to.is_none())
    );
    observe(&mut fold, INCIDENTS, "run-1", &json(&closed));
    let dashboard = fold.dashboard(TimestampMs(0));
    assert!(
        matches!(body(&dashboard, "incidents"), WidgetBody::Incidents { incidents } if incidents.len() == 1 && incidents[0].to.is_some())
    );
    assert!(matches!(body(&dashboard, "open_incidents"), WidgetBody::Number { value: Some(value), .. } if *value == 0.0));
}

#[test]
fn the_description_holds_together() {
    use crate::pipelines::shape::{RunParams, Shape as _};
    let params = PipelineParams { rate_per_s: 100, seed: 3, speed: 1, start_at: Some(TimestampMs(1_000_000)), ..PipelineParams::default() };
    let run = RunParams::new(&Media.meta(), params);
    let topics: Vec<_> = Media.topics().into_iter().map(|spec| spec.name).collect();
    let apps = Media.apps(&run).expect("topologies are right");
    let partitions = |name: &str| Media.topics().iter().find(|spec| spec.name == name).map(|spec| spec.partitions);
    for app in &apps {
        assert!(Media.meta().groups.iter().any(|group| group.as_str() == app.topology.app()), "{}", app.topology.app());
        assert_eq!(app.topology.copartitioning_mistakes(partitions), Vec::<String>::new());
        for part in &app.topology.description().subtopologies {
            for topic in &part.source_topics {
                assert!(!topic.starts_with("_truth"), "no topology may read the truth");
                assert!(topics.contains(&&**topic) || topic.ends_with("-repartition"), "{topic}");
            }
        }
    }
    let (mut world, mut again) = (Media.world(&run), Media.world(&run));
    let (mut out, mut other) = (crate::pipelines::shape::Emit::default(), crate::pipelines::shape::Emit::default());
    for _ in 0..2_000 {
        world.next(&mut out);
        again.next(&mut other);
    }
    world.finish(&mut out);
    again.finish(&mut other);
    let records = out.take();
    assert_eq!(records, other.take(), "same seed, same records");
    assert!(records.iter().all(|record| topics.contains(&record.topic)));
    assert_eq!(Media.sabotages().len(), crate::pipelines::media::Sabotage::ALL.len());
}
