//! Runs of pipelines over a broker: the embedded one, or the one `WEIR_TEST_BOOTSTRAP` names.
#![allow(dead_code, reason = "no test needs all of it")]

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use weir_backend::{
    client::Connection,
    pipelines::{self, RunningPipeline},
    updates::{self, UpdatesReader},
};
use weir_broker::{Broker, BrokerConfig};
use weir_model::{Phase, PipelineId, PipelineParams, PipelineStatus, RunReport, Store};

/// No run of these tests takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(150);
/// Runs share the group's name, and on a real cluster the topics.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Waits until no other test runs a pipeline.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cluster for one test.
pub(crate) struct Cluster {
    pub(crate) connection: Connection,
    _broker: Option<Broker>,
    _data_dir: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

pub(crate) fn cluster() -> Cluster {
    let turn = turn();
    let data_dir = tempfile::tempdir().unwrap();
    let (bootstrap, broker) = match env::var("WEIR_TEST_BOOTSTRAP") {
        Ok(bootstrap) => (bootstrap, None),
        Err(_) => {
            let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let broker = Broker::start(BrokerConfig { listen, ..BrokerConfig::new(data_dir.path()) }).unwrap();
            (broker.address().to_string(), Some(broker))
        }
    };
    Cluster { connection: Connection::new(bootstrap, []), _broker: broker, _data_dir: data_dir, _turn: turn }
}

/// A run, with everything it told so far.
pub(crate) struct Run {
    pub(crate) running: RunningPipeline,
    pub(crate) store: Store,
    pub(crate) id: PipelineId,
    updates: UpdatesReader,
    started: Instant,
}

impl Run {
    pub(crate) fn start(cluster: &Cluster, id: &str, params: PipelineParams) -> Self {
        let (updates, reader) = updates::channel(|| {});
        let running = pipelines::start(&id.into(), params, cluster.connection.clone(), updates).unwrap();
        Self { running, store: Store::default(), id: id.into(), updates: reader, started: Instant::now() }
    }

    /// Takes news in until `done`.
    pub(crate) fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            if let Some(Phase::Failed(problem)) = self.phase() {
                panic!("{problem}");
            }
            assert!(self.started.elapsed() < DEADLINE, "no {what} in time; last status: {:?}", self.status());
            if let Some(update) = self.updates.recv(Duration::from_millis(100)) {
                self.store.apply(update);
            }
        }
    }

    pub(crate) fn wait_for_count(&mut self, name: &str, at_least: u64) {
        self.wait(name, |run| run.count(name) >= at_least);
    }

    pub(crate) fn status(&self) -> Option<&PipelineStatus> {
        self.store.runs.get(&self.id).and_then(|view| view.status.as_deref())
    }

    pub(crate) fn phase(&self) -> Option<&Phase> {
        self.status().map(|status| &status.phase)
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.status().and_then(|status| status.counts.get(name).copied()).unwrap_or(0)
    }

    /// The report, once everything has ended.
    pub(crate) fn report(&mut self) -> RunReport {
        self.wait("report", |run| run.store.runs.get(&run.id).is_some_and(|view| view.report.is_some()));
        self.wait("end", |run| matches!(run.phase(), Some(Phase::Stopped)));
        let report = self.store.runs[&self.id].report.clone().unwrap();
        println!("{}", serde_json::to_string_pretty(&*report).unwrap());
        (*report).clone()
    }
}
