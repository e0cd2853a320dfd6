//! Kills a broker at its work, again and again: what it acknowledged must be there afterwards, and nothing that was never sent.

use std::{
    collections::HashMap,
    error::Error,
    time::{Duration, Instant},
};

use rdkafka::producer::BaseRecord;
use weir_tests::{
    broker::{ChildBroker, run_as_child_if_asked},
    client::{self, Acknowledged, DEADLINE, Deliveries},
    history::{History, Seen, Told},
};

const ROUNDS: u32 = 20;
const TOPIC: &str = "crash";

/// Not a test by itself: the process that gets killed.
#[test]
fn child() {
    run_as_child_if_asked();
}

#[test]
fn a_killed_broker_keeps_every_acknowledged_record_and_invents_none() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut history = History::default();
    for round in 0..ROUNDS {
        let mut broker = ChildBroker::start("child", folder.path());
        // Each round ends elsewhere in a batch, a segment, an index; the numbers are primes so that they do not fall into step.
        let enough = 101 + 997 * round as usize % 4_099;
        let (sent, acknowledged) = produce_until_killed(&mut broker, round, enough)?;
        assert!(acknowledged.len() >= enough, "round {round}: only {} acknowledged", acknowledged.len());
        let offsets: HashMap<Vec<u8>, i64> = acknowledged.into_iter().map(|it| (it.value, it.offset)).collect();
        for value in sent {
            let told = offsets.get(value.as_bytes()).map_or(Told::Unknown, |offset| Told::Acknowledged(Some(*offset)));
            history.wrote(format!("round {round}"), value, told);
        }

        let broker = ChildBroker::start("child", folder.path());
        check_log(round, broker.bootstrap(), &history)?;
    }
    Ok(())
}

/// Sends until `enough` records were acknowledged, then kills the broker with more on the way. Returns what was sent, in order, and
/// what was acknowledged.
fn produce_until_killed(broker: &mut ChildBroker, round: u32, enough: usize) -> Result<(Vec<String>, Vec<Acknowledged>), Box<dyn Error>> {
    let deliveries = Deliveries::default();
    // Without retries an unknown outcome stays unknown: each record is in the log once or not at all.
    let properties = [("acks", "all"), ("retries", "0"), ("linger.ms", "1"), ("batch.num.messages", "64"), ("message.timeout.ms", "5000")];
    let producer = client::producer(broker.bootstrap(), &deliveries, &properties)?;
    let give_up = Instant::now() + DEADLINE;
    let (mut number, mut sent) = (0_u32, Vec::new());
    while deliveries.len() < enough {
        assert!(Instant::now() < give_up, "round {round}: {} of {enough} acknowledged", deliveries.len());
        for _ in 0..32 {
            let value = format!("round {round} record {number} {}", "x".repeat(number as usize % 300));
            if producer.send(BaseRecord::<(), _>::to(TOPIC).payload(&value)).is_ok() {
                sent.push(value);
            }
            number += 1;
        }
        producer.poll(Duration::ZERO);
    }
    broker.kill();
    // Acknowledgements that were on the way count as well.
    producer.poll(Duration::from_millis(200));
    Ok((sent, deliveries.all()))
}

fn check_log(round: u32, bootstrap: &str, history: &History) -> Result<(), Box<dyn Error>> {
    let log = client::read_all(bootstrap, TOPIC)?;
    for (at, record) in log.iter().enumerate() {
        assert_eq!(record.offset, at as i64, "round {round}: offsets have a gap");
    }
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let seen = log.iter().map(|it| Seen { partition: it.partition, offset: it.offset, value: text(&it.value) });
    history.check(&seen.collect::<Vec<_>>()).map_err(|violations| format!("round {round}: {violations}").into())
}
