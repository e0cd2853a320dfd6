//! Reads the cluster and its groups again and again, and tells what changed.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use weir_model::{Cluster, ClusterSnapshot, ConnectionState, GroupsSnapshot, Problem, Stamped, TimestampMs, Update};

use crate::{
    client::{Admin, ClientError, Connection},
    cluster::{add_rates, read_cluster},
    groups::GroupsReader,
    handle::spawn,
    updates::Updates,
};

/// Between two readings while something changes.
const ACTIVE_INTERVAL: Duration = Duration::from_millis(1_000);
/// Between two readings of a cluster where nothing happens.
const QUIET_INTERVAL: Duration = Duration::from_millis(2_000);
/// Readings without a change before the cluster counts as quiet.
const QUIET_AFTER: u32 = 10;
/// Even without a change the reader hears from us this often, so that it can tell quiet from stuck.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A cluster that answers later is down.
const ANSWER_MAX: Duration = Duration::from_secs(8);

/// A poller on its own thread.
pub struct Poller {
    signal: Refresh,
}

/// Makes the poller read now. Clones reach the same poller.
#[derive(Clone)]
pub struct Refresh(Arc<(Mutex<Signal>, Condvar)>);

#[derive(Default)]
struct Signal {
    is_wanted: bool,
    is_ended: bool,
}

impl Poller {
    /// Starts to read; the first answer makes the connection `Connected`, an error makes it `Failed`, and the poller keeps trying.
    ///
    /// # Errors
    /// When a property is not valid, or the system refuses a thread.
    pub fn start(cluster: Cluster, connection: Connection, data_dir: Option<Arc<str>>, updates: Updates) -> Result<Self, Problem> {
        let admin =
            Admin::new(&connection, ANSWER_MAX).map_err(|error| error.problem(format!("{} can't be used", connection.bootstrap())))?;
        let signal = Refresh(Arc::default());
        let mut polling = Polling {
            cluster,
            connection,
            data_dir,
            admin,
            updates: updates.clone(),
            signal: signal.clone(),
            is_connected: None,
            last: None,
            last_groups: None,
            groups_reader: GroupsReader::default(),
            told_at: Instant::now(),
            unchanged: 0,
        };
        spawn("weir-poller", &updates, move || while polling.read_and_wait() {})?;
        Ok(Self { signal })
    }

    /// Reads now rather than at the next turn.
    pub fn refresh(&self) {
        self.signal.now();
    }

    /// For others who know that something changed.
    pub fn refresher(&self) -> Refresh {
        self.signal.clone()
    }

    /// Ends. It tells nothing from now on, though its thread may still wait for an answer.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.signal.change(|signal| signal.is_ended = true);
    }
}

impl Refresh {
    /// Reads now rather than at the next turn.
    pub fn now(&self) {
        self.change(|signal| signal.is_wanted = true);
    }

    fn change(&self, change: impl FnOnce(&mut Signal)) {
        change(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
    }

    /// Waits; false when it is time to end.
    fn wait(&self, timeout: Duration) -> bool {
        let signal = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut signal, _) = self
            .0
            .1
            .wait_timeout_while(signal, timeout, |signal| !signal.is_wanted && !signal.is_ended)
            .unwrap_or_else(PoisonError::into_inner);
        signal.is_wanted = false;
        !signal.is_ended
    }

    /// Tells something unless it is time to end. What stops us holds the same lock, so nothing of an old cluster follows the news of a new one.
    fn publish(&self, updates: &Updates, update: Update) {
        let signal = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !signal.is_ended {
            updates.publish(update);
        }
    }
}

struct Polling {
    cluster: Cluster,
    connection: Connection,
    data_dir: Option<Arc<str>>,
    admin: Admin,
    updates: Updates,
    signal: Refresh,
    is_connected: Option<bool>,
    last: Option<Stamped<Arc<ClusterSnapshot>>>,
    last_groups: Option<Arc<GroupsSnapshot>>,
    groups_reader: GroupsReader,
    told_at: Instant,
    unchanged: u32,
}

impl Polling {
    fn read_and_wait(&mut self) -> bool {
        match read_cluster(&self.admin, &self.connection) {
            Ok(snapshot) => {
                self.tell_connected();
                self.tell(snapshot);
            }
            Err(error) => self.tell_failed(&error),
        }
        self.signal.wait(if self.unchanged >= QUIET_AFTER { QUIET_INTERVAL } else { ACTIVE_INTERVAL })
    }

    fn tell(&mut self, mut snapshot: ClusterSnapshot) {
        let now = TimestampMs::now();
        add_rates(&mut snapshot, self.last.as_ref().map(|last| (&*last.value, last.as_of)), now);
        let groups = self.groups_reader.read(&self.admin, &snapshot, now);
        let is_changed = self.last.as_ref().is_none_or(|last| *last.value != snapshot);
        let is_heartbeat = self.told_at.elapsed() >= HEARTBEAT;
        let snapshot = Stamped { value: Arc::new(snapshot), as_of: now };
        self.last = Some(snapshot.clone());
        if is_changed || is_heartbeat {
            self.publish(Update::Cluster(Ok(snapshot)));
        }
        let are_groups_changed = match groups {
            Ok(groups) => self.tell_groups(groups, now, is_heartbeat),
            Err(error) => {
                self.publish(Update::Groups(Err(error.problem("The consumer groups could not be read"))));
                self.last_groups = None;
                true
            }
        };
        if is_changed || are_groups_changed {
            self.unchanged = 0;
        } else {
            self.unchanged = self.unchanged.saturating_add(1);
        }
        if is_changed || are_groups_changed || is_heartbeat {
            self.told_at = Instant::now();
        }
    }

    fn tell_groups(&mut self, groups: GroupsSnapshot, as_of: TimestampMs, is_heartbeat: bool) -> bool {
        let is_changed = self.last_groups.as_deref() != Some(&groups);
        if is_changed || is_heartbeat {
            let groups = Arc::new(groups);
            self.last_groups = Some(Arc::clone(&groups));
            self.publish(Update::Groups(Ok(Stamped { value: groups, as_of })));
        }
        is_changed
    }

    fn tell_connected(&mut self) {
        if self.is_connected != Some(true) {
            self.is_connected = Some(true);
            let (cluster, bootstrap, data_dir) = (self.cluster.clone(), self.connection.bootstrap().into(), self.data_dir.clone());
            self.publish(Update::Connection(ConnectionState::Connected { cluster, bootstrap, data_dir }));
        }
    }

    fn tell_failed(&mut self, error: &ClientError) {
        let problem = error.problem(format!("{} does not answer", self.connection.bootstrap()));
        self.unchanged = 0;
        if self.is_connected != Some(false) {
            self.is_connected = Some(false);
            self.publish(Update::Connection(ConnectionState::Failed { cluster: self.cluster.clone(), problem: problem.clone() }));
        }
        // Whatever it answers next is news.
        self.last = None;
        self.last_groups = None;
        self.publish(Update::Cluster(Err(problem.clone())));
        self.publish(Update::Groups(Err(problem)));
    }

    fn publish(&self, update: Update) {
        self.signal.publish(&self.updates, update);
    }
}
