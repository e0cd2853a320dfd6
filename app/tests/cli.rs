//! The command line as users have it: the real binary, a real broker, exit codes, stdout and stderr.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

#[path = "cli/killed.rs"]
mod killed;
#[path = "cli/support.rs"]
mod support;

use std::{
    collections::BTreeSet,
    io::Write as _,
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use serde_json::Value;
use support::{Broker, Running, weir};

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_command_helps() {
    let help = weir(&["--help"]);
    assert_eq!(help.code, Some(0));
    let commands: Vec<&str> = help
        .stdout
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 7, "{commands:?}");
    for command in commands {
        for flag in ["-h", "--help"] {
            let help = weir(&[command, flag]);
            assert_eq!(help.code, Some(0), "{help:?}");
            assert!(help.stdout.contains("Examples:"), "{help:?}");
            assert_eq!(help.stderr, "");
        }
    }
}

#[test]
fn arguments_that_make_no_sense_are_usage_errors() {
    let check = |line: &str, word: &str| weir(&line.split_whitespace().collect::<Vec<_>>()).check_failure(2, &[word, "--help"]);
    check("nonsense", "nonsense");
    check("topics --nonsense", "nonsense");
    check("consume", "TOPIC");
    check("consume t -n 0", "0");
    check("consume t --from middle", "beginning");
    check("topics --bootstrap localhost:99999", "65535");
    check("topics -X nonsense", "NAME=VALUE");
    check("topics --data-dir d", "--data-dir");
    check("--data-dir d topics", "broker");
    check("broker --bootstrap a:1", "bootstrap");
    check("-b a:1 broker", "bootstrap");
    check("broker --listen 9092", "127.0.0.1:9092");
    check("run nonsense", "clickstream");
    check("run clickstream --rate 4000000000", "50,000");
    check("run clickstream --for soon", "30s");
    check("run clickstream -X a=b", "--bootstrap");
    check("run media --fault 20s:cdn_up", "cdn_down");
    check("shot nonsense -o x.png", "overview");
    check("shot overview", "FILE.png");
    check("shot overview -o x.png --size big", "1280x800");
    check("--bootstrap a:1 --data-dir d", "one of them");
}

#[test]
fn what_a_pipeline_cannot_do_ends_the_run_with_what_it_can() {
    for (arguments, known) in [
        (["--sabotage", "nonsense"], "bill_twice"),
        (["--scenario", "nonsense"], "chat_raid"),
        (["--set", "nonsense=1"], "rate_per_s"),
        (["--set", "viewers=0"], "viewers"),
    ] {
        weir(&[&["run", "media", "--for", "1s"][..], &arguments].concat()).check_failure(1, &["error:", "why:", "what to do:", known]);
    }
}

#[test]
fn nobody_at_the_address_is_told_with_what_to_do() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().to_string();
    for command in [&["topics"][..], &["groups"], &["lag"], &["consume", "t"], &["run", "clickstream", "--for", "1s"]] {
        let mut arguments = command.to_vec();
        arguments.extend(["--bootstrap", &free]);
        weir(&arguments).check_failure(1, &["error:", "why:", "what to do:", &free]);
    }
}

#[test]
fn a_broker_says_when_it_is_ready_and_ends_cleanly() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(folder.path());
        TcpStream::connect(&broker.bootstrap).unwrap();
        assert_eq!(broker.running.signal(signal), Some(0), "SIG{signal}");
    }
}

#[test]
fn a_broker_that_can_not_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    weir(&["broker", "--listen", &address, "--data-dir", data_dir]).check_failure(1, &["error:", "in use", "what to do:"]);

    let _first = Broker::start(folder.path());
    weir(&["broker", "--listen", "127.0.0.1:0", "--data-dir", data_dir]).check_failure(1, &["error:", data_dir, "what to do:"]);

    let file = folder.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    weir(&["broker", "--listen", "127.0.0.1:0", "--data-dir", file.to_str().unwrap()])
        .check_failure(1, &["error:", "a-file", "what to do:"]);

    weir(&["broker", "--listen", "0.0.0.0:0", "--data-dir", data_dir])
        .check_failure(1, &["error:", "refusing to listen on 0.0.0.0:0", "SASL_SSL", "what to do:"]);
}

#[test]
fn garbage_on_the_port_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path());
    let hostile: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &[0xff; 64],
        &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[0, 0, 0, 8, 0, 3, 0, 9, 0, 0, 0, 1],
        &[0, 0, 0, 12, 0, 18, 0x7f, 0xff, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff],
    ];
    for bytes in hostile {
        let mut stream = TcpStream::connect(&broker.bootstrap).unwrap();
        // The broker may hang up while we still write.
        let _ = stream.write_all(bytes);
    }
    assert_eq!(broker.weir(&["topics", "--json"]).code, Some(0));
    assert_eq!(broker.running.signal("TERM"), Some(0));
}

/// Markers that may be the last of a pipeline's repartition topics: one a partition.
const MARKERS_MAX: u64 = 12;

#[test]
fn json_has_the_documented_fields() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path());
    broker.fill("7");

    let topics = broker.weir(&["topics", "--json"]).json();
    let activity = topics.iter().find(|topic| topic["topic"] == "user_activity").expect("the pipeline's topic");
    let fields = ["topic", "partitions", "replication_factor", "under_replicated_partitions", "records", "bytes", "is_internal"];
    assert_eq!(names(activity), fields.into());
    assert!(activity["records"].as_u64().unwrap() >= 1_000 && activity["bytes"].as_u64().unwrap() > 0, "{activity}");

    let groups = broker.weir(&["groups", "--json"]).json();
    let group = groups.iter().find(|group| group["group"] == "clickstream-processor").expect("the pipeline's group");
    let fields = ["group", "state", "kind", "assignor", "coordinator", "members", "topics", "lag_records", "verdict"];
    assert_eq!(names(group), fields.into());
    assert_eq!(group["state"], Value::from("Empty"), "it has left");
    // It read everything. What its repartition topics end in are the markers of transactions, which are no records: librdkafka does not
    // commit past them.
    assert!(group["lag_records"].as_u64().unwrap() <= MARKERS_MAX, "{group}");

    let lag = broker.weir(&["lag", "clickstream-processor", "--json"]).json();
    let fields = [
        "group",
        "topic",
        "partition",
        "committed_offset",
        "log_start_offset",
        "end_offset",
        "lag_records",
        "member_id",
        "client_id",
        "host",
        "verdict",
        "evidence",
    ];
    assert!(!lag.is_empty());
    for row in &lag {
        assert_eq!(names(row), fields.into());
        assert_eq!(row["member_id"], Value::Null);
        if !row["topic"].as_str().unwrap().ends_with("-repartition") {
            assert_eq!(row["verdict"], Value::from("caught_up"), "{row}");
        }
    }
    broker.weir(&["lag", "nonsense"]).check_failure(1, &["nonsense", "why:", "weir groups"]);

    for command in ["topics", "groups", "lag"] {
        let table = broker.weir(&[command]);
        assert_eq!(table.code, Some(0), "{table:?}");
        assert!(table.stdout.lines().next().unwrap().starts_with(if command == "topics" { "TOPIC" } else { "GROUP" }), "{table:?}");
    }
}

#[test]
fn records_are_read_from_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path());
    broker.fill("7");

    let all = broker.weir(&["consume", "user_activity", "--json"]).json();
    let fields = ["topic", "partition", "offset", "tstype", "ts", "headers", "key", "payload"];
    assert_eq!(names(&all[0]), fields.into());
    assert!(all.len() >= 1_000, "{}", all.len());
    let count = |arguments: &str| {
        let mut line = vec!["consume", "user_activity", "--json"];
        line.extend(arguments.split_whitespace());
        broker.weir(&line).json().len()
    };
    assert_eq!(count("-n 5"), 5);
    assert_eq!(count("--from newest -n 3"), 3);
    let partitions = all.iter().map(|record| record["partition"].as_i64()).collect::<BTreeSet<_>>().len();
    assert_eq!(count("--from -1"), partitions, "the last one of each partition");
    assert_eq!(count("--from end"), 0);
    assert_eq!(count("--from @0"), all.len());
    let key = all[0]["key"].as_str().unwrap();
    let matching = count(&format!("--contains {key}"));
    assert!((1..all.len()).contains(&matching), "{matching} of {} hold {key}", all.len());

    broker.weir(&["consume", "nonsense"]).check_failure(1, &["nonsense", "why:", "weir topics"]);
    let topics = broker.weir(&["topics", "--json"]).json();
    assert!(topics.iter().all(|topic| topic["topic"] != "nonsense"), "asking for a topic does not make it");

    let reader = Running::start(&["consume", "user_activity", "-f", "--from", "beginning", "--bootstrap", &broker.bootstrap]);
    broker.fill("8");
    assert_eq!(reader.close_pipe(), Some(0), "`| head` is no error");
    let follower = Running::start(&["consume", "user_activity", "-f", "--from", "beginning", "--bootstrap", &broker.bootstrap]);
    assert_eq!(follower.signal("INT"), Some(0));
}

#[test]
fn a_killed_broker_has_its_records_when_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path());
    broker.fill("7");
    let read = |broker: &Broker| broker.weir(&["consume", "user_activity", "--json"]).json().len();
    let before = read(&broker);
    broker.running.signal("KILL");
    let broker = Broker::start(folder.path());
    assert_eq!(read(&broker), before);
}

#[test]
fn a_run_can_be_repeated_and_judges_itself() {
    let run = || {
        let ended = weir(&["run", "clickstream", "--for", "2s", "--rate", "500", "--seed", "7", "--json"]);
        ended.json().pop().expect("a last line")
    };
    let (first, second) = (run(), run());
    assert_eq!(names(&first), ["pipeline", "version", "seed", "scenario", "counts", "latency_ms", "checks", "scores"].into());
    assert_eq!((&first["pipeline"], &first["seed"]), (&Value::from("clickstream"), &Value::from(7)));
    assert!(first["latency_ms"]["p99"].as_f64().unwrap() > 0.0);
    let checks = first["checks"].as_array().unwrap();
    for check in checks {
        // So short a run is too short for some statements, as on the A/B test, and says so.
        assert_ne!(check["verdict"], "fail", "{check}");
    }
    let passed = |id: &str| checks.iter().any(|check| check["id"] == id && check["verdict"] == "pass");
    assert!(["no_loss", "sessions_equal_batch", "late_drops_equal_oracle"].into_iter().all(passed), "{checks:?}");
    let counts = |report: &Value| {
        let mut counts = report["counts"].as_object().unwrap().clone();
        // How late the generator was, and how the work was cut into commits and shared out, is the machine's doing. So is how often a
        // partition tells what it has counted, which those that add up its figures process too.
        for of_the_machine in ["behind_ms", "commits", "published", "processed", "rebalances", "aborts", "threads_replaced"] {
            counts.remove(of_the_machine);
        }
        counts
    };
    // Rows of tables that events are enriched by come on top.
    assert!(counts(&first)["generated"].as_u64() >= Some(1_000), "{:?}", counts(&first));
    assert_eq!(counts(&first), counts(&second), "equal seeds, equal counts");

    let readable = weir(&["run", "clickstream", "--for", "500ms", "--rate", "100"]);
    assert_eq!(readable.code, Some(0), "{readable:?}");
    assert!(readable.stdout.contains("pass"), "{readable:?}");
}
