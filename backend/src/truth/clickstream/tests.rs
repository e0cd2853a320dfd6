//! Each checker passes on an honest run and fails on a sabotaged one.

use weir_model::CheckVerdict::{Fail, Pass, Pending};

use super::*;
use crate::{
    pipelines::clickstream::records::Stats,
    pipelines::clickstream::{
        settings::{DEVICES, EVENTS, FUNNEL, GRACE_MS, SESSION_GAP_MS, SESSIONS, STATS},
        topology,
    },
    sim::clickstream::{Generator, GeneratorParams},
    stream::{InputRecord, Publish, StreamTask},
};

const SPEED: u32 = 60;

/// A run's log: two and a half hours of event time, with phones that go offline twice and some events that come 47 minutes late.
fn log(seed: u64) -> Vec<Vec<u8>> {
    let mut generator = Generator::new(GeneratorParams { seed, rate_per_s: 200, speed: SPEED, start_at_ms: 1_800_000_000_000 });
    let (mut log, mut belated) = (Vec::new(), std::collections::VecDeque::new());
    for n in 0..30_000 {
        if n == 8_000 || n == 20_000 {
            generator.start_offline();
        }
        if let Some(record) = generator.generate() {
            if n % 97 == 0 { belated.push_back((n + 9_500, record.value.to_vec())) } else { log.push(record.value.to_vec()) }
        }
        log.extend(belated.pop_front_if(|(due, _)| *due <= n).map(|(_, value)| value));
        while let Some((_, value)) = generator.release() {
            log.push(value);
        }
    }
    log
}

fn published(log: &[Vec<u8>]) -> Vec<Publish> {
    let mut task = StreamTask::new(&topology(&"r1".into(), SPEED).expect("a topology"), 0);
    let mut process = |offset: usize, value: &[u8]| {
        let (key, value) = (Some(b"u".to_vec()), Some(value.to_vec()));
        let record = InputRecord { topic: EVENTS.into(), partition: 2, offset: offset as i64, timestamp_ms: 0, key, value, trace_id: None };
        task.process(&record).expect("a result");
    };
    log.iter().enumerate().for_each(|(offset, value)| process(offset, value));
    process(log.len(), br#"{"run_end":"r1"}"#);
    task.take_published()
}

fn recomputed(log: &[Vec<u8>], rules: Rules) -> Expected {
    let mut batch = Batch::new(rules, 2);
    log.iter().enumerate().for_each(|(offset, value)| batch.add(offset as i64, Activity::parse(Some(value)).as_ref()));
    batch.finish()
}

fn rules() -> Rules {
    Rules { run: "r1".to_owned(), gap_ms: SESSION_GAP_MS, grace_ms: GRACE_MS, window_ms: i64::from(SPEED) * 1_000, is_all_in_time: false }
}

fn of<'a, T: serde::de::DeserializeOwned>(out: &'a [Publish], topic: &'a str) -> impl Iterator<Item = T> + 'a {
    out.iter()
        .filter(move |output| &*output.topic == topic)
        .map(|output| serde_json::from_slice(output.value.as_deref().expect("a value")).expect("a result"))
}

fn sessions_check(published: &[Session], expected: &[Session]) -> Check {
    let mut check = SessionsCheck::default();
    published.iter().for_each(|session| check.published(session));
    expected.iter().for_each(|session| check.expected(session));
    check.verdict()
}

#[test]
fn results_equal_the_batch_job_for_every_seed() {
    for seed in 1..=5 {
        let log = log(seed);
        let (out, expected) = (published(&log), recomputed(&log, rules()));
        let sessions: Vec<Session> = of(&out, SESSIONS).collect();
        assert!(seed > 1 || out == published(&log), "seed {seed}: equal logs give equal results");
        let verdict = sessions_check(&sessions, &expected.sessions);
        println!("seed {seed}: {}", verdict.evidence);
        assert_eq!(verdict.verdict, Pass, "seed {seed}: {}", verdict.evidence);
        let stats: Stats = of(&out, STATS).last().expect("counts");
        let late = late_drops_equal(&stats.totals, &expected.totals);
        println!("seed {seed}: {}", late.evidence);
        assert_eq!(late.verdict, Pass, "seed {seed}: {}", late.evidence);
        assert_eq!(Totals { sessions_merged: 0, ..stats.totals }, expected.totals, "seed {seed}");
        let last = (of(&out, FUNNEL).last().expect("a funnel"), of(&out, DEVICES).last().expect("counts"));
        let funnel = funnel_equal(&BTreeMap::from([(2, last)]), &BTreeMap::from([(2, (expected.funnel, expected.devices))]));
        assert_eq!(funnel.verdict, Pass, "seed {seed}: {}", funnel.evidence);
        let windows: u64 = of::<Stats>(&out, STATS).map(|stats| stats.events).sum();
        assert_eq!(windows + stats.totals.window_late_dropped, log.len() as u64, "seed {seed}: windows hold every event in time");
    }
}

#[test]
fn the_sessions_check_can_fail() {
    let log = log(1);
    let sessions: Vec<Session> = of(&published(&log), SESSIONS).collect();
    let expected = recomputed(&log, rules()).sessions;
    let verdict = |published: &[Session]| sessions_check(published, &expected).verdict;
    assert_eq!(verdict(&sessions), Pass);
    assert_eq!(verdict(&[&sessions[..], &sessions[..3]].concat()), Pass, "a result published twice changes nothing");
    assert_eq!(verdict(&sessions[1..]), Fail, "a lost session");
    let mut other = sessions.clone();
    other[5].revenue_minor += 1;
    assert_eq!(verdict(&other), Fail, "one wrong figure");
    other[5] = Session { user_id: "nobody".into(), ..sessions[5].clone() };
    assert_eq!(verdict(&[&sessions[..], &other[5..6]].concat()), Fail, "an invented session");
    other[5] = Session { events: 99, ..sessions[5].clone() };
    assert_eq!(verdict(&[&sessions[..], &other[5..6]].concat()), Fail, "a final result that changes");
    other[5] = Session { closed_by: ClosedBy::Limit, ..sessions[5].clone() };
    assert_eq!(verdict(&other), Pending);
}

#[test]
fn a_wrong_rule_turns_the_checks_red() {
    let log = log(2);
    let out = published(&log);
    let sessions: Vec<Session> = of(&out, SESSIONS).collect();
    let short_gap = recomputed(&log, Rules { gap_ms: 60_000, ..rules() });
    assert_eq!(sessions_check(&sessions, &short_gap.sessions).verdict, Fail, "another gap");
    let stats: Stats = of(&out, STATS).last().expect("counts");
    let no_grace = recomputed(&log, Rules { grace_ms: 0, ..rules() });
    assert_eq!(late_drops_equal(&stats.totals, &no_grace.totals).verdict, Fail, "grace switched off");
    assert!(stats.totals.window_late_dropped > 0, "phones flushed late");
    let whole = recomputed(&log, Rules { is_all_in_time: true, ..rules() });
    assert!(stats.totals.session_late_dropped > 0, "some events come 47 minutes late");
    assert_eq!(sessions_check(&sessions, &whole.sessions).verdict, Fail, "a log of which nothing may be dropped");
    assert_eq!(late_drops_equal(&stats.totals, &whole.totals).verdict, Fail, "a log of which nothing may be dropped");
}

#[test]
fn the_funnel_check_can_fail() {
    let funnel = Funnel { view: 3, add_to_cart: 2, purchase: 1, ..Funnel::default() };
    let of = |funnel: &Funnel| BTreeMap::from([(0, (funnel.clone(), Devices::default()))]);
    assert_eq!(funnel_equal(&of(&funnel), &of(&funnel)).verdict, Pass);
    assert_eq!(funnel_equal(&of(&Funnel { purchase: 2, ..funnel.clone() }), &of(&funnel)).verdict, Fail);
    assert_eq!(funnel_equal(&BTreeMap::new(), &of(&funnel)).verdict, Fail);
}

#[test]
fn the_loss_check_can_fail() {
    let mut logged = Sequence::default();
    (0..10).for_each(|number| logged.observe(number));
    let flow = Flow { sent: 11, delivered: 11, events: 10, repeats: 1, records: 11, processed: 10 };
    assert_eq!(no_loss(flow, &logged).verdict, Pass);
    assert_eq!(no_loss(Flow { events: 11, ..flow }, &logged).verdict, Fail, "one is not in the log");
    assert_eq!(no_loss(Flow { delivered: 10, ..flow }, &logged).verdict, Fail, "one was not acknowledged");
    assert_eq!(no_loss(Flow { processed: 9, ..flow }, &logged).verdict, Fail, "one was not processed");
    logged.observe(3);
    assert_eq!(no_loss(flow, &logged).verdict, Fail, "one was made twice");
}
