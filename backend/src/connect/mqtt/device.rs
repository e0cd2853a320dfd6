//! Devices: many connections on few threads, each with a buffer that outlasts its connection.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::Notify,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    framed::{PacketReader, PacketWriter, framed},
    packet::{Connect, Packet, Publish},
};

/// The first wait before another attempt to connect, and the longest.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// Connecting takes no longer.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Messages of one device on their way, not acknowledged yet.
const IN_FLIGHT_MAX: usize = 32;
/// Commands that wait to be taken out; what is beyond is not acknowledged and comes again.
const HEARD_MAX: usize = 10_000;

/// How devices work.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// The MQTT broker.
    pub broker: SocketAddr,
    /// Messages each device keeps; then the oldest goes, and is counted.
    pub buffer_max: usize,
    /// A device that has nothing to say says so this often.
    pub keep_alive_s: u16,
    /// Chooses how long devices wait before they connect again.
    pub seed: u64,
}

impl FleetOptions {
    /// Devices of a broker.
    pub fn new(broker: SocketAddr) -> Self {
        Self { broker, buffer_max: 4_096, keep_alive_s: 30, seed: 1 }
    }
}

/// What a fleet has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FleetCounts {
    /// Devices with a connection now.
    pub connected: usize,
    /// Connections made.
    pub connects: u64,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Messages sent again.
    pub resent: u64,
    /// Messages lost because a buffer was full, oldest first.
    pub dropped: u64,
    /// Messages that wait.
    pub waiting: usize,
}

/// What a device was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Whom.
    pub device: Arc<str>,
    /// What.
    pub payload: Arc<[u8]>,
}

/// Devices, each with its connection.
#[derive(Debug)]
pub struct Fleet {
    shared: Arc<Shared>,
    devices: BTreeMap<Arc<str>, Arc<Device>>,
    runtime: tokio::runtime::Handle,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    options: FleetOptions,
    heard: Mutex<VecDeque<Heard>>,
    connected: AtomicUsize,
    connects: AtomicU64,
    acknowledged: AtomicU64,
    resent: AtomicU64,
    dropped: AtomicU64,
    waiting: AtomicUsize,
    /// Raised by a herd: whoever is connected leaves, and all come back without waiting.
    herds: AtomicU64,
    herd: Notify,
}

#[derive(Debug)]
struct Device {
    id: Arc<str>,
    prefix: Arc<str>,
    buffer: Mutex<Buffer>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Buffer {
    messages: VecDeque<Message>,
    /// So many from the front are on their way.
    sent: usize,
    next_id: u16,
}

#[derive(Debug)]
struct Message {
    id: u16,
    was_sent: bool,
    topic: Arc<str>,
    payload: Arc<[u8]>,
}

impl Fleet {
    /// No devices yet; their tasks run on the runtime this is called in.
    pub fn new(options: FleetOptions) -> Self {
        let shared = Shared {
            options,
            heard: Mutex::default(),
            connected: AtomicUsize::new(0),
            connects: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            resent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            herds: AtomicU64::new(0),
            herd: Notify::new(),
        };
        Self { shared: Arc::new(shared), devices: BTreeMap::new(), runtime: tokio::runtime::Handle::current(), tasks: JoinSet::new() }
    }

    /// Queues a message of a device on `<prefix>/<device>/<leaf>`; a device that was not there yet connects.
    pub fn send(&mut self, prefix: &str, device: &str, leaf: &str, payload: &[u8]) {
        let known = self.devices.get(device).cloned();
        let device = known.unwrap_or_else(|| self.add(prefix, device));
        let topic = format!("{}/{}/{leaf}", device.prefix, device.id).into();
        let mut buffer = lock(&device.buffer);
        if buffer.messages.len() >= self.shared.options.buffer_max.max(IN_FLIGHT_MAX + 1) {
            let oldest = buffer.sent;
            buffer.messages.remove(oldest);
            self.shared.dropped.fetch_add(1, Ordering::AcqRel);
            self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        // The last identifier is taken by the status.
        buffer.next_id = buffer.next_id % (STATUS_ID - 1) + 1;
        let id = buffer.next_id;
        buffer.messages.push_back(Message { id, was_sent: false, topic, payload: payload.into() });
        self.shared.waiting.fetch_add(1, Ordering::AcqRel);
        drop(buffer);
        device.wake.notify_one();
    }

    fn add(&mut self, prefix: &str, id: &str) -> Arc<Device> {
        let (id, prefix): (Arc<str>, Arc<str>) = (id.into(), prefix.into());
        let device = Arc::new(Device { id: Arc::clone(&id), prefix, buffer: Mutex::default(), wake: Notify::new() });
        self.devices.insert(id, Arc::clone(&device));
        self.tasks.spawn_on(run(Arc::clone(&self.shared), Arc::clone(&device)), &self.runtime);
        device
    }

    /// What devices were told since this was asked last.
    pub fn heard(&self) -> Vec<Heard> {
        lock(&self.shared.heard).drain(..).collect()
    }

    /// All connections end, and all devices come back at the same moment.
    pub fn herd(&self) {
        self.shared.herds.fetch_add(1, Ordering::AcqRel);
        self.shared.herd.notify_waiters();
    }

    /// What was done.
    pub fn counts(&self) -> FleetCounts {
        let shared = &self.shared;
        FleetCounts {
            connected: shared.connected.load(Ordering::Acquire),
            connects: shared.connects.load(Ordering::Acquire),
            acknowledged: shared.acknowledged.load(Ordering::Acquire),
            resent: shared.resent.load(Ordering::Acquire),
            dropped: shared.dropped.load(Ordering::Acquire),
            waiting: shared.waiting.load(Ordering::Acquire),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connects, and connects again, until it is dropped.
async fn run(shared: Arc<Shared>, device: Arc<Device>) {
    let mut jitter = device.id.bytes().fold(shared.options.seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut backoff = BACKOFF_MIN;
    loop {
        let (herds, began) = (shared.herds.load(Ordering::Acquire), Instant::now());
        if let Err(error) = connect(&shared, &device).await {
            tracing::debug!("device {}: {error}", device.id);
        }
        if herds != shared.herds.load(Ordering::Acquire) {
            continue;
        }
        if began.elapsed() > BACKOFF_MAX {
            backoff = BACKOFF_MIN;
        }
        // Between half and all of the wait, so that those who went together do not come back together.
        jitter = jitter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(backoff / 2 + backoff.mul_f64((jitter >> 40) as f64 / f64::from(1 << 25))).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

struct Connected<'a>(&'a Shared);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn connect(shared: &Shared, device: &Device) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let socket = timeout(CONNECT_MAX, TcpStream::connect(shared.options.broker)).await.map_err(late)??;
    let (mut reader, mut writer) = framed(socket);
    let status = |payload: &[u8], id| Publish {
        topic: format!("{}/{}/status", device.prefix, device.id).into(),
        payload: payload.into(),
        id: Some(id),
        retain: true,
        dup: false,
    };
    let keep_alive_s = shared.options.keep_alive_s;
    let will = Some(status(b"offline", 0));
    writer.push(&Packet::Connect(Connect { client_id: device.id.to_string(), clean_session: false, keep_alive_s, will }));
    writer.flush().await?;
    match timeout(CONNECT_MAX, reader.next()).await.map_err(late)?? {
        Packet::ConnAck { code: 0, .. } => {}
        other => return Err(io::Error::new(io::ErrorKind::ConnectionRefused, format!("{other:?}"))),
    }
    shared.connects.fetch_add(1, Ordering::AcqRel);
    shared.connected.fetch_add(1, Ordering::AcqRel);
    let _connected = Connected(shared);
    let filters = vec![(format!("{}/{}/commands", device.prefix, device.id), 1)];
    writer.push(&Packet::Subscribe { id: STATUS_ID, filters });
    writer.push(&Packet::Publish(status(b"online", STATUS_ID)));
    // All that was on its way goes again, in the order it went.
    lock(&device.buffer).sent = 0;
    let silent = Duration::from_secs(u64::from(keep_alive_s.max(1))) / 2;
    let mut last_heard = Instant::now();
    loop {
        push_waiting(shared, device, &mut writer);
        writer.flush().await?;
        tokio::select! {
            packet = reader.next() => {
                last_heard = Instant::now();
                take(shared, device, packet?, &mut reader, &mut writer)?;
            }
            () = device.wake.notified() => {}
            () = shared.herd.notified() => return Err(io::ErrorKind::ConnectionAborted.into()),
            () = tokio::time::sleep(silent) => {
                // Two pings without an answer: nobody is there.
                if last_heard.elapsed() > silent * 3 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                writer.push(&Packet::PingReq);
            }
        }
    }
}

/// The identifier of what is sent first; no message has it.
const STATUS_ID: u16 = u16::MAX;

fn push_waiting(shared: &Shared, device: &Device, writer: &mut PacketWriter) {
    let mut buffer = lock(&device.buffer);
    while buffer.sent < IN_FLIGHT_MAX {
        let sent = buffer.sent;
        let Some(message) = buffer.messages.get_mut(sent) else { break };
        if message.was_sent {
            shared.resent.fetch_add(1, Ordering::AcqRel);
        }
        let (topic, payload) = (Arc::clone(&message.topic), Arc::clone(&message.payload));
        writer.push(&Packet::Publish(Publish { topic, payload, id: Some(message.id), retain: false, dup: message.was_sent }));
        message.was_sent = true;
        buffer.sent += 1;
    }
}

fn take(shared: &Shared, device: &Device, first: Packet, reader: &mut PacketReader, writer: &mut PacketWriter) -> io::Result<()> {
    let mut next = Some(first);
    while let Some(packet) = next {
        match packet {
            Packet::PubAck(id) => {
                let mut buffer = lock(&device.buffer);
                let sent = buffer.sent;
                if let Some(at) = buffer.messages.iter().take(sent).position(|message| message.id == id) {
                    buffer.messages.remove(at);
                    buffer.sent -= 1;
                    shared.acknowledged.fetch_add(1, Ordering::AcqRel);
                    shared.waiting.fetch_sub(1, Ordering::AcqRel);
                }
            }
            Packet::Publish(publish) => {
                let mut heard = lock(&shared.heard);
                if heard.len() < HEARD_MAX {
                    heard.push_back(Heard { device: Arc::clone(&device.id), payload: publish.payload });
                    publish.id.iter().for_each(|id| writer.push(&Packet::PubAck(*id)));
                }
            }
            Packet::SubAck { .. } | Packet::PingResp => {}
            other => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("unexpected {other:?}"))),
        }
        next = reader.buffered()?;
    }
    Ok(())
}
