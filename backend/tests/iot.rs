//! The IoT pipeline over the embedded broker: devices that speak MQTT, and a topic in place of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests fail loudly")]

mod runs;

use futures::executor::block_on;
use runs::{DEADLINE, Run, cluster};
use weir_backend::client::{Admin, OutgoingRecord, Producer};
use weir_model::{CheckVerdict, PipelineParams, RunReport};

fn verdict(report: &RunReport, id: &str) -> CheckVerdict {
    report.checks.iter().find(|check| &*check.id == id).map(|check| check.verdict).expect("the check")
}

#[test]
fn nothing_is_lost_of_devices_whose_mqtt_broker_dies() {
    let cluster = cluster();
    let settings = [("devices".into(), 24.0)].into();
    let mut run = Run::start(
        &cluster,
        "iot",
        PipelineParams { rate_per_s: 100, seed: 7, speed: 1, events_max: Some(2_000), settings, ..PipelineParams::default() },
    );
    run.wait_for_count("generated", 500);
    run.running.inject(&"mqtt_down:for=4s".into());
    let report = run.report();
    assert!(report.checks.iter().all(|check| check.verdict != CheckVerdict::Fail), "{:?}", report.checks);
    for id in ["gaps_closed", "device_order", "rollups_equal_batch"] {
        assert_eq!(verdict(&report, id), CheckVerdict::Pass, "{id}");
    }
    assert_eq!((report.counts["mqtt_devices"], report.counts["devices"]), (24, 24));
}

#[test]
fn a_topic_is_read_in_place_of_a_file() {
    let cluster = cluster();
    block_on(Admin::new(&cluster.connection, DEADLINE).unwrap().create_topic("rooms", 2, 1, &[])).unwrap();
    let producer = Producer::new(&cluster.connection).unwrap();
    for row in 0..600_i64 {
        let room = ["attic", "cellar"][row as usize % 2];
        let value = format!("{{\"at\":{row},\"room\":\"{room}\",\"celsius\":{}.5,\"note\":\"x\"}}", 20 + row / 2 % 4);
        let key = Some(room.as_bytes());
        let record = OutgoingRecord { topic: "rooms", key, value: Some(value.as_bytes()), ..OutgoingRecord::default() };
        producer.send(record).unwrap().unwrap();
    }
    producer.flush(DEADLINE).unwrap();
    let input = Some("topic:rooms?timestamp=at&value=celsius&series=room".into());
    let report =
        Run::start(&cluster, "iot", PipelineParams { rate_per_s: 20_000, seed: 1, speed: 1, input, ..PipelineParams::default() }).report();
    assert_eq!(verdict(&report, "samples_scored_once"), CheckVerdict::Pass, "{:?}", report.checks);
    let count = |name: &str| report.counts.get(name).copied();
    assert_eq!((count("series"), count("scored"), count("dead_letters")), (Some(2), Some(600), Some(0)), "{:?}", report.counts);
}
