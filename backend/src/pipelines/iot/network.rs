//! The fleet over real MQTT: every device is a client of its own, the bridge writes to Kafka what they publish.
//!
//! The world still decides what happens and when; here it happens on sockets. A device that loses its network has its connection cut,
//! so that the broker publishes its last will; a dead broker is a broker that is dropped.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;
use weir_model::Problem;

use super::{
    bridge::{Bridge, Kind, RESEND, mqtt_topic},
    settings::{COMMAND_ACKS, COMMANDS, DEVICE_EVENTS, SENSOR_DATA},
    world::FleetWorld,
};
use crate::{
    client::Connection,
    connect::mqtt::{Broker, Client, ClientOptions, Event, Message, Saved},
    pipelines::shape::{Command, Emit, EmitRecord, Observed, RunParams, World},
    sim::iot::{self, DeviceEvent, DeviceEventKind, DeviceId},
};

/// Devices with a connection of their own; each takes two file descriptors of this process, of which there are 1,024 by default.
const CLIENTS_MAX: u32 = 400;
/// Messages of a device on their way at once: with all devices fewer than what a broker keeps for the bridge.
const WINDOW: usize = 32;
/// Commands that devices heard and the world has not taken yet.
const INBOX_MAX: usize = 10_000;
/// How long the last messages may take to reach Kafka.
const SETTLE_MAX: Duration = Duration::from_secs(60);
const SETTLE_PAUSE: Duration = Duration::from_millis(5);

/// The world of a run over MQTT.
pub(super) struct NetworkWorld {
    world: FleetWorld,
    devices: BTreeMap<String, Client>,
    heard: Mutex<mpsc::Receiver<iot::Command>>,
    to_hear: mpsc::SyncSender<iot::Command>,
    bridge: Bridge,
    now_ms: Arc<AtomicI64>,
    address: SocketAddr,
    /// The embedded broker while it lives; never with one from elsewhere.
    broker: Option<Broker>,
    /// When the embedded broker is started again, event time, and what it has on its disk.
    broker_back_ms: Option<i64>,
    saved: Saved,
    run: Arc<str>,
    runtime: Runtime,
}

impl NetworkWorld {
    /// Starts broker and bridge; devices come with their first readings. Where somebody listens on the port already, that is the broker;
    /// else the embedded one listens there, on any port for 0.
    pub(super) fn start(run: &RunParams, connection: &Connection, port: u16) -> Result<Self, Problem> {
        let failed = |why: String| Problem::new("The devices' network could not start", why, "Run it with --set mqtt=0, without MQTT");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("iot-mqtt").enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let broker = match Broker::start(runtime.handle(), loopback(port)) {
            Ok(broker) => Some(broker),
            Err(error) if port > 0 && error.kind() == io::ErrorKind::AddrInUse => None,
            Err(error) => return Err(failed(error.to_string())),
        };
        let address = broker.as_ref().map_or(loopback(port), Broker::address);
        let now_ms = Arc::new(AtomicI64::new(run.start_at.0));
        let bridge = Bridge::start(runtime.handle(), &address.to_string(), &run.name, connection, Arc::clone(&now_ms));
        let bridge = bridge.map_err(|error| failed(error.to_string()))?;
        let (to_hear, heard) = mpsc::sync_channel(INBOX_MAX);
        let whose = if broker.is_some() { "the embedded broker" } else { "the broker that was there" };
        let through = format!("{address}, {whose}");
        tracing::info!("devices speak MQTT at {through}");
        let (world, name) = (FleetWorld::new(run, CLIENTS_MAX, through), Arc::clone(&run.name));
        let (devices, heard) = (BTreeMap::new(), Mutex::new(heard));
        Ok(Self {
            world,
            devices,
            heard,
            to_hear,
            bridge,
            now_ms,
            address,
            broker,
            broker_back_ms: None,
            saved: Saved::default(),
            run: name,
            runtime,
        })
    }

    /// A device's client, connected when it is first needed.
    fn device(&mut self, id: &str) -> &Client {
        let (address, run, runtime, to_hear) = (self.address, &self.run, &self.runtime, &self.to_hear);
        self.devices.entry(id.to_owned()).or_insert_with(|| {
            let will = DeviceEvent { device_id: DeviceId(id.to_owned()), kind: DeviceEventKind::Offline, ts: 0 };
            let will = serde_json::to_vec(&will).unwrap_or_default();
            let options = ClientOptions {
                address: address.to_string(),
                client_id: format!("{id}-{run}"),
                will: Some(Message { topic: mqtt_topic(id, Kind::Status), payload: will, is_retained: false }),
                filters: vec![mqtt_topic(id, Kind::Commands)],
                keep_alive_s: 60,
                retry: Duration::from_millis(100 + crate::sim::hash64(0, id.len() as u64 ^ id.bytes().map(u64::from).sum::<u64>()) % 400),
                window: WINDOW,
                resend: RESEND,
                acknowledges_itself: false,
            };
            let to_hear = to_hear.clone();
            let client = Client::start(runtime.handle(), options, move |event| {
                // Nonsense is not listened to; what a full inbox does not take expires.
                if let Event::Received(publish) = event
                    && let Ok(command) = serde_json::from_slice(&publish.message.payload)
                {
                    drop(to_hear.try_send(command));
                }
            });
            client.connect();
            client
        })
    }

    /// What the world made goes over MQTT where a device tells it, and straight to Kafka where nobody does.
    fn route(&mut self, out: &mut Emit) {
        for record in out.take() {
            match (record.topic, record.partition) {
                (SENSOR_DATA, None) if self.speaks(&record) => self.publish(record, Kind::Data),
                (COMMAND_ACKS, None) if self.speaks(&record) => self.publish(record, Kind::Acks),
                (DEVICE_EVENTS, None) if self.speaks(&record) => self.change_connection(record),
                _ => out.push(record),
            }
        }
    }

    /// Whether a record's device speaks MQTT: the first of them do, as many as can.
    fn speaks(&self, record: &EmitRecord) -> bool {
        let id = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        id.is_some_and(|id| self.devices.contains_key(id) || self.devices.len() < CLIENTS_MAX as usize)
    }

    fn publish(&mut self, record: EmitRecord, kind: Kind) {
        let (Some(key), Some(payload)) = (record.key, record.value) else { return };
        let id = String::from_utf8_lossy(&key).into_owned();
        self.device(&id).publish(Message { topic: mqtt_topic(&id, kind), payload, is_retained: false });
    }

    /// A device that is lost has its connection cut, and the broker tells its will; one that is back connects and says so.
    fn change_connection(&mut self, record: EmitRecord) {
        let Some(event) = record.value.as_deref().and_then(|value| serde_json::from_slice::<DeviceEvent>(value).ok()) else { return };
        let client = self.device(&event.device_id.0);
        match event.kind {
            DeviceEventKind::Offline => client.lose(),
            DeviceEventKind::Online => {
                client.connect();
                self.publish(record, Kind::Status);
            }
        }
    }

    fn revive_broker(&mut self) {
        if self.broker.is_none() && self.broker_back_ms.take().is_some() {
            match Broker::restart(self.runtime.handle(), self.address, self.saved.clone()) {
                Ok(broker) => self.broker = Some(broker),
                Err(error) => {
                    tracing::warn!("the MQTT broker can't come back: {error}");
                    self.broker_back_ms = Some(self.world.now_ms() + 1_000);
                }
            }
        }
    }

    /// Waits until all that devices told is in Kafka.
    fn settle(&mut self) {
        let deadline = Instant::now() + SETTLE_MAX;
        let waiting = |this: &Self| this.devices.values().map(Client::unacknowledged).sum::<usize>();
        while (waiting(self) > 0 || !self.bridge.is_idle()) && Instant::now() < deadline && self.bridge.failure().is_none() {
            std::thread::sleep(SETTLE_PAUSE);
        }
        if let Some(failure) = self.bridge.failure() {
            tracing::warn!("the bridge could not write: {failure}");
        }
        if waiting(self) > 0 {
            tracing::warn!("{} messages of devices did not reach Kafka", waiting(self));
        }
    }
}

impl World for NetworkWorld {
    fn due_ns(&self) -> u128 {
        self.world.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        let now_ms = self.world.now_ms();
        self.now_ms.fetch_max(now_ms, Ordering::AcqRel);
        if self.broker_back_ms.is_some_and(|back_ms| back_ms <= now_ms) {
            self.revive_broker();
        }
        let commands: Vec<_> = self.heard.get_mut().map(|heard| heard.try_iter().collect()).unwrap_or_default();
        commands.into_iter().for_each(|command| self.world.tell(command));
        self.world.next(out);
        self.route(out);
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.world.set_rate(rate_per_s);
    }

    fn events(&self) -> u64 {
        self.world.events()
    }

    fn bridged(&self) -> u64 {
        self.bridge.delivered()
    }

    fn command(&mut self, command: &Command) -> Option<i64> {
        let for_ms = self.world.command(command)?;
        let is_brokers = matches!(command.fault.as_str(), "mqtt_down" | "herd");
        // A broker from elsewhere is not ours to stop.
        let mut is_ours = self.broker_back_ms.is_some();
        if let Some(broker) = self.broker.take_if(|_| is_brokers) {
            (self.saved, is_ours) = (broker.stop(self.runtime.handle()), true);
        }
        if is_brokers && is_ours {
            self.broker_back_ms = Some(self.world.now_ms() + for_ms);
        }
        Some(for_ms)
    }

    fn hears(&self) -> Vec<Arc<str>> {
        vec![COMMANDS.into()]
    }

    /// The bridge's other direction: from Kafka to the device's topic.
    fn hear(&mut self, record: &Observed<'_>) {
        let device = record.key.and_then(|key| std::str::from_utf8(key).ok());
        let command = record.value.and_then(|value| serde_json::from_slice::<iot::Command>(value).ok());
        let (Some(device), Some(value), Some(command)) = (device, record.value, command) else { return };
        // A command for somebody else is nobody's, whatever key it has.
        match (command.device_id.0 == device, self.devices.contains_key(device)) {
            (true, true) => self.bridge.command(device, value),
            (true, false) => self.world.tell(command),
            (false, _) => {}
        }
    }

    fn finish(&mut self, out: &mut Emit) {
        self.revive_broker();
        self.devices.values().for_each(Client::connect);
        self.world.finish(out);
        self.route(out);
        self.settle();
    }
}
