//! The embedded broker on the network: connections in, packets to [`Sessions`], packets out.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Handle,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{
    packet::Packet,
    sessions::{Sends, Sessions},
};

/// Packets on their way to a client at most; one that does not read loses its connection.
const OUT_MAX: usize = 32_768;
/// How long a client may take to introduce itself.
const HELLO_MAX: Duration = Duration::from_secs(10);
/// Without keep-alive a client may be silent for so long.
const SILENT_MAX: Duration = Duration::from_secs(24 * 3_600);
/// After a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1_024;

/// A broker that listens until it is dropped; then it is gone as if it had been killed, and so is what it knew.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    shared: Shared,
    /// Dropped with the broker, which every connection notices.
    alive: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    sessions: Sessions,
    /// Who is connected: the connection's number, and the way to it.
    clients: BTreeMap<String, (u64, mpsc::Sender<Packet>)>,
    connections: u64,
}

type Shared = Arc<Mutex<State>>;

/// The sessions of a broker that was stopped.
#[derive(Clone, Debug, Default)]
pub struct Saved(Shared);

impl Broker {
    /// Listens on an address; port 0 takes any that is free.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub fn start(runtime: &Handle, address: SocketAddr) -> io::Result<Self> {
        Self::restart(runtime, address, Saved::default())
    }

    /// Stops as if it were killed, but for its sessions: those a broker keeps on disk. Its address is free then.
    pub fn stop(self, runtime: &Handle) -> Saved {
        let Self { shared, alive, accepting, .. } = self;
        drop(alive);
        if let Err(error) = runtime.block_on(accepting) {
            tracing::warn!("the MQTT broker ended badly: {error}");
        }
        Saved(shared)
    }

    /// Starts with the sessions of before: who comes back gets what waited.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(runtime: &Handle, address: SocketAddr, saved: Saved) -> io::Result<Self> {
        let shared = saved.0;
        {
            let mut state = lock(&shared);
            state.clients.clear();
            state.sessions.suspend();
        }
        let listener = runtime.block_on(TcpListener::bind(address))?;
        let address = listener.local_addr()?;
        let (alive, gone) = watch::channel(());
        let accepting = runtime.spawn(accept(listener, gone, Arc::clone(&shared)));
        Ok(Self { address, shared, alive, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, mut gone: watch::Receiver<()>, shared: Shared) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = gone.changed() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let (shared, mut gone) = (Arc::clone(&shared), gone.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = serve(stream, &shared) => {}
                        _ = gone.changed() => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!("an MQTT client could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Talks with one client until it goes.
async fn serve(stream: TcpStream, shared: &Shared) {
    // Small packets that somebody waits for: what can't be set only delays them.
    drop(stream.set_nodelay(true));
    let (mut read, mut write) = stream.into_split();
    let mut bytes = Vec::new();
    let hello = timeout(HELLO_MAX, next(&mut read, &mut bytes)).await.ok().flatten();
    let Some(Packet::Connect { client_id, is_clean, keep_alive_s, will, is_foreign }) = hello else { return };
    if is_foreign || (client_id.is_empty() && !is_clean) {
        let code = if is_foreign { 1 } else { 2 };
        let mut out = Vec::new();
        Packet::ConnAck { is_present: false, code }.encode(&mut out);
        drop(write.write_all(&out).await);
        return;
    }
    let (sender, outgoing) = mpsc::channel(OUT_MAX);
    let (number, client) = {
        let mut state = lock(shared);
        state.connections += 1;
        let number = state.connections;
        let client = if client_id.is_empty() { format!("anonymous-{number}") } else { client_id };
        // Who comes twice was not seen going (3.1.4): the earlier connection ends when its channel does.
        state.clients.insert(client.clone(), (number, sender));
        let sends = state.sessions.connect(&client, is_clean, will);
        state.send(sends);
        (number, client)
    };
    let silence = if keep_alive_s == 0 { SILENT_MAX } else { Duration::from_millis(u64::from(keep_alive_s) * 1_500) };
    let reading = async {
        while let Ok(Some(packet)) = timeout(silence, next(&mut read, &mut bytes)).await {
            if packet == Packet::Disconnect {
                return true;
            }
            let mut state = lock(shared);
            let sends = state.sessions.receive(&client, packet);
            state.send(sends);
        }
        false
    };
    let has_said_so = tokio::select! {
        has_said_so = reading => has_said_so,
        () = send_all(outgoing, &mut write) => false,
    };
    let mut state = lock(shared);
    if state.clients.get(&client).is_some_and(|(known, _)| *known == number) {
        state.clients.remove(&client);
        let sends = state.sessions.disconnect(&client, has_said_so);
        state.send(sends);
    }
}

impl State {
    fn send(&mut self, sends: Sends) {
        for (client, packet) in sends {
            let is_lost = self.clients.get(&client).is_some_and(|(_, sender)| sender.try_send(packet).is_err());
            if is_lost {
                // Its connection ends with its channel; what it has not acknowledged is sent when it comes back.
                self.clients.remove(&client);
                let sends = self.sessions.disconnect(&client, false);
                self.send(sends);
            }
        }
    }
}

/// The next packet; `None` when there is none any more, or it makes no sense.
pub(super) async fn next(read: &mut OwnedReadHalf, bytes: &mut Vec<u8>) -> Option<Packet> {
    loop {
        match Packet::decode(bytes) {
            Ok(Some(packet)) => return Some(packet),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!("an MQTT connection ends: {error}");
                return None;
            }
        }
        let mut part = [0; READ_BYTES];
        let count = read.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
    }
}

/// Sends packets, as many at once as there are.
async fn send_all(mut outgoing: mpsc::Receiver<Packet>, write: &mut OwnedWriteHalf) {
    let mut packets = Vec::new();
    while outgoing.recv_many(&mut packets, 256).await > 0 {
        let mut out = Vec::new();
        packets.drain(..).for_each(|packet| packet.encode(&mut out));
        if write.write_all(&out).await.is_err() {
            return;
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
