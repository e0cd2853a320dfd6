//! The world alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{event::Reading, *};

const START_MS: i64 = 1_790_000_000_000;

fn fleet(seed: u64) -> Generator {
    Generator::new(GeneratorParams { seed, rate_per_s: 100, start_at_ms: START_MS, devices: 48, defects_per_min: 6.0 })
}

fn run(fleet: &mut Generator, seconds: i64) -> Vec<Record> {
    let until_ms = fleet.now_ms() + seconds * 1_000;
    let mut records = Vec::new();
    while fleet.now_ms() < until_ms {
        records.extend(fleet.generate());
    }
    records
}

fn readings(records: &[Record]) -> Vec<Reading> {
    let of = |record: &Record| serde_json::from_slice(&record.value).expect("a reading");
    records.iter().filter(|record| record.topic == Topic::SensorData).map(of).collect()
}

#[test]
fn what_was_kept_comes_later_in_order_and_nothing_is_lost() {
    for seed in [1, 2, 3] {
        let mut fleet = fleet(seed);
        let mut records = run(&mut fleet, 5);
        assert!(fleet.inject(&FaultKind::Offline { percent: 30 }, 10_000));
        assert!(fleet.inject(&FaultKind::MqttDown, 4_000));
        let silent = run(&mut fleet, 3);
        assert!(readings(&silent).is_empty(), "seed {seed}: nobody can send");
        records.extend(silent);
        records.extend(run(&mut fleet, 30));
        records.extend(fleet.finish());
        let (mut all, mut newest) = (BTreeSet::new(), BTreeMap::<DeviceId, (u64, u64)>::new());
        for Reading { device_id, seq, .. } in readings(&records) {
            // What is not the newest is what was kept, oldest first, or the same once more.
            let (live, kept) = newest.entry(device_id.clone()).or_default();
            let lane = if seq >= *live { live } else { kept };
            assert!(seq >= *lane, "seed {seed}: {seq} after {lane} of {device_id}");
            *lane = seq;
            all.insert((device_id, seq));
        }
        assert_eq!(all.len() as u64, fleet.events(), "seed {seed}");
    }
}

#[test]
fn a_valve_waters_until_it_is_told_otherwise() {
    let mut fleet = fleet(1);
    let field = readings(&run(&mut fleet, 1)).into_iter().find(|reading| reading.sensor_type == SensorType::Field).expect("a field");
    let moisture = |records: &[Record]| {
        let mine = readings(records).into_iter().rfind(|reading| reading.device_id == field.device_id);
        mine.and_then(|reading| reading.soil_moisture_pct).expect("it is measured")
    };
    let command = |action, ts| Command {
        command_id: format!("c{ts}"),
        device_id: field.device_id.clone(),
        action,
        arg: 20.0,
        ttl_ms: 5_000,
        reason: String::new(),
        ts,
    };
    let now_ms = fleet.now_ms();
    fleet.command(command(Action::OpenValve, now_ms));
    let first = run(&mut fleet, 2);
    let (before, after) = (moisture(&first), moisture(&run(&mut fleet, 4)));
    assert!(after > before + 3.0, "{before} {after}");
    let acks = first.iter().filter(|record| record.topic == Topic::CommandAcks).count();
    assert_eq!(acks, 1);
    let too_late = fleet.now_ms() - 6_000;
    fleet.command(command(Action::CloseValve, too_late));
    let expired = run(&mut fleet, 2).into_iter().find(|record| record.topic == Topic::CommandAcks).expect("an answer");
    assert_eq!(serde_json::from_slice::<Ack>(&expired.value).expect("an ack").result, AckResult::Expired);
}
