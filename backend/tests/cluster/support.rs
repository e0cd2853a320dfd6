//! A cluster for one test, and a backend with its store.

use std::{
    collections::BTreeSet,
    env,
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use weir_backend::{
    Handle, HandleConfig,
    client::{Connection, OutgoingRecord, Producer},
};
use weir_broker::{Broker, BrokerConfig};
use weir_model::{
    Cluster, MessageQuery, MessageRow, NewTopic, Notice, NoticeLevel, QueryId, Receipt, Request, Start, Store, TopicName, Update,
};

/// Nothing these tests wait for takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A cluster; the embedded one ends with it.
pub(crate) struct TestCluster {
    pub(crate) bootstrap: String,
    _broker: Option<Broker>,
    _data_dir: tempfile::TempDir,
}

impl TestCluster {
    pub(crate) fn start() -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        if let Ok(bootstrap) = env::var("WEIR_TEST_BOOTSTRAP") {
            return Self { bootstrap, _broker: None, _data_dir: data_dir };
        }
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let broker = Broker::start(BrokerConfig { listen, ..BrokerConfig::new(data_dir.path()) }).unwrap();
        Self { bootstrap: broker.address().to_string(), _broker: Some(broker), _data_dir: data_dir }
    }

    pub(crate) fn connection(&self) -> Connection {
        Connection::new(self.bootstrap.as_str(), [])
    }

    pub(crate) fn as_remote(&self) -> Cluster {
        Cluster::Remote { bootstrap: self.bootstrap.as_str().into(), properties: Vec::new() }
    }

    /// Writes records to one partition and waits until all are acknowledged.
    pub(crate) fn produce(&self, topic: &TopicName, partition: i32, records: impl IntoIterator<Item = (i64, String)>) {
        let producer = Producer::new(&self.connection()).unwrap();
        for (timestamp_ms, value) in records {
            let record = OutgoingRecord {
                topic: topic.as_str(),
                partition: Some(partition),
                value: Some(value.as_bytes()),
                timestamp_ms: Some(timestamp_ms),
                ..OutgoingRecord::default()
            };
            while producer.send(record).unwrap().is_err() {
                producer.flush(DEADLINE).unwrap();
            }
        }
        producer.flush(DEADLINE).unwrap();
        assert_eq!(producer.failed(), 0, "{:?}", producer.first_error());
    }
}

/// A name that no other test and no run before uses.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let millis = weir_model::TimestampMs::now();
    format!("{what}-{millis}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A backend that is connected, and everything it told.
pub(crate) struct TestBackend {
    pub(crate) handle: Handle,
    pub(crate) store: Store,
    next_query: u64,
}

impl TestBackend {
    pub(crate) fn start() -> Self {
        Self::of(Handle::start(HandleConfig::default(), || {}).unwrap())
    }

    pub(crate) fn of(handle: Handle) -> Self {
        Self { handle, store: Store::default(), next_query: 1 }
    }

    pub(crate) fn connected(cluster: &TestCluster) -> Self {
        let mut backend = Self::start();
        backend.ask(Request::Connect(cluster.as_remote()));
        backend.wait("connection", |store| store.connection.bootstrap().is_some());
        backend
    }

    pub(crate) fn ask(&self, request: Request) {
        self.handle.request(request).unwrap();
    }

    /// Takes news in until `done`.
    pub(crate) fn wait(&mut self, what: &str, done: impl Fn(&Store) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !done(&self.store) {
            assert!(
                Instant::now() < deadline,
                "no {what} in time; {:?}\n{:?}\n{:?}\n{:?}",
                self.store.connection,
                self.store.cluster,
                self.store.groups,
                self.store.notices
            );
            if let Some(update) = self.handle.recv(Duration::from_millis(50)) {
                self.store.apply(update);
            }
        }
    }

    /// Waits for news that was not there at the call.
    pub(crate) fn wait_for_notice(&mut self, request: Request) -> Notice {
        let before = self.store.notices_total;
        self.ask(request);
        self.wait("notice", |store| store.notices_total > before);
        self.store.notices.back().unwrap().clone()
    }

    pub(crate) fn create_topic(&mut self, name: &str, partitions: i32) -> TopicName {
        let topic = TopicName::from(name);
        let new = NewTopic { name: topic.clone(), partitions, replication_factor: 1, configs: Vec::new() };
        let notice = self.wait_for_notice(Request::CreateTopic(new));
        assert_eq!(notice.level, NoticeLevel::Success, "{notice:?}");
        topic
    }

    pub(crate) fn query(&mut self, topic: &TopicName, start: Start, limit: usize) -> MessageQuery {
        self.next_query += 1;
        MessageQuery {
            id: QueryId(self.next_query),
            topic: topic.clone(),
            partitions: None,
            start,
            limit,
            follow: false,
            contains: "".into(),
        }
    }

    /// Opens a query as the window does.
    pub(crate) fn open(&mut self, query: &MessageQuery) {
        self.store.messages.begin(query.clone());
        self.ask(Request::OpenMessages(query.clone()));
    }

    /// Runs a query to its end.
    pub(crate) fn read(&mut self, query: &MessageQuery) -> (Vec<String>, Receipt) {
        self.open(query);
        self.wait("receipt", |store| store.messages.receipt.as_ref().is_some_and(|receipt| receipt.stopped.is_some()));
        (self.values(), Receipt::clone(self.store.messages.receipt.as_ref().unwrap()))
    }

    /// Values of the rows shown, as texts.
    pub(crate) fn values(&self) -> Vec<String> {
        self.store.messages.rows.iter().map(|row| value(row)).collect()
    }

    /// Drops what waits.
    pub(crate) fn take_all(&mut self) -> Vec<Update> {
        self.handle.drain(usize::MAX)
    }
}

pub(crate) fn value(row: &MessageRow) -> String {
    String::from_utf8(row.record.value.as_deref().unwrap_or_default().to_vec()).unwrap()
}

pub(crate) fn set(values: &[String]) -> BTreeSet<&str> {
    values.iter().map(String::as_str).collect()
}
