//! Starting and stopping a broker.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::BrokerConfig;
use crate::faults::FaultSwitches;
use crate::node::Node;
use crate::security::{self, BoundListener, ListenerError, SecurityProtocol};
use crate::view::{self, BrokerView, Events, LogView, TraceEntry};
use crate::{housekeeping, server};

/// A running broker. Dropping it stops it.
#[derive(Debug)]
pub struct Broker {
    node: Arc<Node>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    /// Opens the data, recovers what a crash left, and listens. When this returns clients can connect.
    pub fn start(config: BrokerConfig) -> Result<Self, StartError> {
        let listeners = config.effective_listeners();
        let tls = security::check(&listeners, &config.security)?;
        let data_dir = config.data_dir.clone();
        let unusable = |source| StartError::DataFolder { data_dir: data_dir.clone(), source };
        config.disk.create_folder(&config.data_dir).map_err(unusable)?;
        let lock = config.disk.lock(&config.data_dir).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StartError::Locked { data_dir: data_dir.clone() },
            _ => unusable(error),
        })?;
        let bound = security::bind(&listeners, &config.security, tls.as_ref(), config.fallback_to_any_port)?;
        let (sockets, bound): (Vec<StdListener>, Vec<BoundListener>) = bound.into_iter().unzip();
        let runtime = runtime(config.worker_threads).map_err(StartError::Runtime)?;
        let node = Arc::new(Node::open(config, bound).map_err(unusable)?);
        let wants_login = node.listeners.iter().any(|listener| listener.protocol.has_sasl());
        if wants_login && node.security.users.all().is_empty() {
            return Err(ListenerError::NoUser.into());
        }
        let (stop, stopped) = watch::channel(false);
        let serving = Arc::clone(&node);
        let serve = move || {
            serve(&runtime, &serving, sockets, &stopped);
            // Connections and their tasks first, so that nothing appends to a closed log.
            drop(runtime);
            serving.close();
            drop(lock);
        };
        let thread = std::thread::Builder::new().name("weir-broker".into()).spawn(serve).map_err(StartError::Runtime)?;
        Ok(Self { node, stop, thread: Some(thread) })
    }

    /// Where clients connect: the bootstrap address. With several listeners that of the first.
    pub fn address(&self) -> SocketAddr {
        self.node.listeners[0].address
    }

    /// Where each listener listens, by its name, in the order of the configuration.
    pub fn listeners(&self) -> impl Iterator<Item = (&str, SecurityProtocol, SocketAddr)> {
        self.node.listeners.iter().map(|listener| (listener.name.as_str(), listener.protocol, listener.address))
    }

    /// What it is doing and has done: connections, requests, totals. Cheap: ask as often as a screen is drawn.
    pub fn view(&self) -> BrokerView {
        self.node.view()
    }

    /// How large each partition's log is.
    pub fn logs(&self) -> Vec<LogView> {
        view::logs(&self.node)
    }

    /// What happened to groups, transactions, topics and connections, from event `sequence` on as far as it is remembered. Begin with 0,
    /// go on with [`Events::next_sequence`].
    pub fn events(&self, sequence: u64) -> Events {
        self.node.counters.events.since(sequence)
    }

    /// Keeps the last requests of each connection from now on; 0 ends that. Costs some microseconds per request while it is on.
    pub fn set_trace(&self, requests_per_connection: usize) {
        self.node.counters.set_trace(requests_per_connection);
    }

    /// The last requests of an open connection, oldest first.
    pub fn trace(&self, connection_id: u64) -> Vec<TraceEntry> {
        self.node.counters.trace(connection_id)
    }

    /// What can be made to go wrong on purpose.
    pub fn faults(&self) -> FaultSwitches {
        FaultSwitches { faults: Arc::clone(&self.node.faults), counters: Arc::clone(&self.node.counters) }
    }

    /// Ends a connection, as if its client had gone. False: it is not open.
    pub fn close_connection(&self, connection_id: u64) -> bool {
        self.node.counters.close_connections(|connection| connection.id == connection_id) > 0
    }

    /// Ends all connections, syncs and closes the logs. Returns when that is done.
    pub fn shutdown(mut self) {
        self.stop_and_wait();
    }

    fn stop_and_wait(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the broker's thread panicked; its logs will be scanned at the next start");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop_and_wait();
    }
}

fn serve(runtime: &Runtime, node: &Arc<Node>, sockets: Vec<StdListener>, stopped: &watch::Receiver<bool>) {
    runtime.block_on(async {
        tokio::spawn(housekeeping::run(Arc::clone(node)));
        let timing = Arc::clone(node);
        tokio::spawn(async move { timing.coordinator.run_timers().await });
        let timing = Arc::clone(node);
        tokio::spawn(async move { timing.transactions.run_timers().await });
        // On workers, not on this thread: accepting must not be held up by block_on's own scheduling.
        let mut serving = JoinSet::new();
        for (socket, listener) in sockets.into_iter().zip(&node.listeners) {
            match TcpListener::from_std(socket) {
                Ok(socket) => _ = serving.spawn(server::serve(Arc::clone(node), Arc::clone(listener), socket, stopped.clone())),
                Err(error) => tracing::error!(listener = listener.name, %error, "the broker can't listen"),
            }
        }
        while let Some(served) = serving.join_next().await {
            if let Err(error) = served {
                tracing::error!(%error, "the broker's server ended");
            }
        }
    });
}

fn runtime(worker_threads: usize) -> io::Result<Runtime> {
    runtime::Builder::new_multi_thread().worker_threads(worker_threads.max(1)).thread_name("weir-broker-worker").enable_all().build()
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A listener is not as it must be, or its address is taken.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// Another process has the data.
    #[error("the data folder {} is in use by another broker; stop it or choose another folder", data_dir.display())]
    Locked {
        /// The folder.
        data_dir: PathBuf,
    },
    /// The data can't be read or written.
    #[error("the data folder {} can't be used: {source}; check that it is writable and that its disk has room", data_dir.display())]
    DataFolder {
        /// The folder.
        data_dir: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Threads or sockets could not be made.
    #[error("the system refused a thread or socket: {0}; free some resources and try again")]
    Runtime(#[source] io::Error),
}
