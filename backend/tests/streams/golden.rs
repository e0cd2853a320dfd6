//! Our operators against Kafka Streams' own, record by record: `tests/compat/streams/run` feeds its `TopologyTestDriver` with random records
//! and writes down what it makes of each; ours must make the same.

use std::fmt::Display;

use weir_backend::stream::{
    Emission, JoinWindows, Key, SessionWindows, Stream, StreamsBuilder, Table, TimeWindows, Topology, TopologyTestDriver, Value, Windowed,
};

const SIZE_MS: i64 = 10;
const ADVANCE_MS: i64 = 4;
const GRACE_MS: i64 = 4;
const GAP_MS: i64 = 5;
/// A right record up to 3 ms older and 6 ms newer than the left one.
const JOIN: JoinWindows = JoinWindows { before_ms: 3, after_ms: 6, grace_ms: GRACE_MS };
/// How long tables with history keep it: a day, as Kafka Streams' versioned stores do there.
const HISTORY_MS: i64 = 86_400_000;

/// Results are read back as `(key, start, end, value, time)`; a dash stands for what is not there.
type Read = fn(&mut TopologyTestDriver) -> Vec<String>;

/// The same topology as in `Golden.java`, and how its results are read.
fn topology(operator: &str) -> (Topology, Read) {
    let build: (fn(&StreamsBuilder), Read) = match operator {
        "reduce" => (|b| table_out(&left(b).group_by_key("sums").reduce(|sum, value| sum + value)), plain::<i64>),
        "tumbling" => (|b| windowed(b, TimeWindows::tumbling(SIZE_MS, GRACE_MS), Emission::OnUpdate), bounded),
        "hopping" => (|b| windowed(b, TimeWindows::hopping(SIZE_MS, ADVANCE_MS, GRACE_MS), Emission::OnUpdate), bounded),
        "tumbling_closed" => (|b| windowed(b, TimeWindows::tumbling(SIZE_MS, GRACE_MS), Emission::OnWindowClose), bounded),
        "hopping_closed" => (|b| windowed(b, TimeWindows::hopping(SIZE_MS, ADVANCE_MS, GRACE_MS), Emission::OnWindowClose), bounded),
        "sessions" => (|b| sessions(b, Emission::OnUpdate), bounded),
        "sessions_closed" => (|b| sessions(b, Emission::OnWindowClose), bounded),
        "join" => (|b| left(b).join(&right(b), JOIN, "j", |_, l, r| pair(Some(l), Some(r))).to("out"), plain::<String>),
        "left_join" => (|b| left(b).left_join(&right(b), JOIN, "j", |_, l, r| pair(Some(l), r)).to("out"), plain::<String>),
        "outer_join" => (|b| left(b).outer_join(&right(b), JOIN, "j", |_, l, r| pair(l, r)).to("out"), plain::<String>),
        "join_table" => (|b| with_table(b, &table(b, "r")), plain::<String>),
        "left_join_table" => (|b| with_table_or_without(b, &table(b, "r")), plain::<String>),
        "join_versioned" => (|b| with_table(b, &versioned(b)), plain::<String>),
        "left_join_versioned" => (|b| with_table_or_without(b, &versioned(b)), plain::<String>),
        "table_join" => (|b| table_out(&table(b, "l").join(&table(b, "r"), "j", |_, l, r| pair(Some(l), Some(r)))), plain::<String>),
        "table_left_join" => (|b| table_out(&table(b, "l").left_join(&table(b, "r"), "j", |_, l, r| pair(Some(l), r))), plain::<String>),
        _ => panic!("Golden.java has an operator that this test does not know: {operator}"),
    };
    (Topology::new("golden", build.0).expect("the topology is right"), build.1)
}

#[test]
fn golden_results_of_kafka_streams_are_ours_too() {
    let file = std::env::var("WEIR_GOLDEN").ok();
    let text = file.map_or_else(
        || include_str!("../../../assets/golden/kafka-streams.tsv").to_owned(),
        |file| std::fs::read_to_string(file).expect("WEIR_GOLDEN names a file"),
    );
    let cases: Vec<_> = text.split("case\t").filter(|case| !case.is_empty()).collect();
    assert!(cases.len() >= 16, "each operator has a case");
    for case in cases {
        let (head, steps) = case.split_once('\n').expect("records follow the head of a case");
        let (operator, seed) = head.split_once('\t').expect("an operator and a seed");
        let (topology, read) = topology(operator);
        let mut driver = TopologyTestDriver::new(&topology);
        for (number, step) in steps.split("in\t").filter(|step| !step.is_empty()).enumerate() {
            let mut lines = step.lines();
            let input = lines.next().expect("an input");
            let expected: Vec<_> = lines.map(|line| line.trim_start_matches("out\t").to_owned()).collect();
            pipe(&mut driver, input);
            assert_eq!(
                comparable(read(&mut driver)),
                comparable(expected),
                "{operator}, seed {seed}, record {number}: {input} (ours, then Kafka Streams')"
            );
        }
    }
}

/// What of a step's results is told by both.
///
/// In which order one record closes windows and finds partners is not part of the semantics, and we tell a session that is withdrawn to come
/// again under the same bounds as one change, as Kafka Streams does where it has a record cache.
fn comparable(mut results: Vec<String>) -> Vec<String> {
    let bounds = |result: &String| result.split('\t').take(3).map(str::to_owned).collect::<Vec<_>>();
    let is_deletion = |result: &String| result.split('\t').nth(3) == Some("-");
    let told: Vec<_> = results.iter().filter(|result| !is_deletion(result)).map(bounds).collect();
    results.retain(|result| !(is_deletion(result) && result.split('\t').nth(1) != Some("-") && told.contains(&bounds(result))));
    results.sort();
    results
}

fn pipe(driver: &mut TopologyTestDriver, input: &str) {
    let [topic, key, value, time] = input.split('\t').collect::<Vec<_>>()[..] else { panic!("four fields: {input}") };
    let value = (value != "-").then(|| value.as_bytes().to_vec());
    let key = Key::to_bytes(&key.to_owned());
    driver.pipe_bytes(topic, Some(key), value, time.parse().expect("a time")).expect("it can be processed");
}

fn plain<V: Value + Display>(driver: &mut TopologyTestDriver) -> Vec<String> {
    let results = driver.read_all::<String, V>("out").expect("results are readable");
    results.iter().map(|result| format!("{}\t-\t-\t{}\t{}", result.key, text(result.value.as_ref()), result.timestamp_ms)).collect()
}

fn bounded(driver: &mut TopologyTestDriver) -> Vec<String> {
    let results = driver.read_all::<Windowed<String>, i64>("out").expect("results are readable");
    let line = |key: &Windowed<String>, value: Option<&i64>, time: i64| {
        format!("{}\t{}\t{}\t{}\t{time}", key.key, key.start_ms, key.end_ms, text(value))
    };
    results.iter().map(|result| line(&result.key, result.value.as_ref(), result.timestamp_ms)).collect()
}

fn text(value: Option<&impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn pair(left: Option<&i64>, right: Option<&i64>) -> String {
    format!("{}+{}", text(left), text(right))
}

fn left(builder: &StreamsBuilder) -> Stream<String, i64> {
    builder.stream("l")
}

fn right(builder: &StreamsBuilder) -> Stream<String, i64> {
    builder.stream("r")
}

fn table(builder: &StreamsBuilder, topic: &str) -> Table<String, i64> {
    builder.table(topic, topic)
}

fn versioned(builder: &StreamsBuilder) -> Table<String, i64> {
    builder.table_with_history("r", "r", HISTORY_MS)
}

fn table_out<V: Value>(table: &Table<String, V>) {
    table.to_stream().to("out");
}

fn with_table(builder: &StreamsBuilder, table: &Table<String, i64>) {
    left(builder).join_table(table, |record, row| pair(Some(&record.value), Some(row))).to("out");
}

fn with_table_or_without(builder: &StreamsBuilder, table: &Table<String, i64>) {
    left(builder).left_join_table(table, |record, row| pair(Some(&record.value), row)).to("out");
}

fn windowed(builder: &StreamsBuilder, windows: TimeWindows, emission: Emission) {
    left(builder).group_by_key("sums").windowed(windows, emission, || 0, |record, sum| *sum += record.value).to("out");
}

fn sessions(builder: &StreamsBuilder, emission: Emission) {
    let windows = SessionWindows { gap_ms: GAP_MS, grace_ms: GRACE_MS };
    let sums = left(builder).group_by_key("sums");
    sums.sessions(windows, emission, || 0, |record, sum| *sum += record.value, |sum, other| *sum += other).to("out");
}
