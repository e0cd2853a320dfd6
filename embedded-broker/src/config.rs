//! What an embedding program may choose about the broker.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::coordinator::{GroupConfig, TransactionConfig};
use crate::disk::{Disk, RealDisk};
use crate::security::{Listener, SecurityConfig, SecurityProtocol};

/// Kafka's port, where clients look first.
pub const DEFAULT_PORT: u16 = 9092;

/// How to start a broker. [`BrokerConfig::new`] gives Kafka's defaults on loopback.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Where to listen, in the clear and for everyone on this machine, unless [`Self::listeners`] says otherwise. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Take any free port when the wanted one is in use.
    pub fallback_to_any_port: bool,
    /// Where topics and offsets are kept. Created if missing.
    pub data_dir: PathBuf,
    /// The host clients of [`Self::listen`] are told to connect to. `None`: the address listened on.
    pub advertised_host: Option<String>,
    /// Kafka's `listeners`. Empty: one PLAINTEXT listener at [`Self::listen`].
    pub listeners: Vec<Listener>,
    /// Who gets in. Matters to listeners with TLS or SASL.
    pub security: SecurityConfig,
    /// Kafka's `broker.id`.
    pub broker_id: i32,
    /// `num.partitions`: partitions of a topic that was created without saying how many.
    pub num_partitions: i32,
    /// `auto.create.topics.enable`: a topic comes into being when a client first asks for it.
    pub auto_create_topics: bool,
    /// Threads that serve requests.
    pub worker_threads: usize,
    /// What bounds memory and time.
    pub limits: Limits,
    /// Settings and limits of consumer groups.
    pub groups: GroupConfig,
    /// Settings and limits of transactions.
    pub transactions: TransactionConfig,
    /// What an acknowledged record survives.
    pub durability: Durability,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where the files are.
    pub disk: Arc<dyn Disk>,
}

impl BrokerConfig {
    /// A broker on 127.0.0.1:9092 that keeps its data under `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT),
            fallback_to_any_port: false,
            data_dir: data_dir.into(),
            advertised_host: None,
            listeners: Vec::new(),
            security: SecurityConfig::default(),
            broker_id: 0,
            num_partitions: 1,
            auto_create_topics: true,
            worker_threads: 2,
            limits: Limits::default(),
            groups: GroupConfig::default(),
            transactions: TransactionConfig::default(),
            durability: Durability::Os,
            clock: Arc::new(SystemClock),
            disk: Arc::new(RealDisk),
        }
    }

    /// The listeners to open.
    pub(crate) fn effective_listeners(&self) -> Vec<Listener> {
        if !self.listeners.is_empty() {
            return self.listeners.clone();
        }
        let plaintext = Listener::new(SecurityProtocol::Plaintext, self.listen);
        vec![Listener { advertised: self.advertised_host.clone().map(|host| (host, 0)), ..plaintext }]
    }
}

/// What an acknowledged record survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of the broker's process: the operating system has the record. Kafka's own default, where replicas do the rest.
    #[default]
    Os,
    /// Power loss: the disk has the record before it is acknowledged. All appends of a moment share one sync (group commit). As
    /// `flush.messages=1` on every topic.
    Sync,
}

impl std::str::FromStr for Durability {
    type Err = UnknownDurability;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "os" => Ok(Self::Os),
            "sync" => Ok(Self::Sync),
            other => Err(UnknownDurability(other.to_owned())),
        }
    }
}

/// A text that names no [`Durability`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no durability: os keeps what it acknowledged when the broker dies, sync also when the power goes")]
pub struct UnknownDurability(String);

/// What bounds the broker's memory, files and waiting, whatever clients send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `max.connections`: connections open at once; more are closed at once.
    pub max_connections: usize,
    /// `max.connections.per.ip`: those from one address.
    pub max_connections_per_ip: usize,
    /// `socket.request.max.bytes`: the largest Produce frame.
    pub max_produce_frame_bytes: usize,
    /// The largest frame of any other request. Decoded requests take many times their bytes, so this is far below the one for Produce,
    /// whose bulk is never decoded.
    pub max_control_frame_bytes: usize,
    /// `sasl.server.max.receive.size`: the largest frame of a client that has not logged in where a login is wanted.
    pub max_unauthenticated_frame_bytes: usize,
    /// How long TLS handshake and login may take together.
    pub max_authentication: Duration,
    /// Array elements in one request, all arrays together.
    pub max_request_elements: usize,
    /// `queued.max.request.bytes`: bytes in the requests that are read or served at this moment, over all connections, and as many again in responses under way.
    pub max_in_flight_bytes: usize,
    /// Users with a password on this broker.
    pub max_users: usize,
    /// ACL bindings on this broker.
    pub max_acls: usize,
    /// Quotas on this broker.
    pub max_quotas: usize,
    /// Topics on this broker.
    pub max_topics: usize,
    /// Partitions on this broker, all topics together.
    pub max_partitions: usize,
    /// Log files open at once. Systems commonly let a process have 1024 files, connections included.
    pub max_open_log_files: usize,
    /// Bytes a record batch may hold once it is decompressed, which the broker does to look inside.
    pub max_decompressed_batch_bytes: usize,
    /// Log files that answers under way hold open, besides those. When so many are, further answers are read into memory.
    pub max_held_log_files: usize,
    /// Bytes one Fetch may return.
    pub max_fetch_bytes: usize,
    /// The longest a Fetch may wait.
    pub max_fetch_wait: Duration,
    /// `max.incremental.fetch.session.cache.slots`: clients whose fetches are remembered (KIP-227); others say all of it each time.
    pub max_fetch_sessions: usize,
    /// Partitions in all these sessions together.
    pub max_fetch_session_partitions: usize,
    /// `connections.max.idle.ms`: a connection without a request for this long is closed.
    pub max_connection_idle: Duration,
    /// How long a client may pause inside a request: until it is whole it holds memory that others wait for.
    pub max_request_pause: Duration,
    /// How long a client may take to send a request, however steadily.
    pub max_request_read: Duration,
    /// Bytes of further requests that are read while one is served; the rest waits in the client's socket.
    pub max_read_ahead_bytes: usize,
    /// How long a client may take to read its answer.
    pub max_response_write: Duration,
    /// Events remembered for the view from inside.
    pub max_events: usize,
    /// Idempotent producers remembered per partition; the one idle for longest goes first.
    pub max_producers_per_partition: usize,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// Keys compaction remembers at a time, for some forty bytes each (`log.cleaner.dedupe.buffer.size`). A log with more is cleaned in turns.
    pub max_compaction_keys: usize,
    /// `log.cleaner.backoff.ms`: how often compaction is looked at.
    pub compaction_check_interval: Duration,
    /// `log.retention.check.interval.ms`. Kafka's is five minutes; on a desk one watches it happen.
    pub retention_check_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1_024,
            max_connections_per_ip: 1_024,
            max_produce_frame_bytes: 100 * 1024 * 1024,
            max_control_frame_bytes: 8 * 1024 * 1024,
            max_unauthenticated_frame_bytes: 512 * 1024,
            max_authentication: Duration::from_secs(10),
            max_request_elements: 250_000,
            max_in_flight_bytes: 256 * 1024 * 1024,
            max_users: 10_000,
            max_acls: 10_000,
            max_quotas: 10_000,
            max_topics: 5_000,
            max_partitions: 20_000,
            max_open_log_files: 400,
            max_decompressed_batch_bytes: 64 * 1024 * 1024,
            max_held_log_files: 100,
            max_fetch_bytes: 55 * 1024 * 1024,
            max_fetch_wait: Duration::from_secs(300),
            max_fetch_sessions: 1_000,
            max_fetch_session_partitions: 200_000,
            max_connection_idle: Duration::from_secs(600),
            max_request_pause: Duration::from_secs(30),
            max_request_read: Duration::from_secs(120),
            max_read_ahead_bytes: 64 * 1024,
            max_response_write: Duration::from_secs(60),
            max_events: 4_096,
            max_producers_per_partition: 10_000,
            producer_id_expiration_ms: 24 * 60 * 60 * 1_000,
            max_compaction_keys: 1_000_000,
            compaction_check_interval: Duration::from_secs(5),
            retention_check_interval: Duration::from_secs(30),
        }
    }
}
