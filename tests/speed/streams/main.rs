//! Stream processing side by side with Kafka Streams: `tests/speed/streams/run`, or without Java
//! `cargo bench -p weir-tests --bench streams [-- --events N] [-- --java CLASSPATH]`.
//!
//! The same topics on the same broker (the embedded one, in a process of its own), the same topologies, JSON in and out, one stream thread,
//! every result published. Rates and CPU count from the first commit to the last, so starting up is in neither. Latency is from a
//! record's timestamp to its result being read, by a consumer that reads committed records, at 1,000 records a second.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench prints its figures and fails loudly")]

mod measure;
mod topologies;

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use measure::Measured;
use rdkafka::{
    ClientConfig,
    producer::{BaseRecord, Producer as _, ThreadedProducer},
};
use topologies::{EVENTS, Event, NAMES, USERS, User, topology};
use weir_backend::{
    client::Connection,
    stream::app::{AppConfig, Guarantee, StreamsApp},
};
use weir_broker::{Broker, BrokerConfig};
use weir_tests::usage::now_ms;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const PARTITIONS: i32 = 4;
const KEYS: usize = 10_000;
const PATIENCE: Duration = Duration::from_secs(180);
/// Event time between two records, and how long before now it begins: brokers refuse what is of tomorrow.
const STEP_MS: i64 = 1;
const AGE_MS: i64 = 3 * 60 * 60 * 1_000;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1).cloned();
    match arguments.first().map(String::as_str) {
        Some("broker") => return broker(&arguments[1]),
        Some("weir") => return weir(&arguments[1..]),
        _ => {}
    }
    let events: usize = after("--events").map_or(Ok(1_000_000), |events| events.parse())?;
    let java = after("--java");
    let folder = tempfile::tempdir()?;
    let mut server =
        Command::new(std::env::current_exe()?).arg("broker").arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut address = String::new();
    BufReader::new(server.stdout.take().ok_or("no output")?).read_line(&mut address)?;
    let outcome = compare(address.trim(), events, java.as_deref());
    server.kill()?;
    server.wait()?;
    outcome
}

fn compare(bootstrap: &str, events: usize, java: Option<&str>) -> Outcome {
    fill(bootstrap, events)?;
    println!("{events} events over {KEYS} keys, {PARTITIONS} partitions, one stream thread");
    println!("| topology | guarantee | program | events/s | CPU us an event | memory MB | p50 ms | p99 ms |");
    println!("|---|---|---|--:|--:|--:|--:|--:|");
    for name in NAMES {
        for guarantee in ["at-least-once", "exactly-once"] {
            let run = |program: &str| -> Outcome<Measured> {
                let (application, output) = (format!("{program}-{name}-{guarantee}"), format!("out-{program}-{name}-{guarantee}"));
                measure::create_topic(bootstrap, &output, PARTITIONS)?;
                let mut child = start(program, java, &[bootstrap, &application, name, guarantee, &output])?;
                let measured = measure::measure(bootstrap, &application, &output, child.id(), events);
                child.kill()?;
                child.wait()?;
                let measured = measured?;
                println!("| {name} | {guarantee} | {program} | {measured} |");
                Ok(measured)
            };
            let weir = run("weir")?;
            if java.is_some() {
                let streams = run("kafka-streams")?;
                println!("| {name} | {guarantee} | ratio | {} |", weir.ratio(&streams));
            }
        }
    }
    Ok(())
}

fn start(program: &str, java: Option<&str>, arguments: &[&str]) -> Outcome<Child> {
    let mut command = match java.filter(|_| program != "weir") {
        Some(classpath) => {
            let mut command = Command::new("java");
            command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", classpath, "StreamsBench"]);
            command
        }
        None => {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("weir");
            command
        }
    };
    Ok(command.args(arguments).stdin(Stdio::piped()).spawn()?)
}

/// A broker in a process of its own, until it is killed or left alone.
fn broker(folder: &str) -> Outcome {
    let broker = Broker::start(BrokerConfig { listen: ([127, 0, 0, 1], 0).into(), ..BrokerConfig::new(folder) })?;
    println!("{}", broker.address());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// An application in a process of its own.
fn weir(arguments: &[String]) -> Outcome {
    let [bootstrap, application, name, guarantee, output] = arguments else {
        return Err("weir BOOTSTRAP APPLICATION TOPOLOGY GUARANTEE OUTPUT".into());
    };
    let guarantee = if guarantee == "exactly-once" { Guarantee::ExactlyOnce } else { Guarantee::AtLeastOnce };
    let config = AppConfig::new(Connection::new(bootstrap.as_str(), []), topology(application, name, output), guarantee);
    let app = StreamsApp::start(config).map_err(|problem| problem.what.to_string())?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(app);
    Ok(())
}

/// Users, and events of theirs.
fn fill(bootstrap: &str, events: usize) -> Outcome {
    measure::create_topic(bootstrap, EVENTS, PARTITIONS)?;
    measure::create_topic(bootstrap, USERS, PARTITIONS)?;
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = producer_config(bootstrap).create()?;
    let start_ms = now_ms() - AGE_MS;
    for key in 0..KEYS {
        let user = User { name: format!("user {key}"), country: ["DE", "FR", "JP", "US"][key % 4].to_owned() };
        send(&producer, USERS, &format!("u{key}"), &serde_json::to_vec(&user)?, start_ms)?;
    }
    for at in 0..events {
        // Neighbouring keys are apart in time, as people are.
        let key = at * 7_919 % KEYS;
        send(&producer, EVENTS, &format!("u{key}"), &event(key, at)?, start_ms + at as i64 * STEP_MS)?;
    }
    producer.flush(PATIENCE)?;
    let written = measure::records(bootstrap)?;
    if written == events as i64 { Ok(()) } else { Err(format!("{written} of {events} events were written").into()) }
}

pub(crate) fn event(key: usize, at: usize) -> Outcome<Vec<u8>> {
    let event = Event { user: format!("u{key}"), page: format!("/product/{}", at % 1_000), price: (at % 10_000) as i64, country: None };
    Ok(serde_json::to_vec(&event)?)
}

pub(crate) fn producer_config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("partitioner", "murmur2_random").set("queue.buffering.max.messages", "200000");
    config
}

pub(crate) fn send(
    producer: &ThreadedProducer<rdkafka::producer::DefaultProducerContext>,
    topic: &str,
    key: &str,
    value: &[u8],
    timestamp_ms: i64,
) -> Outcome {
    let give_up = Instant::now() + PATIENCE;
    let mut record = BaseRecord::to(topic).key(key).payload(value).timestamp(timestamp_ms);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            // The queue is full: the client sends while we wait.
            Err((_, back)) if Instant::now() < give_up => record = back,
            Err((error, _)) => return Err(error.into()),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
