//! Starting and stopping a broker.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;

use crate::config::BrokerConfig;
use crate::node::Node;
use crate::stats::Stats;
use crate::{housekeeping, server};

/// A running broker. Dropping it stops it.
#[derive(Debug)]
pub struct Broker {
    node: Arc<Node>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    /// Opens the data, recovers what a crash left, and listens. When this returns clients can connect.
    pub fn start(config: BrokerConfig) -> Result<Self, StartError> {
        if !config.listen.ip().is_loopback() && !config.allow_non_loopback {
            return Err(StartError::NotLoopback { listen: config.listen });
        }
        let data_dir = config.data_dir.clone();
        let unusable = |source| StartError::DataFolder { data_dir: data_dir.clone(), source };
        config.disk.create_folder(&config.data_dir).map_err(unusable)?;
        let lock = config.disk.lock(&config.data_dir).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StartError::Locked { data_dir: data_dir.clone() },
            _ => unusable(error),
        })?;
        let listener = listen(&config)?;
        let address = listener.local_addr().map_err(StartError::Runtime)?;
        let runtime = runtime(config.worker_threads).map_err(StartError::Runtime)?;
        let node = Arc::new(Node::open(config, address).map_err(unusable)?);
        let (stop, stopped) = watch::channel(false);
        let serving = Arc::clone(&node);
        let serve = move || {
            serve(&runtime, &serving, listener, &stopped);
            // Connections and their tasks first, so that nothing appends to a closed log.
            drop(runtime);
            serving.close();
            drop(lock);
        };
        let thread = std::thread::Builder::new().name("weir-broker".into()).spawn(serve).map_err(StartError::Runtime)?;
        Ok(Self { node, address, stop, thread: Some(thread) })
    }

    /// Where clients connect: the bootstrap address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has done so far. Costs next to nothing.
    pub fn stats(&self) -> Stats {
        self.node.stats.snapshot()
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

fn serve(runtime: &Runtime, node: &Arc<Node>, listener: StdListener, stopped: &watch::Receiver<bool>) {
    runtime.block_on(async {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the broker can't listen");
                return;
            }
        };
        tokio::spawn(housekeeping::run(Arc::clone(node)));
        let timing = Arc::clone(node);
        tokio::spawn(async move { timing.coordinator.run_timers().await });
        // On a worker, not on this thread: accepting must not be held up by block_on's own scheduling.
        let serving = tokio::spawn(server::serve(Arc::clone(node), listener, stopped.clone()));
        if let Err(error) = serving.await {
            tracing::error!(%error, "the broker's server ended");
        }
    });
}

fn runtime(worker_threads: usize) -> io::Result<Runtime> {
    runtime::Builder::new_multi_thread().worker_threads(worker_threads.max(1)).thread_name("weir-broker-worker").enable_all().build()
}

fn listen(config: &BrokerConfig) -> Result<StdListener, StartError> {
    let listener = match StdListener::bind(config.listen) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && config.fallback_to_any_port => StdListener::bind((config.listen.ip(), 0)),
        listener => listener,
    };
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { listen: config.listen },
        _ => StartError::Listen { listen: config.listen, source },
    };
    let listener = listener.map_err(refused)?;
    listener.set_nonblocking(true).map_err(StartError::Runtime)?;
    Ok(listener)
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Someone else listens there.
    #[error("port {} on {} is in use, by another broker perhaps; stop it or choose another port", listen.port(), listen.ip())]
    PortInUse {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The address can't be listened on.
    #[error("can't listen on {listen}: {source}; choose an address of this machine and a port you may use")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// More than this machine could reach it.
    #[error(
        "refusing to listen on {listen}: without authentication everyone who reaches it could read and delete everything; listen on 127.0.0.1"
    )]
    NotLoopback {
        /// The address asked for.
        listen: SocketAddr,
    },
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
