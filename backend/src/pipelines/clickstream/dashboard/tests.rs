//! The dashboard from results, whatever their order and however often they come.

use std::sync::LazyLock;

use weir_model::WidgetBody;

use super::*;
use crate::{
    pipelines::clickstream::{settings::OPEN_SESSIONS, tests::Partitions},
    sim::clickstream::{Generator, GeneratorParams},
    stream::Publish,
};

/// The results of a run of two partitions; what takes longest here is made once.
static RESULTS: LazyLock<Vec<Publish>> = LazyLock::new(|| results_of("1"));

fn results_of(run: &str) -> Vec<Publish> {
    let mut generator = Generator::new(GeneratorParams { seed: 5, rate_per_s: 500, speed: 60, start_at_ms: 1_800_000_000_000 });
    let (mut partitions, mut out) = (Partitions::of_run(run), Vec::new());
    for _ in 0..60_000 {
        if let Some(event) = generator.generate() {
            out.extend(partitions.process(i32::from(event.key.as_bytes()[7] & 1), event.value));
        }
    }
    let end = format!(r#"{{"run_end":"{run}"}}"#);
    (0..2).for_each(|partition| out.extend(partitions.process(partition, end.as_bytes())));
    out
}

fn fold(results: &[Publish]) -> Fold {
    let mut fold = Fold::default();
    for output in results {
        match (&*output.topic, output.value.as_deref()) {
            (OPEN_SESSIONS, value) => fold.observe_open(output.key.as_deref().expect("a key"), value),
            (topic, value) => fold.observe(topic, value.expect("a value"), TimestampMs(1)),
        }
    }
    fold
}

fn number(dashboard: &Dashboard, id: &str) -> f64 {
    let widget = dashboard.widgets.iter().find(|widget| &*widget.id == id).expect("the widget");
    match &widget.body {
        WidgetBody::Number { value: Some(value), .. } => *value,
        other => panic!("{id} shows {other:?}"),
    }
}

#[test]
fn the_figures_are_those_of_the_run() {
    let results = &*RESULTS;
    let fold = fold(results);
    let dashboard = fold.dashboard(TimestampMs(1));
    let sessions: Vec<Session> = results
        .iter()
        .filter(|output| &*output.topic == SESSIONS)
        .map(|output| serde_json::from_slice(output.value.as_deref().expect("a value")).expect("JSON"))
        .collect();
    assert_eq!(number(&dashboard, "sessions_closed"), sessions.len() as f64);
    let revenue: i64 = sessions.iter().map(|session| session.revenue_minor).sum();
    assert_eq!(number(&dashboard, "revenue"), revenue as f64 / 100.0);
    let per_s: Vec<_> = fold.complete_windows().iter().map(|(_, window)| fold.per_s(window.events())).collect();
    let inner = &per_s[1..per_s.len() - 1];
    assert!(inner.iter().all(|per_s| (450.0..550.0).contains(per_s)), "{per_s:?}");
    assert_eq!(number(&fold.dashboard(TimestampMs(10_000)), "events_per_s"), 0.0, "nothing flows any more");
    assert_eq!(dashboard.widgets.len(), 22);
    assert!(dashboard.widgets.iter().all(|widget| !widget.help.is_empty()));
}

#[test]
fn a_user_can_be_chosen_and_nothing_else_done() {
    let mut fold = fold(&RESULTS);
    let user = fold.sessions[3].user_id.clone();
    let action = |widget: &str, verb: &str| PipelineAction {
        widget: widget.into(),
        verb: verb.into(),
        subject: user.as_str().into(),
        text: "".into(),
    };
    assert!(fold.act(&action("lanes", "delete")).is_err() && fold.act(&action("sessions", Chooser::VERB)).is_err());
    fold.act(&action("lanes", Chooser::VERB)).expect("it can be chosen");
    let dashboard = fold.dashboard(TimestampMs(1));
    let lanes = dashboard.widgets.iter().find(|widget| &*widget.id == "lanes").map(|widget| &widget.body);
    let Some(WidgetBody::Chosen { chooser, body }) = lanes else { panic!("{lanes:?}") };
    assert!(chooser.is_chosen && *chooser.value == *user.as_str());
    assert!(matches!(&**body, WidgetBody::Lanes { lanes, .. } if !lanes.is_empty()));
}

#[test]
fn the_pages_of_the_newest_window_are_shown_with_their_bound() {
    let check = |told: &[(&str, i64, u64, u64)], shown: &[(&str, f64)], help: &str| {
        let mut fold = Fold::default();
        for (page, window_end, views, error) in told {
            let (run, page, window_start) = ("1".to_owned(), (*page).to_owned(), window_end - 20_000);
            let stats = PageStats { run, page, window_start, window_end: *window_end, views: *views, error: *error };
            fold.observe(PAGE_STATS, &serde_json::to_vec(&stats).expect("JSON"), TimestampMs(1));
        }
        let dashboard = fold.dashboard(TimestampMs(1));
        let widget = dashboard.widgets.iter().find(|widget| &*widget.id == "top_pages").expect("the widget");
        let WidgetBody::TopK { rows, .. } = &widget.body else { panic!("{:?}", widget.body) };
        assert_eq!(rows.iter().map(|row| (&*row.label, row.value)).collect::<Vec<_>>(), shown);
        assert!(widget.help.contains(help), "{}", widget.help);
    };
    check(&[("/b", 2_000, 2, 0), ("/a", 2_000, 3, 0), ("/a", 2_000, 3, 0)], &[("/a", 3.0), ("/b", 2.0)], "exactly");
    check(&[("/b", 2_000, 2, 0), ("/a", 4_000, 3, 1), ("/c", 2_000, 9, 0)], &[("/a", 3.0)], "up to 1 may be");
}

#[test]
fn a_hot_partition_is_seen() {
    let fold = fold(&RESULTS);
    let dashboard = fold.dashboard(TimestampMs(1));
    let body = |id: &str| dashboard.widgets.iter().find(|widget| &*widget.id == id).map(|widget| widget.body.clone());
    let Some(WidgetBody::TimeSeries { lines, .. }) = body("partitions") else { panic!("no lines") };
    assert_eq!(lines.len(), 2);
    let of_all = fold.complete_windows();
    for (at, (start, window)) in of_all.iter().enumerate() {
        let of_each: f64 =
            lines.iter().filter_map(|line| line.points.get(at)).filter(|point| point.0.0 == *start).map(|point| point.1).sum();
        assert!((of_each - fold.per_s(window.events())).abs() < 1e-6, "{start}");
    }
    let Some(WidgetBody::Table { rows, .. }) = body("partition_lag") else { panic!("no table") };
    assert_eq!(rows.len(), 2);
}

#[test]
fn results_published_again_change_nothing() {
    let results = &*RESULTS;
    let once = fold(results).dashboard(TimestampMs(1));
    let again: Vec<_> = results.iter().chain(&results[results.len() / 2..]).cloned().collect();
    assert_eq!(fold(&again).dashboard(TimestampMs(1)), once);
}

#[test]
fn only_the_newest_run_is_shown() {
    let (old, new) = (&*RESULTS, results_of("2"));
    let alone = fold(&new).dashboard(TimestampMs(1));
    let mixed: Vec<_> = old.iter().chain(&new).chain(old).cloned().collect();
    assert_eq!(fold(&mixed).dashboard(TimestampMs(1)), alone);
}

#[test]
fn an_empty_dashboard_shows_nothing_known() {
    let mut fold = Fold::default();
    fold.observe(STATS, b"garbage", TimestampMs(1));
    let dashboard = fold.dashboard(TimestampMs(1));
    assert_eq!(dashboard.event_time, None);
    assert!(matches!(&dashboard.widgets[0].body, WidgetBody::Number { value: None, .. }));
}
