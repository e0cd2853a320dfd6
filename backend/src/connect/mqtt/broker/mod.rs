//! A broker for MQTT 3.1.1 in this process: QoS 0 and 1, retained messages, wills, keep-alive, takeover, sessions that outlast connections.
//!
//! What is in memory is gone when the broker is; devices send again what was not acknowledged, which is all that Kafka does not have.

mod connection;
mod hub;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use hub::Hub;

/// Connections at the same time.
const CONNECTIONS_MAX: usize = 4_096;

/// How a broker works.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// Where to listen; port 0 is any.
    pub listen: SocketAddr,
    /// Filters of what is acknowledged only once every subscriber has acknowledged it; without a subscriber the sender is sent away.
    pub through: Vec<String>,
    /// Messages that wait for one session.
    pub queue_max: usize,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), through: Vec::new(), queue_max: 10_000 }
    }
}

/// What a broker has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrokerCounts {
    /// Connections now.
    pub connected: usize,
    /// CONNECT packets accepted.
    pub connects: u64,
    /// Messages taken.
    pub published: u64,
    /// Messages that were dropped because a session's queue was full, oldest first.
    pub dropped: u64,
    /// Wills told.
    pub wills: u64,
    /// Connections closed because of what they sent.
    pub malformed: u64,
    /// Tasks that panicked: a defect of ours.
    pub panics: u64,
}

#[derive(Debug, Default)]
struct Counts {
    connected: AtomicUsize,
    connects: AtomicU64,
    published: AtomicU64,
    dropped: AtomicU64,
    wills: AtomicU64,
    malformed: AtomicU64,
    panics: AtomicU64,
}

/// A broker that runs until it is dropped.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

impl Broker {
    /// Listens, on the runtime this is called in.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub async fn start(options: BrokerOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let hub = Arc::new(Hub::new(options, Arc::clone(&counts)));
        let accepting = tokio::spawn(accept(listener, hub, Arc::clone(&counts)));
        Ok(Self { address, counts, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has done.
    pub fn counts(&self) -> BrokerCounts {
        let counts = &self.counts;
        BrokerCounts {
            connected: counts.connected.load(Ordering::Acquire),
            connects: counts.connects.load(Ordering::Acquire),
            published: counts.published.load(Ordering::Acquire),
            dropped: counts.dropped.load(Ordering::Acquire),
            wills: counts.wills.load(Ordering::Acquire),
            malformed: counts.malformed.load(Ordering::Acquire),
            panics: counts.panics.load(Ordering::Acquire),
        }
    }

    /// Ends at once, as if killed: nothing is flushed, no will is told. Returns once the port is free.
    pub async fn kill(mut self) {
        self.accepting.abort();
        // Aborted, or ended by itself: gone either way.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Owns the connections: they end with it.
async fn accept(listener: TcpListener, hub: Arc<Hub>, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(serve(socket, Arc::clone(&hub), Arc::clone(&counts)));
                }
                Err(error) => {
                    tracing::warn!("MQTT: can't accept: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if ended.is_err_and(|error| error.is_panic()) {
                    counts.panics.fetch_add(1, Ordering::AcqRel);
                    tracing::error!("MQTT: a connection panicked; the others go on");
                }
            }
        }
    }
}

async fn serve(socket: TcpStream, hub: Arc<Hub>, counts: Arc<Counts>) {
    counts.connected.fetch_add(1, Ordering::AcqRel);
    let _connected = Connected(&counts.connected);
    if let Err(error) = connection::serve(socket, &hub).await {
        if error.kind() == io::ErrorKind::InvalidData {
            counts.malformed.fetch_add(1, Ordering::AcqRel);
        }
        tracing::debug!("MQTT: connection closed: {error}");
    }
}

/// Counts down when its connection ends, however it does.
struct Connected<'a>(&'a AtomicUsize);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
