//! A broker, topics, records in and out.

use std::{
    collections::BTreeMap,
    env,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use futures::executor::block_on;
use weir_backend::{
    client::{Admin, Connection, OffsetSpec, OutgoingRecord, Producer, Reader, ReaderEvent},
    stream::app::{AppConfig, AppSnapshot, StreamsApp},
};
use weir_broker::{Broker, BrokerConfig};

/// Nothing these tests wait for takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) struct Cluster {
    pub(crate) connection: Connection,
    /// `None` on the cluster that `WEIR_TEST_BOOTSTRAP` names.
    broker: Option<Broker>,
    data_dir: tempfile::TempDir,
    /// Sets names apart from those of runs before, where topics outlive a test.
    suffix: String,
}

impl Cluster {
    pub(crate) fn start(topics: &[(&str, i32)]) -> Self {
        Self::with(topics, |config| config)
    }

    /// The same on a broker that is set up otherwise.
    pub(crate) fn with(topics: &[(&str, i32)], set_up: impl FnOnce(BrokerConfig) -> BrokerConfig) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let broker = Broker::start(set_up(BrokerConfig { listen, ..BrokerConfig::new(data_dir.path()) })).unwrap();
        let connection = Connection::new(broker.address().to_string(), []);
        Self { connection, broker: Some(broker), data_dir, suffix: String::new() }.having(topics)
    }

    /// The cluster that `WEIR_TEST_BOOTSTRAP` names, for instance a real Kafka; else an embedded one. Topics are called by [`Self::name`].
    pub(crate) fn anywhere(topics: &[(&str, i32)]) -> Self {
        let Ok(bootstrap) = env::var("WEIR_TEST_BOOTSTRAP") else { return Self::start(topics) };
        let suffix = format!("-{}-{}", weir_model::TimestampMs::now().0, std::process::id());
        let data_dir = tempfile::tempdir().unwrap();
        Self { connection: Connection::new(bootstrap, []), broker: None, data_dir, suffix }.having(topics)
    }

    fn having(self, topics: &[(&str, i32)]) -> Self {
        let admin = Admin::new(&self.connection, DEADLINE).unwrap();
        for (topic, partitions) in topics {
            // Records here are of any time, and stay.
            block_on(admin.create_topic(&self.name(topic), *partitions, 1, &[("retention.ms", "-1")])).unwrap();
        }
        self
    }

    /// What a topic or a group is called here.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("{what}{}", self.suffix)
    }

    /// Stops the broker and starts it again on the same folder and port.
    pub(crate) fn bounce(&mut self) {
        let broker = self.broker.take().unwrap();
        let listen = broker.address();
        broker.shutdown();
        self.broker = Some(Broker::start(BrokerConfig { listen, ..BrokerConfig::new(self.data_dir.path()) }).unwrap());
    }

    /// Writes keyed records and waits until all are acknowledged.
    pub(crate) fn produce(&self, topic: &str, records: impl IntoIterator<Item = (String, String, i64)>) {
        let producer = Producer::new(&self.connection).unwrap();
        self.send(&producer, topic, records);
    }

    /// The same in a transaction, whose marker is the last thing in the topic.
    pub(crate) fn produce_in_transaction(&self, topic: &str, records: impl IntoIterator<Item = (String, String, i64)>) {
        let producer = Producer::transactional(&self.connection, "writer", DEADLINE / 2, DEADLINE).unwrap();
        producer.begin().unwrap();
        self.send(&producer, topic, records);
        producer.commit(DEADLINE).unwrap();
    }

    fn send(&self, producer: &Producer, topic: &str, records: impl IntoIterator<Item = (String, String, i64)>) {
        for (key, value, timestamp_ms) in records {
            let record = OutgoingRecord {
                topic,
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                timestamp_ms: Some(timestamp_ms),
                ..OutgoingRecord::default()
            };
            while producer.send(record).unwrap().is_err() {
                std::thread::yield_now();
            }
        }
        producer.flush(DEADLINE).unwrap();
        assert_eq!(producer.failed(), 0, "{:?}", producer.first_error());
    }

    /// All committed records of a topic, in order by partition.
    pub(crate) fn read(&self, topic: &str) -> Vec<(String, String)> {
        let admin = Admin::new(&self.connection, DEADLINE).unwrap();
        let partitions = admin.metadata(Some(topic)).unwrap().topics[0].partitions.as_ref().unwrap().len();
        let reader = Reader::new(&self.connection, topic, false).unwrap();
        let mut records = Vec::new();
        for partition in 0..i32::try_from(partitions).unwrap() {
            self.wait_until_stable(&admin, topic, partition);
            reader.assign([(partition, 0)]).unwrap();
            while let ReaderEvent::Record(record) = reader.poll(DEADLINE).unwrap().expect("the end comes") {
                let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
                records.push((text(record.key()), text(record.value())));
            }
        }
        records
    }

    /// The offset of the last committed record of a partition.
    pub(crate) fn last_record(&self, topic: &str, partition: i32) -> Option<i64> {
        let reader = Reader::new(&self.connection, topic, false).unwrap();
        reader.assign([(partition, 0)]).unwrap();
        let mut last = None;
        while let ReaderEvent::Record(record) = reader.poll(DEADLINE).unwrap().expect("the end comes") {
            last = Some(record.offset());
        }
        last
    }

    /// The newest value by key.
    pub(crate) fn table(&self, topic: &str) -> BTreeMap<String, String> {
        self.read(topic).into_iter().collect()
    }

    fn wait_until_stable(&self, admin: &Admin, topic: &str, partition: i32) {
        let offset = |spec| admin.list_offsets(&[(topic.to_owned(), partition)], spec).unwrap()[0].offset.clone().unwrap();
        eventually(&format!("no transaction is open in {topic}"), || offset(OffsetSpec::LatestStable) == offset(OffsetSpec::Latest));
    }

    /// Whether a group speaks the protocol of KIP-848.
    pub(crate) fn is_consumer_protocol(&self, group: &str) -> Option<bool> {
        let admin = Admin::new(&self.connection, DEADLINE).unwrap();
        admin.describe_groups(&[group.to_owned()]).unwrap().remove(0).1.unwrap().is_consumer_protocol
    }

    /// What a group has committed, summed over partitions.
    pub(crate) fn committed(&self, group: &str, topic: &str) -> i64 {
        let admin = Admin::new(&self.connection, DEADLINE).unwrap();
        let offsets = admin.list_group_offsets(&[group.to_owned()]).unwrap().remove(0).unwrap();
        offsets.into_iter().filter(|at| at.topic == topic).filter_map(|at| at.offset.unwrap()).sum()
    }
}

/// Waits for something to become true.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts an application; transactions of killed threads end soon.
pub(crate) fn start(config: AppConfig) -> StreamsApp {
    StreamsApp::start(AppConfig { transaction_timeout: Duration::from_secs(3), ..config }).unwrap()
}

/// Waits until an application runs all of its tasks here.
pub(crate) fn wait_for_tasks(app: &StreamsApp) -> AppSnapshot {
    eventually("all tasks run", || {
        assert!(app.failure().is_none(), "{:?}", app.failure());
        app.snapshot().running() == app.tasks()
    });
    app.snapshot()
}
