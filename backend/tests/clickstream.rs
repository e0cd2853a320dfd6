//! The clickstream pipeline over a broker: the embedded one, or the one `WEIR_TEST_BOOTSTRAP` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests fail loudly")]

mod runs;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use runs::{Cluster, DEADLINE, Run, cluster, turn};
use weir_backend::{
    client::{Admin, Connection, GroupConsumer, OutgoingRecord, Producer, Reader, ReaderEvent},
    pipelines::{
        self,
        clickstream::{
            records::Session,
            settings::{EVENTS, GROUP, SESSIONS},
        },
    },
    updates,
};
use weir_model::{CheckVerdict, Phase, PipelineParams, RunReport, TimestampMs, Update, WidgetBody};

/// Five seconds of the wall clock, 83 minutes of event time. Nobody comes back for an offer: at this speed it would hang on the machine whether
/// one is heard in time.
fn params() -> PipelineParams {
    PipelineParams {
        rate_per_s: 6_000,
        seed: 7,
        speed: 1_000,
        start_at: Some(TimestampMs(1_800_000_000_000)),
        events_max: Some(30_000),
        settings: [("offer_takers".into(), 0.0)].into(),
        ..PipelineParams::default()
    }
}

fn verdicts(report: &RunReport) -> BTreeMap<&str, CheckVerdict> {
    report.checks.iter().map(|check| (&*check.id, check.verdict)).collect()
}

fn assert_all_hold(report: &RunReport) {
    let verdicts = verdicts(report);
    let ids =
        ["no_loss", "sessions_equal_batch", "funnel_equal_batch", "late_drops_equal_oracle", "top_pages_equal_batch", "open_sessions_end"];
    for id in ids.into_iter().chain(["ab_equals_first_exposures"]) {
        assert_eq!(verdicts.get(id), Some(&CheckVerdict::Pass), "{id}: {report:?}");
    }
    assert_ne!(verdicts["ab_interval_covers_truth"], CheckVerdict::Fail);
}

/// Every session in the result topic, by run, without the run's name.
fn sessions(cluster: &Cluster) -> BTreeMap<String, Vec<Session>> {
    let reader = Reader::new(&cluster.connection, SESSIONS, false).unwrap();
    let mut by_run: BTreeMap<String, Vec<Session>> = BTreeMap::new();
    for partition in 0..4 {
        reader.assign([(partition, 0)]).unwrap();
        let deadline = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < deadline, "{SESSIONS} has no end");
            match reader.poll(Duration::from_millis(500)).unwrap() {
                Some(ReaderEvent::End(at)) if at == partition => break,
                Some(ReaderEvent::Record(record)) => {
                    let mut session: Session = serde_json::from_slice(record.value().unwrap()).unwrap();
                    by_run.entry(std::mem::take(&mut session.run)).or_default().push(session);
                }
                _ => {}
            }
        }
    }
    by_run.values_mut().for_each(|sessions| sessions.sort_by(|a, b| (&a.user_id, a.start).cmp(&(&b.user_id, b.start))));
    by_run
}

#[test]
fn equal_seeds_give_equal_results_and_all_checks_hold() {
    let cluster = cluster();
    let mut reports = Vec::new();
    for _ in 0..2 {
        let mut run = Run::start(&cluster, "clickstream", params());
        reports.push(run.report());
        // Three applications read the events, and what the others write.
        assert!(run.count("processed") >= 30_000);
        let dashboard = run.store.runs[&"clickstream".into()].dashboard.clone().expect("a dashboard");
        let number = |id: &str| match dashboard.widgets.iter().find(|widget| &*widget.id == id).map(|widget| &widget.body) {
            Some(WidgetBody::Number { value: Some(value), .. }) => *value,
            other => panic!("{id} shows {other:?}"),
        };
        assert_eq!(number("sessions_closed"), reports[0].counts["sessions_closed"] as f64, "the dashboard has read to the end");
        assert!(number("revenue") > 0.0 && number("bounce_rate") > 5.0);
    }
    reports.iter().for_each(assert_all_hold);
    let by_run = sessions(&cluster);
    let newest: Vec<_> = by_run.values().rev().take(2).collect();
    assert_eq!(newest.len(), 2, "two runs");
    assert!(newest[0] == newest[1], "equal seeds, equal sessions");
    assert!(newest[0].iter().any(|session| session.converted) && newest[0].iter().any(|session| session.bounced));
}

/// User, first and last time, events.
type Plain = (String, i64, i64, u64);

/// Six hours of a web log as its server wrote it, lines up to a minute out of order, and its sessions as a plain batch job finds them: sort
/// by time, cut where half an hour passes.
fn web_log() -> (Vec<String>, Vec<Plain>) {
    const MIDNIGHT_MS: i64 = 1_793_491_200_000; // the first of November 2026, UTC
    // Murmur's finaliser: numbers that look drawn, the same in every run.
    let digits = |n: u64, salt: u64| {
        let mixed = (n * 8 + salt + 1).wrapping_mul(0xff51_afd7_ed55_8ccd);
        (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53) >> 33
    };
    let (mut lines, mut by_user) = (Vec::new(), BTreeMap::<String, Vec<i64>>::new());
    for n in 0..4_000_u64 {
        let at_s = (n * 27 / 5).cast_signed();
        let late_s = (digits(n, 7) % 61).cast_signed();
        let user = format!("10.0.{}.{}", digits(n, 1) % 4, digits(n, 2) % 40);
        let (hour, minute, second) = (at_s / 3_600, at_s / 60 % 60, at_s % 60);
        let page = digits(n, 3) % 50;
        let line = format!(r#"{user} - - [01/Nov/2026:{hour:02}:{minute:02}:{second:02} +0000] "GET /p{page} HTTP/1.1" 200 5"#);
        lines.push((at_s + late_s, line));
        by_user.entry(user).or_default().push(MIDNIGHT_MS + at_s * 1_000);
    }
    lines.sort_by_key(|(written_s, _)| *written_s);
    let mut sessions = Vec::new();
    for (user, mut times) in by_user {
        times.sort_unstable();
        let cut = times.chunk_by(|a, b| b - a <= 1_800_000);
        sessions.extend(cut.map(|times| (user.clone(), times[0], times[times.len() - 1], times.len() as u64)));
    }
    sessions.sort();
    (lines.into_iter().map(|(_, line)| line).collect(), sessions)
}

/// Runs what was given, and compares its sessions with the batch job's.
fn assert_sessions_of_input(cluster: &Cluster, input: &str, expected: &[Plain]) {
    let mut run = Run::start(cluster, "clickstream", PipelineParams { input: Some(input.into()), events_max: None, ..params() });
    let report = run.report();
    assert!(report.scores.is_empty(), "no truth is known of real visitors: {:?}", report.scores);
    let verdicts = verdicts(&report);
    let ids =
        ["no_loss", "sessions_equal_batch", "funnel_equal_batch", "late_drops_equal_oracle", "top_pages_equal_batch", "open_sessions_end"];
    for id in ids {
        assert_eq!(verdicts.get(id), Some(&CheckVerdict::Pass), "{input}: {id}: {report:?}");
    }
    assert_eq!(report.counts["late_dropped"], 0, "{input}");
    let sessions = sessions(cluster).pop_last().expect("a run").1;
    let mut plain: Vec<_> = sessions.into_iter().map(|it| (it.user_id.0, it.start, it.end, it.events)).collect();
    plain.sort();
    assert!(plain == expected, "{input}: {} sessions, not {}", plain.len(), expected.len());
}

#[test]
fn sessions_of_a_web_log_equal_a_batch_job_from_files_and_from_a_topic() {
    const TOPIC: &str = "web_log";
    let cluster = cluster();
    let (lines, expected) = web_log();
    assert!(expected.len() > 300, "{} sessions", expected.len());
    let folder = tempfile::tempdir().unwrap();
    // One file; then two, of which one is packed: hours in turns, as of two servers.
    std::fs::write(folder.path().join("one.log"), lines.join("\n")).unwrap();
    let servers = folder.path().join("servers");
    std::fs::create_dir(&servers).unwrap();
    let of_server = |server: usize| {
        let in_turns = lines.iter().enumerate().filter(move |(at, _)| at / 700 % 2 == server);
        in_turns.map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n")
    };
    std::fs::write(servers.join("a.log"), of_server(0)).unwrap();
    let mut packed = flate2::write::GzEncoder::new(std::fs::File::create(servers.join("b.log.gz")).unwrap(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, of_server(1).as_bytes()).unwrap();
    packed.finish().unwrap();
    // A topic, whose partitions are fetched one after the other.
    let admin = Admin::new(&cluster.connection, Duration::from_secs(10)).unwrap();
    futures::executor::block_on(admin.create_event_time_topic(TOPIC, 3, &[])).unwrap();
    let producer = Producer::new(&cluster.connection).unwrap();
    for (at, line) in lines.iter().enumerate() {
        let partition = Some((at / 10 % 3) as i32);
        let record = OutgoingRecord { topic: TOPIC, partition, key: None, value: Some(line.as_bytes()), headers: &[], timestamp_ms: None };
        assert!(producer.send(record).unwrap().is_ok(), "the producer is full");
    }
    producer.flush(DEADLINE).unwrap();
    for input in [folder.path().join("one.log"), servers] {
        assert_sessions_of_input(&cluster, input.to_str().unwrap(), &expected);
    }
    assert_sessions_of_input(&cluster, &format!("topic:{TOPIC}"), &expected);
    assert_sessions_of_input(&cluster, &format!("topic:{TOPIC}?user=ip"), &expected);
}

#[test]
fn a_rebalance_in_the_middle_of_a_run_changes_no_result() {
    let cluster = cluster();
    let mut run = Run::start(&cluster, "clickstream", PipelineParams { seed: 8, ..params() });
    run.wait_for_count("processed", 6_000);
    // Somebody else joins the group, takes partitions over, and leaves again.
    let guest = GroupConsumer::new(&cluster.connection, GROUP, &[EVENTS], |_, _| None).unwrap();
    let deadline = Instant::now() + DEADLINE;
    while guest.assignment().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "the guest got no partition");
        let _ = guest.poll(Duration::from_millis(50));
    }
    drop(guest);
    assert_all_hold(&run.report());
}

#[test]
fn pause_rate_faults_and_stop_work_on_a_live_run() {
    let cluster = cluster();
    let params = PipelineParams { rate_per_s: 500, seed: 9, speed: 60, start_at: None, events_max: None, ..PipelineParams::default() };
    let mut run = Run::start(&cluster, "clickstream", params);
    run.wait_for_count("processed", 500);
    run.running.pause();
    run.wait("pause", |run| matches!(run.phase(), Some(Phase::Paused)));
    run.wait("the last events", |run| run.count("delivered") == run.count("generated"));
    let paused_at = run.count("generated");
    run.running.set_rate(1_000);
    run.running.inject(&"traffic_spike".into());
    run.running.inject(&"phones_offline".into());
    run.running.resume();
    run.wait("faults", |run| run.status().is_some_and(|status| status.active_faults.len() == 2 && status.params.rate_per_s == 1_000));
    run.wait_for_count("processed", paused_at + 10_000);
    run.wait("the phones are back", |run| {
        run.status().is_some_and(|status| status.active_faults.iter().all(|(fault, _)| fault.as_str() != "phones_offline"))
    });
    run.wait_for_count("window_late_dropped", 1); // what phones held back comes too late for its windows
    run.running.stop();
    let report = run.report();
    assert_all_hold(&report);
    assert!(report.latency_ms.p50 <= report.latency_ms.p99);
    let deadline = Instant::now() + DEADLINE;
    while !run.running.is_finished() {
        assert!(Instant::now() < deadline, "the run's thread goes on");
        std::thread::yield_now();
    }
}

#[test]
fn a_cluster_that_is_not_there_is_a_problem_not_silence() {
    let _turn = turn();
    let (updates, reader) = updates::channel(|| {});
    let _running = pipelines::start(&"clickstream".into(), params(), Connection::new("127.0.0.1:1", []), updates).unwrap();
    let deadline = Instant::now() + DEADLINE;
    loop {
        assert!(Instant::now() < deadline, "no problem was told");
        if let Some(Update::PipelineStatus(status)) = reader.recv(Duration::from_millis(100))
            && let Phase::Failed(problem) = &status.phase
        {
            assert!(!problem.why.is_empty() && !problem.what_to_do.is_empty(), "{problem}");
            return;
        }
    }
}
