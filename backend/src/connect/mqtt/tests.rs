//! Real sockets, a real broker of Kafka's protocol, and kills: nothing is lost, and each device's readings keep their order.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{
    Bridge, BridgeOptions, Broker, BrokerOptions, Fleet, FleetOptions,
    framed::{PacketReader, PacketWriter, framed},
    packet::{Connect, Packet, Publish},
};
use crate::{
    LocalBroker,
    client::{Connection, Reader, ReaderEvent},
};

/// Far beyond what anything here takes: who waits longer has found a defect.
const LONG: Duration = Duration::from_secs(30);

struct Client(PacketReader, PacketWriter);

impl Client {
    async fn connect(address: SocketAddr, connect: Connect) -> Self {
        let mut client = Self::over(TcpStream::connect(address).await.unwrap());
        client.send(Packet::Connect(connect)).await;
        assert!(matches!(client.next().await, Packet::ConnAck { code: 0, .. }));
        client
    }

    fn over(socket: TcpStream) -> Self {
        let (reader, writer) = framed(socket);
        Self(reader, writer)
    }

    async fn send(&mut self, packet: Packet) {
        self.1.push(&packet);
        self.1.flush().await.unwrap();
    }

    async fn next(&mut self) -> Packet {
        tokio::time::timeout(LONG, self.0.next()).await.unwrap().unwrap()
    }

    async fn is_closed(&mut self) -> bool {
        tokio::time::timeout(LONG, self.0.next()).await.unwrap().is_err()
    }

    async fn subscribe(&mut self, filter: &str) {
        self.send(Packet::Subscribe { id: 1, filters: vec![(filter.to_owned(), 1)] }).await;
        assert_eq!(self.next().await, Packet::SubAck { id: 1, codes: vec![1] });
    }

    async fn payload(&mut self) -> Vec<u8> {
        let Packet::Publish(publish) = self.next().await else { panic!("no message") };
        if let Some(id) = publish.id {
            self.send(Packet::PubAck(id)).await;
        }
        publish.payload.to_vec()
    }
}

fn named(client_id: &str, clean_session: bool) -> Connect {
    Connect { client_id: client_id.to_owned(), clean_session, keep_alive_s: 0, will: None }
}

fn message(topic: &str, payload: &[u8], id: u16) -> Publish {
    Publish { topic: topic.into(), payload: payload.into(), id: Some(id), retain: false, dup: false }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn retained_messages_wills_offline_sessions_and_takeover() {
    let broker = Broker::start(BrokerOptions::default()).await.unwrap();
    let will = Publish { retain: true, ..message("a/b/c/status", b"offline", 0) };
    let device = Client::connect(broker.address(), Connect { will: Some(Publish { id: Some(0), ..will }), ..named("c", true) }).await;
    let mut watcher = Client::connect(broker.address(), named("watcher", false)).await;
    watcher.subscribe("+/+/+/status").await;
    drop(device);
    assert_eq!(watcher.payload().await, b"offline");
    let mut late = Client::connect(broker.address(), named("late", true)).await;
    late.subscribe("a/#").await;
    assert_eq!(late.payload().await, b"offline");
    // Whoever is offline gets what came meanwhile, in order.
    watcher.send(Packet::Disconnect).await;
    assert!(watcher.is_closed().await);
    for (id, payload) in [(1, b"1"), (2, b"2")] {
        late.send(Packet::Publish(message("x/y/z/status", payload, id))).await;
        assert_eq!(late.next().await, Packet::PubAck(id));
    }
    let mut back = Client::connect(broker.address(), named("watcher", false)).await;
    assert_eq!((back.payload().await, back.payload().await), (b"1".to_vec(), b"2".to_vec()));
    // Another of that name sends it away.
    let _other = Client::connect(broker.address(), named("watcher", false)).await;
    assert!(back.is_closed().await);
    assert_eq!(broker.counts().wills, 1);
}

#[tokio::test]
async fn hostile_input_closes_its_connection_and_no_other() {
    let broker = Broker::start(BrokerOptions::default()).await.unwrap();
    let mut bystander = Client::connect(broker.address(), named("bystander", true)).await;
    bystander.subscribe("x").await;
    let hostile: [&[u8]; 5] =
        [b"GET / HTTP/1.1\r\n\r\n", &[0xff; 64], &[0x30, 3, 0, 1, b'x'], &[0x10, 0xff, 0xff, 0xff, 0xff, 1], &[0x10, 2, 0, 9]];
    for bytes in hostile {
        let mut socket = TcpStream::connect(broker.address()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        assert!(Client::over(socket).is_closed().await, "{bytes:?}");
    }
    bystander.send(Packet::Publish(message("x", b"still here", 7))).await;
    assert_eq!(bystander.next().await, Packet::PubAck(7));
    assert_eq!(bystander.payload().await, b"still here");
    until("all were counted", || broker.counts().malformed == 5).await;
    assert_eq!(broker.counts().panics, 0);
}

#[tokio::test]
async fn what_must_go_through_is_acknowledged_when_its_subscriber_did() {
    let options = BrokerOptions { through: vec!["+/+/+/telemetry/#".to_owned()], ..BrokerOptions::default() };
    let broker = Broker::start(options).await.unwrap();
    let mut device = Client::connect(broker.address(), named("d", false)).await;
    device.send(Packet::Publish(message("a/b/d/telemetry", b"1", 1))).await;
    assert!(device.is_closed().await, "nobody is there to take it");
    let mut bridge = Client::connect(broker.address(), named("bridge", false)).await;
    bridge.subscribe("+/+/+/telemetry/#").await;
    let mut device = Client::connect(broker.address(), named("d", false)).await;
    device.send(Packet::Publish(message("a/b/d/telemetry", b"1", 1))).await;
    let Packet::Publish(publish) = bridge.next().await else { panic!("no message") };
    // The answer to a ping that was sent later comes first: the acknowledgement waits for the bridge.
    device.send(Packet::PingReq).await;
    assert_eq!(device.next().await, Packet::PingResp);
    bridge.send(Packet::PubAck(publish.id.unwrap())).await;
    assert_eq!(device.next().await, Packet::PubAck(1));
}

struct Plant {
    kafka: LocalBroker,
    connection: Connection,
    /// Deleted after the broker has stopped.
    _data: tempfile::TempDir,
}

impl Plant {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let kafka = LocalBroker::start_anywhere(Some(data.path().to_owned())).unwrap();
        let connection = Connection::new(kafka.bootstrap(), []);
        Self { kafka, connection, _data: data }
    }

    fn bridge(&self, broker: SocketAddr) -> Bridge {
        let routes = vec![("telemetry".into(), "sensor_data".into()), ("acks".into(), "command_acks".into())];
        Bridge::start(BridgeOptions { broker, routes, status_topic: Some("device_events".into()) }, &self.connection).unwrap()
    }

    /// Sequence numbers by device, in the order of their first coming; waits for so many.
    fn readings(&self, wanted: usize) -> BTreeMap<String, Vec<u64>> {
        let reader = Reader::new(&self.connection, "", false).unwrap();
        reader.assign_topics([("sensor_data", 0, 0)]).unwrap();
        let (began, mut readings, mut count) = (Instant::now(), BTreeMap::<String, Vec<u64>>::new(), 0);
        while count < wanted {
            assert!(began.elapsed() < LONG, "{count} of {wanted}");
            let Some(ReaderEvent::Record(record)) = reader.poll(Duration::from_millis(100)).unwrap() else { continue };
            let device = String::from_utf8(record.key().unwrap().to_vec()).unwrap();
            let seq = std::str::from_utf8(record.value().unwrap()).unwrap().parse().unwrap();
            let seqs = readings.entry(device).or_default();
            if !seqs.contains(&seq) {
                seqs.push(seq);
                count += 1;
            }
        }
        readings
    }
}

fn through() -> BrokerOptions {
    BrokerOptions { through: vec!["+/+/+/telemetry/#".to_owned(), "+/+/+/acks/#".to_owned()], ..BrokerOptions::default() }
}

const DEVICES: usize = 40;
const ROUNDS: u64 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_reordered_when_broker_and_bridge_are_killed() {
    let plant = Plant::new();
    let mut broker = Broker::start(through()).await.unwrap();
    let address = broker.address();
    let mut bridge = plant.bridge(address);
    let mut fleet = Fleet::new(FleetOptions::new(address));
    for seq in 0..ROUNDS {
        for device in 0..DEVICES {
            fleet.send("site/zone", &format!("device-{device}"), "telemetry", seq.to_string().as_bytes());
        }
        if seq == ROUNDS / 3 {
            until("some came", || fleet.counts().acknowledged > 0).await;
            broker.kill().await;
            let listen = BrokerOptions { listen: address, ..through() };
            let began = Instant::now();
            broker = loop {
                match Broker::start(listen.clone()).await {
                    Ok(broker) => break broker,
                    Err(error) => assert!(began.elapsed() < LONG, "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
        }
        if seq == 2 * ROUNDS / 3 {
            drop(bridge);
            bridge = plant.bridge(address);
        }
    }
    until("all were acknowledged", || fleet.counts().waiting == 0).await;
    let wanted = DEVICES * ROUNDS as usize;
    assert_eq!((fleet.counts().acknowledged, fleet.counts().dropped), (wanted as u64, 0));
    let readings = tokio::task::block_in_place(|| plant.readings(wanted));
    for (device, seqs) in readings {
        assert!(seqs.iter().copied().eq(0..ROUNDS), "{device}: {seqs:?}");
    }
    assert!(fleet.counts().connects > DEVICES as u64, "the kill was felt");
    assert_eq!(broker.counts().panics, 0);
    drop((bridge, plant.kafka));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_reach_devices_and_their_answers_reach_kafka() {
    let plant = Plant::new();
    let broker = Broker::start(through()).await.unwrap();
    let bridge = plant.bridge(broker.address());
    let mut fleet = Fleet::new(FleetOptions::new(broker.address()));
    fleet.send("site/zone", "pump", "telemetry", b"0");
    until("the bridge knows the device", || fleet.counts().waiting == 0).await;
    assert!(bridge.command("pump", b"open"));
    assert!(bridge.command("nobody", b"open"));
    let began = Instant::now();
    let heard = loop {
        let heard = fleet.heard();
        if !heard.is_empty() {
            break heard;
        }
        assert!(began.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!((&*heard[0].device, &*heard[0].payload), ("pump", b"open".as_slice()));
    fleet.send("site/zone", "pump", "acks", b"done");
    until("the answer is in Kafka", || fleet.counts().waiting == 0).await;
    until("the other command is counted", || bridge.unroutable() == 1).await;
    let reader = Reader::new(&plant.connection, "", false).unwrap();
    reader.assign_topics([("command_acks", 0, 0)]).unwrap();
    let answer = tokio::task::block_in_place(|| {
        loop {
            assert!(began.elapsed() < LONG);
            if let Some(ReaderEvent::Record(record)) = reader.poll(Duration::from_millis(100)).unwrap() {
                break record.value().map(<[u8]>::to_vec);
            }
        }
    });
    assert_eq!(answer.as_deref(), Some(b"done".as_slice()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_buffer_lets_the_oldest_go_and_counts() {
    let broker = Broker::start(through()).await.unwrap();
    let address = broker.address();
    broker.kill().await;
    let mut fleet = Fleet::new(FleetOptions { buffer_max: 100, ..FleetOptions::new(address) });
    for seq in 0..250_u64 {
        fleet.send("site/zone", "d", "telemetry", seq.to_string().as_bytes());
    }
    assert_eq!((fleet.counts().dropped, fleet.counts().waiting), (150, 100));
    let plant = Plant::new();
    let _broker = Broker::start(BrokerOptions { listen: address, ..through() }).await.unwrap();
    let _bridge = plant.bridge(address);
    let readings = tokio::task::block_in_place(|| plant.readings(100));
    assert!(readings["d"].iter().copied().eq(150..250));
}
