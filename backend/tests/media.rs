//! The media pipeline over the embedded broker: viewers that obey, and given data with labels.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests fail loudly")]

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use weir_backend::{
    client::Connection,
    pipelines::{self, RunningPipeline},
    sim::media::{Sheet, SheetKind},
    updates::{self, UpdatesReader},
};
use weir_broker::{Broker, BrokerConfig};
use weir_model::{CheckVerdict, Phase, PipelineParams, RunReport, Store, Update};

/// No run of these tests takes longer.
const DEADLINE: Duration = Duration::from_secs(150);

struct Run {
    running: RunningPipeline,
    updates: UpdatesReader,
    store: Store,
    started: Instant,
    _broker: Broker,
    _data_dir: tempfile::TempDir,
}

impl Run {
    fn start(params: PipelineParams) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let broker = Broker::start(BrokerConfig { listen, ..BrokerConfig::new(data_dir.path()) }).unwrap();
        let (updates, reader) = updates::channel(|| {});
        let connection = Connection::new(broker.address().to_string(), []);
        let running = pipelines::start(&"media".into(), params, connection, updates).unwrap();
        Self { running, updates: reader, store: Store::default(), started: Instant::now(), _broker: broker, _data_dir: data_dir }
    }

    fn wait(&mut self, what: &str, done: impl Fn(&Store) -> bool) {
        while !done(&self.store) {
            let status = self.store.runs.get(&"media".into()).and_then(|view| view.status.clone());
            if let Some(Phase::Failed(problem)) = status.as_ref().map(|status| &status.phase) {
                panic!("{problem}");
            }
            assert!(self.started.elapsed() < DEADLINE, "no {what} in time; last status: {status:?}");
            if let Some(update) = self.updates.recv(Duration::from_millis(100)) {
                if let Update::PipelineStatus(status) = &update {
                    assert!(status.id.as_str() == "media");
                }
                self.store.apply(update);
            }
        }
    }

    fn wait_for_events(&mut self, at_least: u64) {
        let produced = move |store: &Store| {
            let status = store.runs.get(&"media".into()).and_then(|view| view.status.as_ref());
            status.and_then(|status| status.counts.get("generated").copied()).unwrap_or(0) >= at_least
        };
        self.wait("events", produced);
    }

    fn report(mut self) -> RunReport {
        self.wait("report", |store| store.runs.get(&"media".into()).is_some_and(|view| view.report.is_some()));
        let report = (*self.store.runs[&"media".into()].report.clone().unwrap()).clone();
        println!("{}", serde_json::to_string_pretty(&report).unwrap());
        report
    }
}

fn verdict(report: &RunReport, id: &str) -> CheckVerdict {
    report.checks.iter().find(|check| &*check.id == id).map(|check| check.verdict).expect("the check")
}

#[test]
fn a_run_with_raid_race_and_killed_processors_is_exact() {
    let params = PipelineParams { rate_per_s: 300, seed: 7, speed: 1, events_max: Some(2_700), ..PipelineParams::default() };
    let mut run = Run::start(params);
    run.wait_for_events(600);
    run.running.inject(&"chat_raid".into());
    run.running.inject(&"ad_budget_race".into());
    run.wait_for_events(1_500);
    run.running.inject(&"kill_processor".into());
    let report = run.report();
    assert!(report.checks.iter().all(|check| check.verdict != CheckVerdict::Fail), "{:?}", report.checks);
    for id in [
        "watch_time_exact",
        "room_counts_exact",
        "messages_moderated_once",
        "ads_decided_once",
        "spend_within_budget",
        "impressions_billed_once",
    ] {
        assert_eq!(verdict(&report, id), CheckVerdict::Pass, "{id}");
    }
}

#[test]
fn given_data_is_read_from_a_folder_and_scored() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = "case,time,cause\n".to_owned();
    for (seed, kind) in [(9_200, SheetKind::Single), (9_201, SheetKind::Pair)] {
        let sheet = Sheet::new(seed, kind);
        let dimensions = sheet.rows[0].values.len();
        let mut text = (0..dimensions).fold("minute,cnt,value".to_owned(), |text, at| text + &format!(",d{at}")) + "\n";
        for row in &sheet.rows {
            write!(text, "{},{},{}", row.minute * 60, row.total, row.failures).unwrap();
            row.values.iter().for_each(|value| write!(text, ",{value}").unwrap());
            text.push('\n');
        }
        text += "nonsense\n";
        std::fs::write(folder.path().join(format!("case{seed}.csv")), text).unwrap();
        let cause: Vec<_> = sheet.causes[0].iter().map(|(dimension, value)| format!("d{dimension}={value}")).collect();
        writeln!(labels, "case{seed},{},{}", sheet.minute * 60, cause.join("&")).unwrap();
    }
    std::fs::write(folder.path().join("labels.csv"), labels).unwrap();
    let input = Some(folder.path().to_string_lossy().into());
    let report = Run::start(PipelineParams { rate_per_s: 100, speed: 1, input, ..PipelineParams::default() }).report();
    assert_eq!(verdict(&report, "root_causes_named"), CheckVerdict::Pass, "{:?}", report.checks);
    assert_eq!(report.scores["root_cause_cases"], 2.0);
}
