//! Exactly once under kill -9: a program consumes, transforms and produces in transactions (KIP-98, KIP-447) while broker and program are
//! killed in turns. A reader of what is committed must find every record once, in order by key.
//!
//! `WEIR_TEST_KILLS=200 cargo test -p weir-tests --test exactly_once` goes on for minutes.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use weir_tests::{
    broker::{ChildBroker, run_as_child_if_asked},
    client::{self, DEADLINE, Deliveries},
    history::{History, Seen, Told},
};

const KILLS: usize = 12;
const INPUT: &str = "numbers";
const OUTPUT: &str = "squares";
const PARTITIONS: i32 = 3;
const KEYS: u64 = 16;
/// Records in one transaction, at most.
const RECORDS_PER_TRANSACTION: usize = 50;
/// Records the program must get through between two kills.
const RECORDS_BETWEEN_KILLS: u64 = 300;
/// Set in the environment of a child to make it the program, with the broker there.
const PROGRAM_BOOTSTRAP: &str = "WEIR_TEST_PROGRAM_BOOTSTRAP";

/// Not a test by itself: the broker that gets killed.
#[test]
fn child_broker() {
    run_as_child_if_asked();
}

/// Not a test by itself: the program that gets killed. What goes wrong ends it; its parent starts it again, as an operator would.
#[test]
fn child_program() {
    if let Ok(bootstrap) = env::var(PROGRAM_BOOTSTRAP) {
        let _ended = transform_for_ever(&bootstrap);
    }
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice() -> Result<(), Box<dyn Error>> {
    let kills = env::var("WEIR_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let folder = tempfile::tempdir()?;
    let mut broker = ChildBroker::start("child_broker", folder.path());
    create_topics(broker.bootstrap())?;
    // The input is itself written by an idempotent producer that lives through the broker's deaths.
    let source = Source::start(broker.bootstrap())?;
    let mut program = Program::start(broker.bootstrap());
    for kill in 0..kills {
        let wanted = source.written_until(RECORDS_BETWEEN_KILLS * (kill as u64 + 1))?;
        program.wait_for(wanted - RECORDS_BETWEEN_KILLS / 2)?;
        // Killed in the middle of something: the input goes on, and transactions of a few milliseconds follow each other.
        if kill % 2 == 0 { broker.restart() } else { program.restart() }
    }
    let written = source.finish()?;
    program.wait_for(written)?;
    Ok(expected(written).check(&committed(broker.bootstrap())?)?)
}

/// Every number once, as its square, in order by key.
fn expected(written: u64) -> History {
    let mut history = History::default();
    for number in 0..written {
        let key = number % KEYS;
        history.wrote(key.to_string(), record(key, number * number), Told::Acknowledged(None));
    }
    history
}

/// What is compared of an output record.
fn record(key: u64, square: u64) -> String {
    format!("{key}: {square}")
}

/// The numbers from 0 on, written as fast as the program takes them.
struct Source {
    producer: BaseProducer<Deliveries>,
    deliveries: Deliveries,
    next: std::cell::Cell<u64>,
}

impl Source {
    fn start(bootstrap: &str) -> Result<Self, KafkaError> {
        let deliveries = Deliveries::default();
        let properties = [("enable.idempotence", "true"), ("linger.ms", "2"), ("message.timeout.ms", "300000"), ("partitioner", "murmur2")];
        Ok(Self { producer: client::producer(bootstrap, &deliveries, &properties)?, deliveries, next: Default::default() })
    }

    /// Writes numbers until there are so many; gives how many there are.
    fn written_until(&self, count: u64) -> Result<u64, Box<dyn Error>> {
        while self.next.get() < count {
            let number = self.next.get();
            let (key, value) = ((number % KEYS).to_string(), number.to_string());
            match self.producer.send(BaseRecord::to(INPUT).key(&key).payload(&value)) {
                Ok(()) => self.next.set(number + 1),
                Err((KafkaError::MessageProduction(rdkafka::types::RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(Duration::from_millis(10));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(count)
    }

    fn finish(self) -> Result<u64, Box<dyn Error>> {
        self.producer.flush(DEADLINE)?;
        assert_eq!(self.deliveries.len() as u64, self.next.get(), "every number was acknowledged");
        Ok(self.next.get())
    }
}

/// The program in a process of its own.
struct Program {
    child: Child,
    bootstrap: String,
}

impl Program {
    fn start(bootstrap: &str) -> Self {
        Self { child: Self::spawn(bootstrap), bootstrap: bootstrap.to_owned() }
    }

    #[expect(clippy::expect_used, reason = "a test without its program has failed")]
    fn spawn(bootstrap: &str) -> Child {
        let mut command = Command::new(env::current_exe().expect("this program has a path"));
        command.args(["child_program", "--exact", "--nocapture"]).env(PROGRAM_BOOTSTRAP, bootstrap);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
    }

    fn restart(&mut self) {
        self.kill();
        self.child = Self::spawn(&self.bootstrap);
    }

    /// Waits until so many numbers are transformed for good; starts the program again whenever it has given up.
    fn wait_for(&mut self, count: u64) -> Result<(), Box<dyn Error>> {
        let properties = [("group.id", GROUP), ("enable.auto.commit", "false"), ("socket.timeout.ms", "3000")];
        let consumer: BaseConsumer = client::config(&self.bootstrap, &properties).create()?;
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition(INPUT, partition);
        }
        let give_up = Instant::now() + 2 * DEADLINE;
        loop {
            if let Some(_ended) = self.child.try_wait()? {
                self.child = Self::spawn(&self.bootstrap);
            }
            let offsets = consumer.committed_offsets(all.clone(), Duration::from_secs(3));
            let done =
                offsets.map(|offsets| offsets.elements().iter().filter_map(|it| it.offset().to_raw()).filter(|at| *at > 0).sum::<i64>());
            if done.is_ok_and(|done| done as u64 >= count) {
                return Ok(());
            }
            assert!(Instant::now() < give_up, "the program did not get to {count} in {:?}", 2 * DEADLINE);
        }
    }

    fn kill(&mut self) {
        // One that is gone already is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

const GROUP: &str = "squarer";

/// The program: results and offsets in one transaction. Any error ends it; what it left open is aborted when it comes back.
fn transform_for_ever(bootstrap: &str) -> Result<(), Box<dyn Error>> {
    // A static member comes back to its partitions at once; a new one would have to wait until the old one's session is over.
    let reading = [
        ("group.id", GROUP),
        ("group.instance.id", "squarer-0"),
        ("isolation.level", "read_committed"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
        ("session.timeout.ms", "6000"),
    ];
    let consumer: BaseConsumer = client::config(bootstrap, &reading).create()?;
    consumer.subscribe(&[INPUT])?;
    let writing = [("transactional.id", "squarer-0"), ("transaction.timeout.ms", "20000"), ("partitioner", "murmur2")];
    let producer: BaseProducer = client::config(bootstrap, &writing).create()?;
    producer.init_transactions(DEADLINE)?;
    loop {
        let mut numbers = Vec::new();
        while numbers.len() < RECORDS_PER_TRANSACTION {
            match consumer.poll(Duration::from_millis(20)) {
                Some(message) => numbers.push(message?.detach()),
                None => break,
            }
        }
        if numbers.is_empty() {
            continue;
        }
        producer.begin_transaction()?;
        let mut next = BTreeMap::new();
        for message in &numbers {
            let number: u64 = std::str::from_utf8(message.payload().unwrap_or_default())?.parse()?;
            let square = (number * number).to_string();
            let record = BaseRecord::to(OUTPUT).key(message.key().unwrap_or_default()).payload(&square);
            producer.send(record).map_err(|(error, _)| error)?;
            next.insert(message.partition(), message.offset() + 1);
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in next {
            offsets.add_partition_offset(INPUT, partition, Offset::Offset(offset))?;
        }
        let metadata = consumer.group_metadata().ok_or("not a member of the group")?;
        producer.send_offsets_to_transaction(&offsets, &metadata, DEADLINE)?;
        producer.commit_transaction(DEADLINE)?;
    }
}

fn create_topics(bootstrap: &str) -> Result<(), Box<dyn Error>> {
    let admin: AdminClient<DefaultClientContext> = client::config(bootstrap, &[]).create()?;
    let topics = [INPUT, OUTPUT].map(|topic| NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1)));
    let creating = admin.create_topics(&topics, &AdminOptions::new());
    for result in tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(creating)? {
        result.map_err(|(topic, error)| format!("{topic}: {error}"))?;
    }
    Ok(())
}

/// Keys and values of everything that is committed in the output, in order by partition.
fn committed(bootstrap: &str) -> Result<Vec<Seen>, Box<dyn Error>> {
    let properties =
        [("group.id", "checker"), ("enable.auto.commit", "false"), ("isolation.level", "read_committed"), ("enable.partition.eof", "true")];
    let consumer: BaseConsumer = client::config(bootstrap, &properties).create()?;
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(OUTPUT, partition, Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    let (mut found, mut ended, give_up) = (Vec::new(), 0, Instant::now() + 2 * DEADLINE);
    while ended < PARTITIONS {
        assert!(Instant::now() < give_up, "the output could not be read to its end");
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(message) => {
                let message = message?;
                let number = |bytes: Option<&[u8]>| std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default().parse::<u64>();
                let value = record(number(message.key())?, number(message.payload())?);
                found.push(Seen { partition: message.partition(), offset: message.offset(), value });
            }
        }
    }
    Ok(found)
}
