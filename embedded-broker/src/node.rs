//! What all requests share: topics and their logs, limits, clock, counters. The place where parts of the broker meet.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::coordinator::transaction::TransactionCoordinator;
use crate::coordinator::{Coordinator, InternalTopic};
use crate::disk::{read_checked, write_checked};
use crate::faults::{Faults, FaultyDisk};
use crate::fetch_sessions::FetchSessions;
use crate::log::{Environment, Partition};
use crate::producer_ids::ProducerIds;
use crate::security::{BoundListener, LoginError, Progress, Security, Session};
use crate::topics::Topics;
use crate::view::{BrokerView, Counters, EventLog};

const CLUSTER_ID_FILE: &str = "cluster-id";
/// A UUID in base64 without padding.
const CLUSTER_ID_BYTES: usize = 22;
/// In-flight memory is counted in units of this, so that a semaphore's counter can hold it.
const IN_FLIGHT_UNIT_BYTES: usize = 1024;
const IN_FLIGHT_FREE_BYTES: usize = 64 * 1024;
/// Fewer are copied into the answer: one write instead of two.
const SENT_FROM_FILE_LEAST_BYTES: usize = 32 * 1024;

/// One broker.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: BrokerConfig,
    pub(crate) listeners: Vec<Arc<BoundListener>>,
    pub(crate) security: Security,
    pub(crate) cluster_id: String,
    pub(crate) topics: Arc<Topics>,
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) transactions: Arc<TransactionCoordinator>,
    pub(crate) producer_ids: Arc<ProducerIds>,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) counters: Arc<Counters>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) environment: Arc<Environment>,
    /// Memory for requests and for responses. Two, so that a request that holds some never waits for its own response.
    requests: Semaphore,
    responses: Arc<Semaphore>,
    /// One permit per file that answers under way may hold open.
    held_files: Arc<Semaphore>,
    /// One permit per connection that may be open.
    pub(crate) connections: Arc<Semaphore>,
}

impl Node {
    /// Opens what is on disk.
    pub(crate) fn open(mut config: BrokerConfig, listeners: Vec<BoundListener>) -> io::Result<Self> {
        let events = Arc::new(EventLog::new(Arc::clone(&config.clock), config.limits.max_events));
        let counters = Arc::new(Counters::new(Arc::clone(&config.clock), Arc::clone(&events)));
        let faults = Arc::new(Faults::new(Arc::clone(&config.clock), Arc::clone(&events)));
        config.disk = Arc::new(FaultyDisk::new(Arc::clone(&config.disk), Arc::clone(&faults)));
        let disk = Arc::clone(&config.disk);
        let environment =
            Arc::new(Environment::new(Arc::clone(&config.clock), Arc::clone(&disk), config.limits.max_open_log_files, config.durability));
        let authenticates = listeners.iter().any(BoundListener::authenticates);
        let topics = Arc::new(Topics::open(&config.data_dir, Arc::clone(&environment), config.limits.clone())?);
        let offsets = InternalTopic::offsets(Arc::clone(&topics));
        let coordinator = Coordinator::open(config.groups.clone(), offsets, Arc::clone(&config.clock));
        topics.observe(Arc::clone(&events));
        coordinator.observe(Arc::clone(&events));
        let coordinator = Arc::new(coordinator);
        let producer_ids = Arc::new(ProducerIds::open(&config.data_dir, Arc::clone(&disk))?);
        let transactions = TransactionCoordinator::open(
            config.transactions.clone(),
            Arc::clone(&topics),
            Arc::clone(&coordinator),
            Arc::clone(&producer_ids),
            Arc::clone(&config.clock),
        )
        .map_err(io::Error::other)?;
        transactions.observe(events);
        Ok(Self {
            listeners: listeners.into_iter().map(Arc::new).collect(),
            security: Security::open(&config.data_dir, &disk, config.security.clone(), authenticates)?,
            cluster_id: cluster_id(&config)?,
            topics,
            coordinator,
            producer_ids,
            transactions: Arc::new(transactions),
            fetch_sessions: FetchSessions::new(config.limits.max_fetch_sessions, config.limits.max_fetch_session_partitions),
            counters,
            faults,
            environment,
            requests: Semaphore::new(config.limits.max_in_flight_bytes / IN_FLIGHT_UNIT_BYTES),
            responses: Arc::new(Semaphore::new(config.limits.max_in_flight_bytes / IN_FLIGHT_UNIT_BYTES)),
            held_files: Arc::new(Semaphore::new(config.limits.max_held_log_files)),
            connections: Arc::new(Semaphore::new(config.limits.max_connections)),
            config,
        })
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.config.clock.as_ref()
    }

    /// The log of a partition that is there.
    pub(crate) fn log(&self, topic: &str, partition: i32) -> Option<Arc<Partition>> {
        self.topics.get(topic)?.partition(partition)
    }

    /// Does work that waits for the disk where it holds up no other request.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> T + Send + 'static,
    ) -> Result<T, Stopping> {
        let node = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&node)).await.map_err(|_| Stopping)
    }

    /// Takes a SASL token of a connection. A failed login is logged here, once, and its answer held back for a moment.
    pub(crate) async fn log_in(self: &Arc<Self>, session: &Arc<Session>, token: Bytes) -> Result<Progress, LoginError> {
        let expires_ms = self.security.session_lifetime_ms().map(|lifetime_ms| self.clock().now_ms().saturating_add(lifetime_ms));
        let of = Arc::clone(session);
        // An error would mean that the semaphore was closed, which it never is.
        let turn = Arc::clone(&self.security.logins).acquire_owned().await;
        let authenticating = self.blocking(move |node| {
            let _turn = turn;
            of.authenticate(&node.security.users, &token, expires_ms)
        });
        let outcome = authenticating.await.unwrap_or_else(|stopping| Err(LoginError::Io(io::Error::other(stopping))));
        match &outcome {
            Ok(progress) if progress.is_done => {
                tracing::debug!(listener = session.listener.name, client = %session.client_host, principal = %session.principal(), "logged in");
            }
            Ok(_) => {}
            Err(reason) => {
                tracing::warn!(listener = session.listener.name, client = %session.client_host, %reason, "a login failed");
                tokio::time::sleep(self.config.security.failed_login_delay).await;
            }
        }
        outcome
    }

    /// What goes on: all but the logs.
    pub(crate) fn view(&self) -> BrokerView {
        let mut view = self.counters.view();
        let all = self.config.limits.max_in_flight_bytes / IN_FLIGHT_UNIT_BYTES;
        let in_use = |memory: &Semaphore| all.saturating_sub(memory.available_permits()) * IN_FLIGHT_UNIT_BYTES;
        view.totals.request_memory_bytes = in_use(&self.requests);
        view.totals.response_memory_bytes = in_use(&self.responses);
        view
    }

    /// The right to send records from the log's file, which then stays open until they are sent. `None`: they are so few that a read is
    /// cheaper, or many files are held already.
    pub(crate) fn may_hold_file(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let is_worth_it = bytes >= SENT_FROM_FILE_LEAST_BYTES;
        is_worth_it.then(|| Arc::clone(&self.held_files).try_acquire_owned().ok()).flatten()
    }

    /// Waits until there is memory for a frame.
    pub(crate) async fn in_flight(&self, frame_bytes: usize) -> Option<SemaphorePermit<'_>> {
        self.requests.acquire_many(self.units(frame_bytes)?).await.ok()
    }

    /// Takes memory for a response, if there is some. `Err`: there is none now.
    pub(crate) fn try_room_for_response(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Busy> {
        let Some(units) = self.units(bytes) else { return Ok(None) };
        Arc::clone(&self.responses).try_acquire_many_owned(units).map(Some).map_err(|_| Busy)
    }

    /// Waits until there is memory for a response.
    pub(crate) async fn room_for_response(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.responses).acquire_many_owned(self.units(bytes)?).await.ok()
    }

    /// Small ones are free: the limit of connections bounds them.
    fn units(&self, bytes: usize) -> Option<u32> {
        let most = self.config.limits.max_in_flight_bytes;
        (bytes >= IN_FLIGHT_FREE_BYTES).then(|| u32::try_from(bytes.min(most) / IN_FLIGHT_UNIT_BYTES).unwrap_or(u32::MAX))
    }

    /// Syncs and closes all logs.
    pub(crate) fn close(&self) {
        for topic in self.topics.all() {
            for partition in topic.partitions() {
                if let Err(error) = partition.close() {
                    tracing::error!(?partition, %error, "a log could not be closed cleanly; it will be scanned at the next start");
                }
            }
        }
    }
}

/// The broker stopped in the middle of the work, or the work panicked.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the broker is stopping")]
pub(crate) struct Stopping;

/// The memory for responses is all in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy;

/// Kafka's form of a cluster id: a random UUID in URL-safe base64.
fn cluster_id(config: &BrokerConfig) -> io::Result<String> {
    let path = config.data_dir.join(CLUSTER_ID_FILE);
    let disk = config.disk.as_ref();
    // Another one would make clients take this broker for another cluster.
    let is_id = |id: &str| id.len() == CLUSTER_ID_BYTES && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let decode = |text: &str| Some(text.trim()).filter(|id| is_id(id)).map(str::to_owned);
    if let Some(id) = read_checked(disk, &path, "restore it, or remove it to be a new cluster", decode)? {
        return Ok(id);
    }
    let id = base64_url(Uuid::new_v4().as_bytes());
    write_checked(disk, &path, &id)?;
    Ok(id)
}

fn base64_url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(move |digit| char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]))
    });
    digits.collect()
}
