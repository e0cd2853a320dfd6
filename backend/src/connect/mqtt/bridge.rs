//! From MQTT to Kafka and back: a message is acknowledged once Kafka has it, a command is published where its device listens.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::mpsc::{Receiver, Sender, channel, error::TrySendError},
    task::JoinHandle,
    time::timeout,
};
use weir_model::TimestampMs;

use super::{
    framed::{PacketReader, PacketWriter, framed},
    packet::{Connect, Packet, Publish},
};
use crate::{
    client::{ClientError, Connection, OutgoingRecord, Producer},
    stream::app::SENT_AT_MS,
};

/// The name of the session, which a broker keeps while the bridge is gone.
const CLIENT_ID: &str = "weir-bridge";
/// Records that Kafka has not acknowledged; beyond, nothing is read.
const IN_FLIGHT_MAX: usize = 4_096;
/// Commands that wait to be published.
const COMMANDS_MAX: usize = 4_096;
/// Devices whose place is remembered, so that commands find them.
const DEVICES_MAX: usize = 100_000;
/// Between two attempts to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// How long a full producer is left alone.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// Connecting takes no longer.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Keep-alive, in seconds, and how often the bridge shows that it lives.
const KEEP_ALIVE_S: u16 = 30;
const PING_EVERY: Duration = Duration::from_secs(10);
/// Records whose level after the leaf tells event time and when it was sent: `at=1700000000000,sent=1700000000123`.
const AT: &str = "at=";
const SENT: &str = "sent=";

/// How a bridge works.
#[derive(Clone, Debug)]
pub struct BridgeOptions {
    /// The MQTT broker.
    pub broker: SocketAddr,
    /// What a topic's leaf (`site/zone/device/<leaf>`) is written to.
    pub routes: Vec<(Arc<str>, Arc<str>)>,
    /// Where it is written that devices came, and went without a word.
    pub status_topic: Option<Arc<str>>,
}

/// A bridge that runs until it is dropped.
#[derive(Debug)]
pub struct Bridge {
    shared: Arc<Shared>,
    commands: Sender<(Arc<str>, Arc<[u8]>)>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    is_ready: AtomicBool,
    bridged: AtomicU64,
    refused: AtomicU64,
    unroutable: AtomicU64,
}

/// Which record's fate is known: of which connection, which packet, whether Kafka has it.
type Fate = (u64, u16, bool);

impl Bridge {
    /// Begins to bridge, on the runtime this is called in.
    ///
    /// # Errors
    /// When there can be no producer.
    pub fn start(options: BridgeOptions, kafka: &Connection) -> Result<Self, ClientError> {
        let producer = Producer::new(kafka)?;
        let (commands, waiting) = channel(COMMANDS_MAX);
        let (fate, fates) = channel(IN_FLIGHT_MAX);
        let shared = Arc::<Shared>::default();
        let worker = Worker {
            options,
            producer,
            shared: Arc::clone(&shared),
            commands: waiting,
            fate,
            fates,
            connection: 0,
            in_flight: 0,
            places: HashMap::new(),
            next_id: 0,
        };
        Ok(Self { shared, commands, task: tokio::spawn(worker.run()) })
    }

    /// Publishes a command on `…/<device>/commands`; `false` when too many wait.
    pub fn command(&self, device: &str, payload: &[u8]) -> bool {
        !matches!(self.commands.try_send((device.into(), payload.into())), Err(TrySendError::Full(_)))
    }

    /// Whether it is connected and subscribed.
    pub fn is_ready(&self) -> bool {
        self.shared.is_ready.load(Ordering::Acquire)
    }

    /// Messages that Kafka acknowledged.
    pub fn bridged(&self) -> u64 {
        self.shared.bridged.load(Ordering::Acquire)
    }

    /// Messages on topics that nothing is known of, and that were acknowledged and dropped.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Acquire)
    }

    /// Commands for devices that were never heard of.
    pub fn unroutable(&self) -> u64 {
        self.shared.unroutable.load(Ordering::Acquire)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Worker {
    options: BridgeOptions,
    producer: Producer,
    shared: Arc<Shared>,
    commands: Receiver<(Arc<str>, Arc<[u8]>)>,
    fate: Sender<Fate>,
    /// Never full: no more than [`IN_FLIGHT_MAX`] records are on their way.
    fates: Receiver<Fate>,
    connection: u64,
    in_flight: usize,
    /// The start of the topics of each device.
    places: HashMap<Arc<str>, Arc<str>>,
    next_id: u16,
}

impl Worker {
    async fn run(mut self) {
        loop {
            if let Err(error) = self.connect().await {
                tracing::debug!("MQTT bridge: {error}");
            }
            self.shared.is_ready.store(false, Ordering::Release);
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }

    async fn connect(&mut self) -> io::Result<()> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let socket = timeout(CONNECT_MAX, TcpStream::connect(self.options.broker)).await.map_err(late)??;
        let (mut reader, mut writer) = framed(socket);
        let connect = Connect { client_id: CLIENT_ID.to_owned(), clean_session: false, keep_alive_s: KEEP_ALIVE_S, will: None };
        writer.push(&Packet::Connect(connect));
        let leaves = self.options.routes.iter().map(|(leaf, _)| format!("+/+/+/{leaf}/#"));
        let filters = leaves.chain(["+/+/+/status".to_owned()]).map(|filter| (filter, 1)).collect();
        writer.push(&Packet::Subscribe { id: 1, filters });
        writer.flush().await?;
        // Fates of an older connection's records are not acknowledged: what they were comes again.
        self.connection += 1;
        let mut last_heard = tokio::time::Instant::now();
        let mut ping = tokio::time::interval(PING_EVERY);
        loop {
            writer.flush().await?;
            tokio::select! {
                packet = reader.next(), if self.in_flight < IN_FLIGHT_MAX => {
                    last_heard = tokio::time::Instant::now();
                    self.take_all(packet?, &mut reader, &mut writer).await?;
                }
                Some(fate) = self.fates.recv() => self.settle(fate, &mut writer)?,
                Some((device, payload)) = self.commands.recv() => self.tell(&device, payload, &mut writer),
                _ = ping.tick() => {
                    // While nothing is read, silence is our own doing.
                    if self.in_flight < IN_FLIGHT_MAX && last_heard.elapsed() > 3 * PING_EVERY {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    writer.push(&Packet::PingReq);
                }
            }
        }
    }

    async fn take_all(&mut self, first: Packet, reader: &mut PacketReader, writer: &mut PacketWriter) -> io::Result<()> {
        let mut next = Some(first);
        while let Some(packet) = next {
            match packet {
                Packet::Publish(publish) => self.write(publish, writer).await?,
                Packet::ConnAck { code: 0, .. } | Packet::PubAck(_) | Packet::PingResp => {}
                Packet::SubAck { codes, .. } if codes.iter().all(|code| *code == 1) => self.shared.is_ready.store(true, Ordering::Release),
                other => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("unexpected {other:?}"))),
            }
            next = if self.in_flight < IN_FLIGHT_MAX { reader.buffered()? } else { None };
        }
        Ok(())
    }

    /// Writes a message to Kafka; its acknowledgement comes with its fate.
    async fn write(&mut self, publish: Publish, writer: &mut PacketWriter) -> io::Result<()> {
        let mut levels = publish.topic.splitn(5, '/');
        let (site, zone, device, leaf) = (levels.next(), levels.next(), levels.next(), levels.next());
        let (Some(site), Some(zone), Some(device), Some(leaf)) = (site, zone, device, leaf) else {
            self.refuse(&publish, writer);
            return Ok(());
        };
        if !self.places.contains_key(device) && self.places.len() < DEVICES_MAX {
            self.places.insert(device.into(), format!("{site}/{zone}/{device}").into());
        }
        let now_ms = TimestampMs::now().0;
        let (mut at_ms, mut sent_ms) = (now_ms, now_ms);
        for property in levels.next().unwrap_or("").split(',') {
            let number = |name| property.strip_prefix(name).and_then(|number: &str| number.parse().ok());
            at_ms = number(AT).unwrap_or(at_ms);
            sent_ms = number(SENT).unwrap_or(sent_ms);
        }
        let status;
        let (topic, value) = match (leaf, &self.options.status_topic) {
            ("status", Some(topic)) => {
                let kind = String::from_utf8_lossy(&publish.payload);
                status = serde_json::json!({ "device_id": device, "kind": kind, "ts": now_ms }).to_string();
                (Arc::clone(topic), status.as_bytes())
            }
            _ => match self.options.routes.iter().find(|(known, _)| **known == *leaf) {
                Some((_, topic)) => (Arc::clone(topic), &*publish.payload),
                None => {
                    self.refuse(&publish, writer);
                    return Ok(());
                }
            },
        };
        let sent = sent_ms.to_string();
        let record = OutgoingRecord {
            topic: &topic,
            partition: None,
            key: Some(device.as_bytes()),
            value: Some(value),
            headers: &[(SENT_AT_MS, Some(sent.as_bytes()))],
            timestamp_ms: Some(at_ms).filter(|at: &i64| *at >= 0),
        };
        loop {
            let (fate, connection, id) = (self.fate.clone(), self.connection, publish.id.unwrap_or(0));
            // The worker may be gone; then nobody acknowledges.
            let on_delivery = move |outcome: Result<_, ClientError>| {
                let _ = fate.try_send((connection, id, outcome.is_ok()));
            };
            match self.producer.send_with(record, on_delivery).map_err(io::Error::other)? {
                Ok(()) => break,
                Err(_) => tokio::time::sleep(FULL_PAUSE).await,
            }
        }
        self.in_flight += 1;
        Ok(())
    }

    fn refuse(&self, publish: &Publish, writer: &mut PacketWriter) {
        if publish.topic.rsplit('/').next() != Some("status") {
            self.shared.refused.fetch_add(1, Ordering::AcqRel);
        }
        publish.id.iter().for_each(|id| writer.push(&Packet::PubAck(*id)));
    }

    fn settle(&mut self, first: Fate, writer: &mut PacketWriter) -> io::Result<()> {
        let mut next = Some(first);
        while let Some((connection, id, is_written)) = next {
            self.in_flight = self.in_flight.saturating_sub(1);
            self.shared.bridged.fetch_add(u64::from(is_written), Ordering::AcqRel);
            if connection == self.connection {
                if !is_written {
                    return Err(io::Error::other("Kafka did not take a record: all that is not acknowledged shall come again"));
                }
                if id != 0 {
                    writer.push(&Packet::PubAck(id));
                }
            }
            next = self.fates.try_recv().ok();
        }
        Ok(())
    }

    fn tell(&mut self, device: &str, payload: Arc<[u8]>, writer: &mut PacketWriter) {
        let Some(place) = self.places.get(device) else {
            self.shared.unroutable.fetch_add(1, Ordering::AcqRel);
            return;
        };
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        let topic = format!("{place}/commands").into();
        writer.push(&Packet::Publish(Publish { topic, payload, id: Some(self.next_id), retain: false, dup: false }));
    }
}
