//! Kills a broker at its work, again and again: what it acknowledged must be there afterwards, and nothing that was never sent.

use std::{
    collections::HashSet,
    error::Error,
    time::{Duration, Instant},
};

use rdkafka::producer::BaseRecord;
use weir_tests::{
    broker::{ChildBroker, run_as_child_if_asked},
    client::{self, Acknowledged, DEADLINE, Deliveries},
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
    let mut sent: HashSet<Vec<u8>> = HashSet::new();
    let mut acknowledged: Vec<Acknowledged> = Vec::new();
    for round in 0..ROUNDS {
        let mut broker = ChildBroker::start("child", folder.path());
        // Each round ends elsewhere in a batch, a segment, an index; the numbers are primes so that they do not fall into step.
        let enough = 101 + 997 * round as usize % 4_099;
        let acks = produce_until_killed(&mut broker, round, enough, &mut sent)?;
        assert!(acks.len() >= enough, "round {round}: only {} acknowledged", acks.len());
        acknowledged.extend(acks);

        let broker = ChildBroker::start("child", folder.path());
        check_log(round, broker.bootstrap(), &sent, &acknowledged)?;
    }
    Ok(())
}

/// Sends until `enough` records were acknowledged, then kills the broker with more on the way. Returns what was acknowledged.
fn produce_until_killed(
    broker: &mut ChildBroker,
    round: u32,
    enough: usize,
    sent: &mut HashSet<Vec<u8>>,
) -> Result<Vec<Acknowledged>, Box<dyn Error>> {
    let deliveries = Deliveries::default();
    // Without retries an unknown outcome stays unknown: each record is in the log once or not at all.
    let properties = [("acks", "all"), ("retries", "0"), ("linger.ms", "1"), ("batch.num.messages", "64"), ("message.timeout.ms", "5000")];
    let producer = client::producer(broker.bootstrap(), &deliveries, &properties)?;
    let give_up = Instant::now() + DEADLINE;
    let mut number = 0_u32;
    while deliveries.len() < enough {
        assert!(Instant::now() < give_up, "round {round}: {} of {enough} acknowledged", deliveries.len());
        for _ in 0..32 {
            let value = format!("round {round} record {number} {}", "x".repeat(number as usize % 300)).into_bytes();
            if producer.send(BaseRecord::<(), _>::to(TOPIC).payload(&value)).is_ok() {
                sent.insert(value);
            }
            number += 1;
        }
        producer.poll(Duration::ZERO);
    }
    broker.kill();
    // Acknowledgements that were on the way count as well.
    producer.poll(Duration::from_millis(200));
    Ok(deliveries.all())
}

fn check_log(round: u32, bootstrap: &str, sent: &HashSet<Vec<u8>>, acknowledged: &[Acknowledged]) -> Result<(), Box<dyn Error>> {
    let log = client::read_all(bootstrap, TOPIC)?;
    for (at, record) in log.iter().enumerate() {
        assert_eq!(record.offset, at as i64, "round {round}: offsets have a gap");
        assert!(sent.contains(&record.value), "round {round}: offset {} holds a record that was never sent", record.offset);
    }
    let distinct: HashSet<_> = log.iter().map(|record| &record.value).collect();
    assert_eq!(distinct.len(), log.len(), "round {round}: a record stands twice");
    for ack in acknowledged {
        let found = log.get(ack.offset as usize);
        assert_eq!(
            found.map(|record| &record.value),
            Some(&ack.value),
            "round {round}: offset {} was acknowledged with another value",
            ack.offset
        );
    }
    Ok(())
}
