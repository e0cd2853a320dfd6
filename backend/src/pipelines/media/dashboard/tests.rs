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
        incident_id: "run-1".into(),
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
fn starts_are_told_by_cdn_of_the_newest_minute_and_titles_with_their_stars() {
    let mut fold = Fold::default();
    let row = |window_start, cdn: &str, attempts, start_failures, exits_before_start| CubeRow {
        window_start,
        window_end: window_start + 60_000,
        values: [cdn, "isp-1", "eu", "tv", "8.2"].map(str::to_owned).to_vec(),
        counts: Counts { attempts, start_failures, exits_before_start, ..Counts::default() },
    };
    let rows = [
        row(0, "cdn-a", 9, 9, 0),
        row(60_000, "cdn-a", 10, 1, 0),
        row(60_000, "cdn-a", 10, 0, 2),
        row(60_000, "cdn-b", 20, 5, 4),
        row(0, "cdn-b", 7, 7, 0),
    ];
    rows.iter().for_each(|row| observe(&mut fold, CUBE, "cell", &json(row)));
    let rated = TitleStats { starts: 4, ratings: 3, stars: 11, ..TitleStats::default() };
    observe(&mut fold, TITLE_STATS, "title-01", &json(&rated));
    observe(&mut fold, TITLE_STATS, "title-02", &json(&TitleStats { starts: 1, ..TitleStats::default() }));
    let dashboard = fold.dashboard(TimestampMs(0));
    let texts = |id: &str| {
        let WidgetBody::Table { rows, .. } = body(&dashboard, id) else { panic!("a table") };
        let text = |cell: &weir_model::Cell| match cell {
            weir_model::Cell::Text(text) => text.to_string(),
            weir_model::Cell::Integer(number) => number.to_string(),
            weir_model::Cell::Float(number) | weir_model::Cell::Percent(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(texts("starts"), ["all 40 15 15", "cdn-a 20 5 10", "cdn-b 20 25 20"]);
    assert_eq!(texts("titles"), ["title-01  4 0 0 0 0 3.67 3 0", "title-02  1 0 0 0 0 – 0 0"]);
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
