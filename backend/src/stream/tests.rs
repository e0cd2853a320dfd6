//! The operators through the test driver: the documented examples one by one, then random streams against naive recomputations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

fn driver(build: impl Fn(&StreamsBuilder) + Send + Sync + 'static) -> TopologyTestDriver {
    TopologyTestDriver::new(&Topology::new("app", build).unwrap())
}

/// Key, value and time of everything on an output topic.
fn read<V: Value>(driver: &mut TopologyTestDriver, topic: &str) -> Vec<(String, Option<V>, i64)> {
    let records = driver.read_all::<String, V>(topic).unwrap();
    records.into_iter().map(|record| (record.key, record.value, record.timestamp_ms)).collect()
}

fn read_windowed(driver: &mut TopologyTestDriver, topic: &str) -> Vec<(String, i64, i64, Option<u64>)> {
    let records = driver.read_all::<Windowed<String>, u64>(topic).unwrap();
    records.into_iter().map(|record| (record.key.key, record.key.start_ms, record.key.end_ms, record.value)).collect()
}

fn pipe(driver: &mut TopologyTestDriver, topic: &str, records: &[(&str, i64, i64)]) {
    for (key, value, time) in records {
        driver.pipe(topic, (*key).to_owned(), *value, *time).unwrap();
    }
}

#[test]
fn stateless_operators_keep_order_key_and_time() {
    let mut driver = driver(|builder| {
        let numbers = builder.stream::<String, i64>("in");
        let [even, odd] = numbers.branch([|it| it.value % 2 == 0, |it| it.value > 0]);
        even.map_values(|it| it.value * 10).merge(&odd.filter(|it| it.value != 3)).to("out");
        numbers.flat_map_values(|it| vec![it.value; it.value.max(0) as usize]).to("many");
    });
    pipe(&mut driver, "in", &[("a", 1, 5), ("b", 2, 4), ("c", 3, 9), ("d", -1, 1)]);
    assert_eq!(read::<i64>(&mut driver, "out"), [("a".into(), Some(1), 5), ("b".into(), Some(20), 4)]);
    assert_eq!(read::<i64>(&mut driver, "many").len(), 6);
}

#[test]
fn what_cannot_be_read_goes_to_the_dead_letters() {
    let mut driver = driver(|builder| builder.stream::<String, i64>("in").to("out"));
    driver.pipe_bytes("in", Some(b"a".to_vec()), Some(b"{".to_vec()), 7).unwrap();
    driver.pipe_bytes("in", None, Some(b"1".to_vec()), 7).unwrap();
    pipe(&mut driver, "in", &[("a", 1, 8)]);
    assert_eq!(read::<i64>(&mut driver, "out").len(), 1);
    let letters = driver.read_all::<Vec<u8>, serde_json::Value>("app.dlq");
    assert!(letters.is_err(), "the bytes are as they came");
    assert_eq!((driver.dropped().malformed, driver.dropped().null_key), (1, 1));
}

#[test]
fn a_changed_key_goes_through_a_topic_before_it_meets_state() {
    let build = |builder: &StreamsBuilder| {
        builder.stream::<String, i64>("in").group_by("by-value", |it| it.value.to_string()).count().to_stream().to("out")
    };
    let topology = Topology::new("app", build).unwrap();
    let description = topology.description();
    assert_eq!(description.subtopologies.len(), 2);
    assert_eq!(&*description.repartition_topics[0], "app-by-value-repartition");
    assert_eq!(&*description.subtopologies[1].changelogs[0].1, "app-by-value-changelog");
    let mut driver = TopologyTestDriver::new(&topology);
    pipe(&mut driver, "in", &[("a", 1, 1), ("b", 1, 2), ("c", 2, 3)]);
    assert_eq!(read::<u64>(&mut driver, "out"), [("1".into(), Some(1), 1), ("1".into(), Some(2), 2), ("2".into(), Some(1), 3)]);
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let twice = Topology::new("app", |builder| {
        builder.stream::<String, i64>("in").to("a");
        builder.stream::<String, i64>("in").to("b");
    });
    assert!(twice.unwrap_err().to_string().contains("read twice"));
    let join = Topology::new("app", |builder| {
        let prices = builder.table::<String, i64>("prices", "prices");
        builder.stream::<String, i64>("orders").join_table(&prices, |order, price| order.value * price).to("out");
    });
    let counts = |topic: &str| Some(if topic == "orders" { 3 } else { 4 });
    assert_eq!(join.unwrap().copartitioning_mistakes(counts).len(), 1);
}

#[test]
fn a_table_join_asks_as_of_the_records_time() {
    let mut driver = driver(|builder| {
        let prices = builder.table_with_history::<String, i64>("prices", "prices", 100);
        builder.stream::<String, i64>("orders").left_join_table(&prices, |order, price| (order.value, price.copied())).to("out");
    });
    pipe(&mut driver, "orders", &[("a", 1, 0)]);
    pipe(&mut driver, "prices", &[("a", 10, 5), ("a", 20, 15), ("a", 17, 12)]);
    pipe(&mut driver, "orders", &[("a", 2, 7), ("a", 3, 13), ("a", 4, 20), ("b", 5, 20)]);
    let values: Vec<_> = read::<(i64, Option<i64>)>(&mut driver, "out").into_iter().filter_map(|it| it.1).collect();
    assert_eq!(values, [(1, None), (2, Some(10)), (3, Some(17)), (4, Some(20)), (5, None)]);
}

#[test]
fn a_deletion_hides_an_older_row_that_comes_later() {
    let mut driver = driver(|builder| {
        let prices = builder.table_with_history::<String, i64>("prices", "prices", 100);
        builder.stream::<String, i64>("orders").left_join_table(&prices, |_, price| price.copied()).to("out");
    });
    driver.pipe_bytes("prices", Some(b"a".to_vec()), None, 10).unwrap();
    pipe(&mut driver, "prices", &[("a", 5, 9)]);
    pipe(&mut driver, "orders", &[("a", 0, 9), ("a", 0, 10)]);
    assert_eq!(read::<i64>(&mut driver, "out"), [("a".into(), Some(5), 9), ("a".into(), None, 10)]);
    pipe(&mut driver, "prices", &[("b", 1, 200)]);
    assert_eq!(driver.task().store("prices").unwrap().borrow().len(), 1, "what lies before the history is forgotten");
}

#[test]
fn tables_join_and_take_rows_back() {
    let mut driver = driver(|builder| {
        let (left, right) = (builder.table::<String, i64>("left", "left"), builder.table::<String, i64>("right", "right"));
        left.join(&right, "sum", |_, a, b| a + b).to_stream().to("out");
    });
    pipe(&mut driver, "left", &[("a", 1, 1)]);
    pipe(&mut driver, "right", &[("a", 10, 2), ("a", 20, 3)]);
    driver.pipe_bytes("left", Some(b"a".to_vec()), None, 4).unwrap();
    driver.pipe_bytes("right", Some(b"a".to_vec()), None, 5).unwrap();
    assert_eq!(read::<i64>(&mut driver, "out"), [("a".into(), Some(11), 2), ("a".into(), Some(21), 3), ("a".into(), None, 4)]);
}

#[test]
fn a_global_table_is_found_by_any_key() {
    let mut driver = driver(|builder| {
        let names = builder.global_table::<String, String>("names", "names");
        builder.stream::<String, i64>("in").join_global(&names, |it| it.value.to_string(), |_, name| name.cloned()).to("out");
    });
    driver.pipe("names", "7".to_owned(), "seven".to_owned(), 0).unwrap();
    pipe(&mut driver, "in", &[("a", 7, 1), ("b", 8, 2)]);
    assert_eq!(read::<String>(&mut driver, "out"), [("a".into(), Some("seven".into()), 1), ("b".into(), None, 2)]);
    driver.crash_and_restore().unwrap();
    pipe(&mut driver, "in", &[("c", 7, 3)]);
    assert_eq!(read::<String>(&mut driver, "out"), [("c".into(), Some("seven".into()), 3)], "after a crash it is read anew");
}

#[test]
fn an_operator_that_keeps_keys_needs_no_repartitioning_behind_it() {
    struct Pass;
    impl Processor<String, i64, String, i64> for Pass {
        fn process(&mut self, record: &Record<String, i64>, out: &mut Forward<'_, String, i64>) {
            out.send(record);
        }
    }
    let subtopologies = |keeps_keys: bool| {
        let build = move |builder: &StreamsBuilder| {
            let stream = builder.stream::<String, i64>("in");
            let pass = |_: StoreHandle<String, i64>| Pass;
            let passed = if keeps_keys {
                stream.process_values("pass", Store::new(), None, pass)
            } else {
                stream.process("pass", Store::new(), None, pass)
            };
            passed.group_by_key("counts").count().to_stream().to("out");
        };
        Topology::new("app", build).unwrap().description().subtopologies.len()
    };
    assert_eq!((subtopologies(true), subtopologies(false)), (1, 2));
}

#[test]
fn duplicates_are_dropped_and_counted_for_as_long_as_said() {
    let mut driver = driver(|builder| builder.stream::<String, i64>("in").deduplicate("seen", 10, |it| it.value.to_string()).to("out"));
    // The same id under another key is another event.
    pipe(&mut driver, "in", &[("a", 1, 0), ("b", 1, 0), ("a", 1, 5), ("a", 2, 11), ("a", 1, 12)]);
    let values: Vec<_> = read::<i64>(&mut driver, "out").into_iter().filter_map(|it| it.1).collect();
    assert_eq!((values, driver.dropped().duplicate), (vec![1, 1, 2, 1], 1));
    driver.crash_and_restore().unwrap();
    pipe(&mut driver, "in", &[("a", 2, 13), ("b", 2, 13)]);
    assert_eq!(read::<i64>(&mut driver, "out"), [("b".into(), Some(2), 13)], "what was seen is restored");
}

/// Key type, value and time of what a topology makes of a record with a null key and one with a key, and how many it dropped.
fn null_keys(build: impl Fn(&Stream<Option<String>, i64>, &StreamsBuilder) + Send + Sync + 'static) -> (Vec<(Option<String>, i64)>, u64) {
    let mut driver = driver(move |builder| build(&builder.stream::<Option<String>, i64>("in"), builder));
    driver.pipe_bytes("in", None, Some(b"1".to_vec()), 1).unwrap();
    driver.pipe_bytes("in", Some(b"a".to_vec()), Some(b"2".to_vec()), 2).unwrap();
    let out = driver.read_all::<Option<String>, i64>("out").unwrap();
    (out.into_iter().map(|record| (record.key, record.value.unwrap_or(0))).collect(), driver.dropped().null_key)
}

/// As Kafka Streams 4 does (KIP-962): they pass where each record is looked at alone, and are dropped and counted where a key is needed.
#[test]
fn null_keys_pass_until_state_needs_a_key() {
    const WINDOWS: JoinWindows = JoinWindows { before_ms: 5, after_ms: 5, grace_ms: 0 };
    type Keys = Option<String>;
    let (none, a) = (None::<String>, Some("a".to_owned()));
    let both = (vec![(none.clone(), 1), (a.clone(), 2)], 0);
    let one = (vec![(a.clone(), 2)], 1);
    assert_eq!(null_keys(|s, _| s.filter(|it| it.value > 0).map_values(|it| it.value).to("out")), both, "stateless operators");
    assert_eq!(null_keys(|s, _| s.repartition("again").to("out")), both, "repartitioned on request, to any partition");
    assert_eq!(null_keys(|s, _| s.group_by("sums", |it| it.value.to_string()).reduce(|sum, _| sum).to_stream().to("by-value")).1, 0);
    assert_eq!(null_keys(|s, _| s.group_by_key("sums").reduce(|sum, _| sum).to_stream().to("out")), one, "aggregation");
    assert_eq!(null_keys(|s, _| s.select_key(|it| it.key.clone()).group_by_key("sums").reduce(|sum, _| sum).to_stream().to("out")), one);
    assert_eq!(null_keys(|s, _| s.deduplicate("seen", 5, |_| "id".to_owned()).to("out")), one);
    let rows = |builder: &StreamsBuilder| builder.table::<Keys, i64>("rows", "rows");
    assert_eq!(null_keys(move |s, b| s.left_join_table(&rows(b), |it, _| it.value).to("out")), both, "left join with a table");
    assert_eq!(null_keys(move |s, b| s.join_table(&rows(b), |it, _| it.value).to("out")), (Vec::new(), 1), "join with a table");
    let names = |builder: &StreamsBuilder| builder.global_table::<String, i64>("names", "names");
    assert_eq!(
        null_keys(move |s, b| s.join_global(&names(b), |it| it.value.to_string(), |it, _| it.value).to("out")),
        both,
        "global table"
    );
    let other = |builder: &StreamsBuilder| builder.stream::<Keys, i64>("other");
    let left = |_: &Keys, left: &i64, _: Option<&i64>| *left;
    assert_eq!(null_keys(move |s, b| s.join(&other(b), WINDOWS, "j", |_, left, _| *left).to("out")), (Vec::new(), 1), "join of streams");
    assert_eq!(null_keys(move |s, b| s.left_join(&other(b), WINDOWS, "j", left).to("out")), (vec![(none.clone(), 1)], 0), "its left join");
    let either = |_: &Keys, left: Option<&i64>, right: Option<&i64>| *left.or(right).unwrap();
    assert_eq!(null_keys(move |s, b| other(b).outer_join(s, WINDOWS, "j", either).to("out")), (vec![(none.clone(), 1)], 0), "outer join");
}

#[test]
fn the_oldest_record_is_the_oldest_by_the_extractor() {
    fn time_in_value(value: &[u8]) -> Option<i64> {
        std::str::from_utf8(value).ok()?.parse().ok()
    }
    let topology = Topology::new("app", |builder| {
        builder.stream_by_time::<String, i64>("left", time_in_value).merge(&builder.stream("right")).to("out");
    });
    let mut task = StreamTask::new(&topology.unwrap(), 0);
    // Written in the opposite order of what happened on the left.
    let records = [("left", "30", 1), ("left", "5", 2), ("right", "0", 20), ("right", "0", 40)];
    for (offset, (topic, value, timestamp_ms)) in (0..).zip(records) {
        let (key, value) = (Some(b"k".to_vec()), Some(value.as_bytes().to_vec()));
        assert!(task.enqueue(InputRecord { topic: topic.into(), partition: 0, offset, timestamp_ms, key, value, trace_id: None }));
    }
    let order: Vec<_> = std::iter::from_fn(|| task.process_next().unwrap()).map(|origin| origin.offset).collect();
    assert_eq!(order, [2, 0, 1, 3], "right at 20, left at 30 and what comes behind it there, right at 40");
}

#[test]
fn what_comes_of_a_record_is_traced_by_the_same_id() {
    let topology = Topology::new("app", |builder| {
        let numbers = builder.stream::<String, i64>("in");
        numbers.flat_map_values(|record| vec![record.value, record.value + 1]).to("out");
        let windows = TimeWindows::tumbling(10, 0);
        let counted = numbers.group_by_key("c").windowed(windows, Emission::OnWindowClose, || 0_i64, |_, count| *count += 1);
        counted.to("counts");
    });
    let mut task = StreamTask::whole(&topology.unwrap());
    let mut traced = |value: &str, timestamp_ms: i64, trace_id: Option<&str>| -> Vec<(String, Option<String>)> {
        let (key, value) = (Some(b"k".to_vec()), Some(value.as_bytes().to_vec()));
        let trace_id = trace_id.map(|id| id.as_bytes().into());
        task.process(&InputRecord { topic: "in".into(), partition: 0, offset: 0, timestamp_ms, key, value, trace_id }).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        task.take_published().iter().map(|record| (record.topic.to_string(), record.trace_id().map(text))).collect()
    };
    let of =
        |topics: &[&str], id: Option<&str>| -> Vec<_> { topics.iter().map(|topic| (topic.to_string(), id.map(str::to_owned))).collect() };
    assert_eq!(traced("1", 0, Some("t-1")), of(&["out", "out"], Some("t-1")));
    assert_eq!(traced("1", 1, None), of(&["out", "out"], None));
    assert_eq!(traced("not a number", 2, Some("t-2")), of(&["app.dlq"], Some("t-2")));
    assert_eq!(traced("1", 10, Some("t-3")), of(&["out", "out", "counts"], Some("t-3")), "a window is closed by the record after it");
}

#[test]
fn sessions_merge_close_and_are_withdrawn() {
    const WINDOWS: SessionWindows = SessionWindows { gap_ms: 10, grace_ms: 0 };
    let build = |emission| {
        driver(move |builder| {
            let by_key = builder.stream::<String, i64>("in").group_by_key("visits");
            by_key.sessions(WINDOWS, emission, || 0_u64, |_, count| *count += 1, |count, other| *count += other).to("out");
        })
    };
    let mut updates = build(Emission::OnUpdate);
    pipe(&mut updates, "in", &[("a", 0, 0), ("a", 0, 10)]);
    let expected = [("a".to_owned(), 0, 0, Some(1)), ("a".to_owned(), 0, 0, None), ("a".to_owned(), 0, 10, Some(2))];
    assert_eq!(read_windowed(&mut updates, "out"), expected);
    let mut finals = build(Emission::OnWindowClose);
    pipe(&mut finals, "in", &[("a", 0, 0), ("a", 0, 10), ("b", 0, 20), ("b", 0, 21)]);
    assert_eq!(read_windowed(&mut finals, "out"), [("a".to_owned(), 0, 10, Some(2))]);
}

/// Random records of few keys whose time goes on, with some a little or a lot late.
fn records() -> impl Strategy<Value = Vec<(u8, i64)>> {
    let step = (0_u8..3, 0_i64..8, prop_oneof![4 => 0_i64..4, 1 => 0_i64..40]);
    prop::collection::vec(step, 0..80).prop_map(|steps| {
        let mut clock = 100;
        steps
            .into_iter()
            .map(|(key, step, back)| {
                clock += step;
                (key, clock - back)
            })
            .collect()
    })
}

#[test]
fn a_store_may_hold_something_before_the_first_record() {
    let mut driver =
        driver(|builder| builder.stream::<String, i64>("in").group_by_key("sums").reduce(|sum, it| sum + it).to_stream().to("out"));
    driver.populate("sums", &"a".to_owned(), &40_i64, 7).unwrap();
    pipe(&mut driver, "in", &[("a", 2, 5), ("b", 1, 6)]);
    assert_eq!(read::<i64>(&mut driver, "out"), [("a".into(), Some(42), 7), ("b".into(), Some(1), 6)]);
    driver.crash_and_restore().unwrap();
    pipe(&mut driver, "in", &[("a", 1, 8)]);
    assert_eq!(read::<i64>(&mut driver, "out"), [("a".into(), Some(43), 8)]);
    assert!(driver.populate("prices", &"a".to_owned(), &1_i64, 0).is_err());
}

/// Sums by another key, so that a record is read, written and read again, and windows that close.
fn sums_and_windows(builder: &StreamsBuilder) {
    const WINDOWS: TimeWindows = TimeWindows::tumbling(12, 3);
    let numbers = builder.stream::<String, i64>("in");
    let sums = numbers.group_by("sums", |it| it.key.clone());
    sums.aggregate(|| (0, 0), |it, sum: &mut (i64, i64)| *sum = (sum.0 + 1, sum.1 + it.value)).to_stream().to("sums");
    numbers.group_by_key("windows").windowed(WINDOWS, Emission::OnWindowClose, || 0_u64, |_, count| *count += 1).to("windows");
}

#[test]
fn at_least_once_a_fault_repeats_what_was_written_and_loses_nothing() {
    let run = |faults: &[FaultPlan], is_at_least_once: bool| {
        let driver = faults.iter().fold(driver(sums_and_windows), |driver, fault| driver.with_fault(*fault));
        let mut driver = if is_at_least_once { driver.at_least_once() } else { driver };
        pipe(&mut driver, "in", &[("a", 1, 1), ("a", 2, 2)]);
        read::<(i64, i64)>(&mut driver, "sums").into_iter().filter_map(|it| it.1).collect::<Vec<_>>()
    };
    let fault = |step, nth, is_crash| FaultPlan { step, nth, is_crash };
    // The first commit of a record has its way into the repartition topic and a window's change, the second the sum and its change.
    assert_eq!(run(&[fault(CommitStep::Publish, 2, true)], true), [(1, 1), (2, 3)], "nothing was written before");
    assert_eq!(run(&[fault(CommitStep::Changelog, 2, true)], true), [(1, 1), (1, 1), (2, 3)], "a result without its change");
    assert_eq!(run(&[fault(CommitStep::Commit, 2, true)], true), [(1, 1), (2, 2), (3, 4)], "a change without its offset");
    for step in [CommitStep::Publish, CommitStep::Changelog, CommitStep::Commit] {
        for nth in 1..=4 {
            for is_crash in [false, true] {
                assert_eq!(run(&[fault(step, nth, is_crash)], false), [(1, 1), (2, 3)], "exactly once: {step:?} {nth} {is_crash}");
            }
        }
    }
}

proptest! {
    #[test]
    fn exactly_once_faults_change_nothing(
        records in records(),
        faults in prop::collection::vec((0_usize..3, 1_u64..200, any::<bool>()), 0..6),
    ) {
        const STEPS: [CommitStep; 3] = [CommitStep::Publish, CommitStep::Changelog, CommitStep::Commit];
        let run = |faults: &[(usize, u64, bool)]| {
            let plans = faults.iter().map(|(step, nth, is_crash)| FaultPlan { step: STEPS[*step], nth: *nth, is_crash: *is_crash });
            let mut driver = plans.fold(driver(sums_and_windows), TopologyTestDriver::with_fault);
            for (key, timestamp) in &records {
                pipe(&mut driver, "in", &[(&key.to_string(), 1, *timestamp)]);
            }
            (read::<(i64, i64)>(&mut driver, "sums"), read_windowed(&mut driver, "windows"))
        };
        prop_assert_eq!(run(&faults), run(&[]));
    }

    #[test]
    fn hopping_counts_equal_a_naive_recomputation(records in records(), crash_at in 0_usize..80, emission in prop_oneof![Just(Emission::OnUpdate), Just(Emission::OnWindowClose)]) {
        const WINDOWS: TimeWindows = TimeWindows::hopping(12, 5, 3);
        let mut driver = driver(move |builder| {
            builder.stream::<String, i64>("in").group_by_key("counts").windowed(WINDOWS, emission, || 0_u64, |_, count| *count += 1).to("out");
        });
        let (mut expected, mut time, mut late) = (BTreeMap::<(i64, String), u64>::new(), i64::MIN, 0);
        for (at, (key, timestamp)) in records.iter().enumerate() {
            if at == crash_at {
                driver.crash_and_restore().unwrap();
                late = 0; // counters are of this life
            }
            pipe(&mut driver, "in", &[(&key.to_string(), 0, *timestamp)]);
            time = time.max(*timestamp);
            let starts = (timestamp - 11..=*timestamp).filter(|start| start.rem_euclid(5) == 0);
            let (open, closed): (Vec<_>, Vec<_>) = starts.partition(|start| start + 12 + 3 > time);
            late += closed.len() as u64;
            for start in open {
                *expected.entry((start, key.to_string())).or_default() += 1;
            }
        }
        if emission == Emission::OnWindowClose {
            expected.retain(|(start, _), _| start + 12 + 3 <= time);
        }
        // On update the newest result of a window counts.
        let results: BTreeMap<_, _> = read_windowed(&mut driver, "out").into_iter().map(|(key, start, _, count)| ((start, key), count.unwrap_or(0))).collect();
        prop_assert_eq!(results, expected);
        prop_assert_eq!(driver.dropped().late, late);
    }

    #[test]
    fn counts_within_grace_are_the_same_in_whatever_order_partitions_are_read(
        records in records(), partitions in 1_usize..4, seed in any::<u64>(), crash in any::<bool>(),
    ) {
        // Longer than all the records take, so that nothing is late in any order.
        const WINDOWS: TimeWindows = TimeWindows::hopping(12, 5, 10_000);
        let mut driver = driver(move |builder| {
            let counts = builder.stream::<String, i64>("in").group_by_key("counts");
            counts.windowed(WINDOWS, Emission::OnUpdate, || 0_u64, |_, count| *count += 1).to("out");
        });
        let mut read = vec![VecDeque::new(); partitions];
        let mut expected = BTreeMap::<(i64, String), u64>::new();
        for (key, timestamp) in &records {
            read[usize::from(*key) % partitions].push_back(("in", key.to_string(), 0_i64, *timestamp));
            for start in (timestamp - 11..=*timestamp).filter(|start| start.rem_euclid(5) == 0) {
                *expected.entry((start, key.to_string())).or_default() += 1;
            }
        }
        if crash {
            let later = read.iter_mut().map(|partition| partition.split_off(partition.len() / 2)).collect();
            let earlier = std::mem::replace(&mut read, later);
            driver.interleave(seed, earlier).unwrap();
            driver.crash_and_restore().unwrap();
        }
        driver.interleave(seed, read).unwrap();
        let results: BTreeMap<_, _> = read_windowed(&mut driver, "out").into_iter().map(|(key, start, _, count)| ((start, key), count.unwrap_or(0))).collect();
        prop_assert_eq!(results, expected);
        prop_assert_eq!(driver.dropped().late, 0);
    }

    #[test]
    fn stream_joins_equal_a_naive_recomputation(left in records(), right in records(), order in prop::collection::vec(any::<bool>(), 160), crash_at in 0_usize..160) {
        const WINDOWS: JoinWindows = JoinWindows { before_ms: 4, after_ms: 9, grace_ms: 6 };
        let mut driver = driver(|builder| {
            let (left, right) = (builder.stream::<String, i64>("left"), builder.stream::<String, i64>("right"));
            left.outer_join(&right, WINDOWS, "pairs", |_, left, right| (left.copied(), right.copied())).to("out");
        });
        let (mut left, mut right, mut all) = (left.into_iter(), right.into_iter(), Vec::new());
        for is_left in order {
            let next = if is_left { left.next() } else { right.next() };
            all.extend(next.map(|(key, timestamp)| (is_left, key, timestamp)));
        }
        // Newest times of the right and the left stream; all records; those that wait to be told alone.
        let (mut newest, mut seen, mut waiting) = ([i64::MIN; 2], Vec::<(bool, u8, i64, i64)>::new(), Vec::<(bool, i64, i64)>::new());
        let (mut expected, mut late) = (BTreeSet::new(), 0);
        let lone = |is_left: bool, id: i64| if is_left { (Some(id), None) } else { (None, Some(id)) };
        let reach = |is_left: bool| if is_left { WINDOWS.after_ms } else { WINDOWS.before_ms };
        let is_gone = |newest: [i64; 2], is_left: bool, timestamp: i64| timestamp + 4 + 9 + 6 <= newest[usize::from(is_left)];
        for (id, (is_left, key, timestamp)) in all.iter().enumerate() {
            if id == crash_at {
                driver.crash_and_restore().unwrap();
                late = 0;
            }
            let (id, topic) = (id as i64, if *is_left { "left" } else { "right" });
            pipe(&mut driver, topic, &[(&key.to_string(), id, *timestamp)]);
            newest[usize::from(*is_left)] = newest[usize::from(*is_left)].max(*timestamp);
            let time = newest[0].max(newest[1]);
            let partners: Vec<_> = seen.iter().filter(|(other_is_left, other_key, other_time, _)| {
                let (l, r) = if *is_left { (timestamp, other_time) } else { (other_time, timestamp) };
                let is_in_reach = (l - WINDOWS.before_ms..=l + WINDOWS.after_ms).contains(r);
                other_is_left != is_left && other_key == key && is_in_reach && !is_gone(newest, *other_is_left, *other_time)
            }).map(|(.., other)| *other).collect();
            expected.extend(partners.iter().map(|other| if *is_left { (Some(id), Some(*other)) } else { (Some(*other), Some(id)) }));
            waiting.retain(|(.., id)| !partners.contains(id));
            let is_late = is_gone(newest, *is_left, *timestamp);
            late += u64::from(is_late);
            if !is_late {
                seen.push((*is_left, *key, *timestamp, id));
            }
            if partners.is_empty() && (is_late || timestamp + reach(*is_left) < time) {
                expected.insert(lone(*is_left, id));
            } else if partners.is_empty() {
                waiting.push((*is_left, *timestamp, id));
            }
            let (closed, open) = waiting.into_iter().partition(|(is_left, timestamp, _)| timestamp + reach(*is_left) + WINDOWS.grace_ms < time);
            waiting = open;
            expected.extend(closed.into_iter().map(|(is_left, _, id): (bool, i64, i64)| lone(is_left, id)));
        }
        let results = read::<(Option<i64>, Option<i64>)>(&mut driver, "out");
        let distinct: BTreeSet<_> = results.iter().filter_map(|it| it.1).collect();
        prop_assert_eq!(distinct.len(), results.len(), "no pair comes twice");
        prop_assert_eq!(distinct, expected);
        prop_assert_eq!(driver.dropped().late, late);
    }
}
