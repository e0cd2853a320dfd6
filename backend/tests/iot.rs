//! The IoT pipeline over the embedded broker: devices that speak MQTT, and a topic in place of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests fail loudly")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use futures::executor::block_on;
use weir_backend::{
    client::{Admin, Connection, OutgoingRecord, Producer},
    pipelines::{self, RunningPipeline},
    updates::{self, UpdatesReader},
};
use weir_broker::{Broker, BrokerConfig};
use weir_model::{CheckVerdict, Phase, PipelineParams, RunReport, Store};

/// No run of these tests takes longer.
const DEADLINE: Duration = Duration::from_secs(150);

struct Cluster {
    connection: Connection,
    _broker: Broker,
    _data_dir: tempfile::TempDir,
}

fn cluster() -> Cluster {
    let data_dir = tempfile::tempdir().unwrap();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let broker = Broker::start(BrokerConfig { listen, ..BrokerConfig::new(data_dir.path()) }).unwrap();
    Cluster { connection: Connection::new(broker.address().to_string(), []), _broker: broker, _data_dir: data_dir }
}

struct Run {
    running: RunningPipeline,
    updates: UpdatesReader,
    store: Store,
    started: Instant,
}

impl Run {
    fn start(cluster: &Cluster, params: PipelineParams) -> Self {
        let (updates, reader) = updates::channel(|| {});
        let running = pipelines::start(&"iot".into(), params, cluster.connection.clone(), updates).unwrap();
        Self { running, updates: reader, store: Store::default(), started: Instant::now() }
    }

    fn wait(&mut self, what: &str, done: impl Fn(&Store) -> bool) {
        while !done(&self.store) {
            let status = self.store.runs.get(&"iot".into()).and_then(|view| view.status.clone());
            if let Some(Phase::Failed(problem)) = status.as_ref().map(|status| &status.phase) {
                panic!("{problem}");
            }
            assert!(self.started.elapsed() < DEADLINE, "no {what} in time; last status: {status:?}");
            if let Some(update) = self.updates.recv(Duration::from_millis(100)) {
                self.store.apply(update);
            }
        }
    }

    fn report(mut self) -> RunReport {
        self.wait("report", |store| store.runs.get(&"iot".into()).is_some_and(|view| view.report.is_some()));
        let report = (*self.store.runs[&"iot".into()].report.clone().unwrap()).clone();
        println!("{}", serde_json::to_string_pretty(&report).unwrap());
        report
    }
}

fn verdict(report: &RunReport, id: &str) -> CheckVerdict {
    report.checks.iter().find(|check| &*check.id == id).map(|check| check.verdict).expect("the check")
}

#[test]
fn nothing_is_lost_of_devices_whose_mqtt_broker_dies() {
    let cluster = cluster();
    let settings = [("devices".into(), 24.0)].into();
    let mut run = Run::start(
        &cluster,
        PipelineParams { rate_per_s: 100, seed: 7, speed: 1, events_max: Some(2_000), settings, ..PipelineParams::default() },
    );
    run.wait("events", |store| {
        let status = store.runs.get(&"iot".into()).and_then(|view| view.status.as_ref());
        status.and_then(|status| status.counts.get("generated").copied()).unwrap_or(0) >= 500
    });
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
        Run::start(&cluster, PipelineParams { rate_per_s: 20_000, seed: 1, speed: 1, input, ..PipelineParams::default() }).report();
    assert_eq!(verdict(&report, "samples_scored_once"), CheckVerdict::Pass, "{:?}", report.checks);
    let count = |name: &str| report.counts.get(name).copied();
    assert_eq!((count("series"), count("scored"), count("dead_letters")), (Some(2), Some(600), Some(0)), "{:?}", report.counts);
}
