//! The dashboard from results, whatever their order and however often they come.

use weir_model::WidgetBody;

use super::*;
use crate::{
    pipelines::clickstream::{settings::EVENTS, topology},
    sim::clickstream::{Generator, GeneratorParams},
    stream::{InputRecord, Publish, StreamTask},
};

/// The results of a run of two partitions.
fn results(run: &str) -> Vec<Publish> {
    let mut generator = Generator::new(GeneratorParams { seed: 5, rate_per_s: 500, speed: 60, start_at_ms: 1_800_000_000_000 });
    let topology = topology(&run.into(), 60).expect("a topology");
    let mut tasks = [0, 1].map(|_| StreamTask::new(&topology, 0));
    let mut out = Vec::new();
    let record = |partition: usize, offset: i64, value: &[u8]| {
        let (key, value) = (Some(b"u".to_vec()), Some(value.to_vec()));
        InputRecord { topic: EVENTS.into(), partition: partition as i32, offset, timestamp_ms: 0, key, value }
    };
    for offset in 0..60_000 {
        if let Some(event) = generator.generate() {
            let partition = usize::from(event.key.as_bytes()[7] & 1);
            tasks[partition].process(&record(partition, offset, event.value)).expect("results");
            out.extend(tasks[partition].take_published());
        }
    }
    let end = format!(r#"{{"run_end":"{run}"}}"#);
    for (partition, task) in tasks.iter_mut().enumerate() {
        task.process(&record(partition, 60_000, end.as_bytes())).expect("results");
        out.extend(task.take_published());
    }
    out
}

fn fold(results: &[Publish]) -> Fold {
    let mut fold = Fold::default();
    results.iter().for_each(|output| fold.observe(&output.topic, output.value.as_deref().expect("a value"), TimestampMs(1)));
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
    let results = results("1");
    let fold = fold(&results);
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
    let mut fold = fold(&results("1"));
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
    assert!(chooser.is_chosen && *chooser.value == *user);
    assert!(matches!(&**body, WidgetBody::Lanes { lanes, .. } if !lanes.is_empty()));
}

#[test]
fn pages_that_were_not_counted_by_name_are_a_bound() {
    let check = |views: &[(&str, u64)], rows: usize, help: &str| {
        let views: BTreeMap<_, _> = views.iter().map(|(page, views)| ((*page).to_owned(), *views)).collect();
        let pages = Pages { run: "1".into(), partition: 0, window_start: 0, window_end: 60_000, views };
        let mut fold = Fold::default();
        fold.observe(PAGES, &serde_json::to_vec(&pages).expect("JSON"), TimestampMs(1));
        let dashboard = fold.dashboard(TimestampMs(1));
        let widget = dashboard.widgets.iter().find(|widget| &*widget.id == "top_pages").expect("the widget");
        let WidgetBody::TopK { rows: shown, .. } = &widget.body else { panic!("{:?}", widget.body) };
        assert!(shown.len() == rows && shown.iter().all(|row| &*row.label != OTHER_PAGES), "{shown:?}");
        assert!(widget.help.contains(help), "{}", widget.help);
    };
    check(&[("/a", 3), ("/b", 2)], 2, "exact");
    check(&[("/a", 3), (OTHER_PAGES, 7)], 1, "up to 7 views more");
}

#[test]
fn a_hot_partition_is_seen() {
    let fold = fold(&results("1"));
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
    let results = results("1");
    let once = fold(&results).dashboard(TimestampMs(1));
    let again: Vec<_> = results.iter().chain(&results[results.len() / 2..]).cloned().collect();
    assert_eq!(fold(&again).dashboard(TimestampMs(1)), once);
}

#[test]
fn only_the_newest_run_is_shown() {
    let (old, new) = (results("1"), results("2"));
    let alone = fold(&new).dashboard(TimestampMs(1));
    let mixed: Vec<_> = old.iter().chain(&new).chain(&old).cloned().collect();
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
