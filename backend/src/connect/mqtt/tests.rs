//! Packets by property, and broker and clients over real sockets.

use std::{net::SocketAddr, sync::mpsc, time::Duration};

use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;

const WAIT_MAX: Duration = Duration::from_secs(20);

fn message() -> impl Strategy<Value = Message> {
    ("[a-z]{1,5}(/[a-z0-9]{1,4}){0,3}", proptest::collection::vec(any::<u8>(), 0..300), any::<bool>())
        .prop_map(|(topic, payload, is_retained)| Message { topic, payload, is_retained })
}

fn packet() -> impl Strategy<Value = Packet> {
    let connect = ("[a-z]{0,9}", any::<bool>(), any::<u16>(), proptest::option::of(message())).prop_map(
        |(client_id, is_clean, keep_alive_s, will)| Packet::Connect { client_id, is_clean, keep_alive_s, will, is_foreign: false },
    );
    let publish =
        (message(), any::<u16>(), any::<bool>()).prop_map(|(message, id, is_dup)| Packet::Publish(Publish { message, id, is_dup }));
    let filters = proptest::collection::vec(("[a-z+#/]{1,9}", 0_u8..3), 1..5);
    prop_oneof![
        connect,
        publish,
        (1_u16.., filters).prop_map(|(id, filters)| Packet::Subscribe(id, filters)),
        (1_u16..).prop_map(Packet::PubAck),
        (any::<bool>(), 0_u8..6).prop_map(|(is_present, code)| Packet::ConnAck { is_present, code }),
        Just(Packet::PingReq),
        Just(Packet::Disconnect),
    ]
}

proptest! {
    #[test]
    fn packets_return_from_their_bytes_however_they_are_cut(packets in proptest::collection::vec(packet(), 1..6), cut in 1_usize..50) {
        let mut bytes = Vec::new();
        packets.iter().for_each(|packet| packet.encode(&mut bytes));
        let (mut read, mut got) = (Vec::new(), Vec::new());
        for part in bytes.chunks(cut) {
            read.extend_from_slice(part);
            while let Some(packet) = Packet::decode(&mut read).expect("a packet") {
                got.push(packet);
            }
        }
        prop_assert_eq!(got, packets);
        prop_assert!(read.is_empty());
    }

    #[test]
    fn nonsense_is_refused_or_waited_for(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        while let Ok(Some(_)) = Packet::decode(&mut bytes) {}
    }
}

/// A client, and what happens to it.
fn client(
    runtime: &Runtime,
    address: SocketAddr,
    id: &str,
    filters: &[&str],
    acknowledges_itself: bool,
) -> (Client, mpsc::Receiver<Event>) {
    let (sender, events) = mpsc::sync_channel(10_000);
    let options = ClientOptions {
        address: address.to_string(),
        client_id: id.to_owned(),
        will: Some(Message { topic: format!("{id}/status"), payload: b"gone".to_vec(), is_retained: false }),
        filters: filters.iter().map(|filter| (*filter).to_owned()).collect(),
        keep_alive_s: 30,
        retry: Duration::from_millis(20),
        window: 8,
        resend: Duration::from_millis(50),
        acknowledges_itself,
    };
    (Client::start(runtime.handle(), options, move |event| drop(sender.try_send(event))), events)
}

fn received(events: &mpsc::Receiver<Event>) -> Publish {
    loop {
        if let Event::Received(publish) = events.recv_timeout(WAIT_MAX).expect("a message") {
            return publish;
        }
    }
}

fn connected(events: &mpsc::Receiver<Event>) {
    while events.recv_timeout(WAIT_MAX).expect("a connection") != Event::Connected {}
}

#[test]
fn messages_survive_the_death_of_the_broker_and_of_connections() {
    let runtime = Runtime::new().expect("a runtime");
    let broker = Broker::start(runtime.handle(), ([127, 0, 0, 1], 0).into()).expect("a broker");
    let address = broker.address();
    let (bridge, bridged) = client(&runtime, address, "bridge", &["+/data", "+/status"], true);
    bridge.connect();
    connected(&bridged);
    let (device, events) = client(&runtime, address, "device", &["device/commands"], false);
    device.connect();
    connected(&events);
    let publish = |number: u8| device.publish(Message { topic: "device/data".to_owned(), payload: vec![number], is_retained: false });
    (0..20).for_each(publish);
    let first = received(&bridged);
    let saved = broker.stop(runtime.handle());
    while events.recv_timeout(WAIT_MAX).expect("it is noticed") != Event::Lost {}
    (20..40).for_each(publish);
    let broker = Broker::restart(runtime.handle(), address, saved).expect("the same address");
    let mut seen: std::collections::BTreeSet<u8> = [first.message.payload[0]].into();
    bridge.acknowledge(first.id);
    while !seen.contains(&39) {
        let publish = received(&bridged);
        seen.extend(publish.message.payload.first());
        bridge.acknowledge(publish.id);
    }
    assert!((first.message.payload[0]..40).all(|number| seen.contains(&number)), "{seen:?}");
    device.lose();
    loop {
        let publish = received(&bridged);
        bridge.acknowledge(publish.id);
        if publish.message.topic == "device/status" {
            assert_eq!(publish.message.payload, b"gone");
            break;
        }
    }
    bridge.publish(Message { topic: "device/commands".to_owned(), payload: b"open".to_vec(), is_retained: false });
    device.connect();
    assert_eq!(received(&events).message.payload, b"open", "it waited for the device");
    drop(broker);
}

#[test]
fn a_message_without_an_answer_is_sent_again_on_the_same_connection() {
    use std::io::{Read as _, Write as _};
    let runtime = Runtime::new().expect("a runtime");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let (device, events) = client(&runtime, listener.local_addr().expect("an address"), "device", &[], false);
    device.connect();
    device.publish(Message { topic: "device/data".to_owned(), payload: vec![7], is_retained: false });
    let (mut stream, _) = listener.accept().expect("it connects");
    stream.set_read_timeout(Some(WAIT_MAX)).expect("a timeout");
    let mut bytes = Vec::new();
    let mut next = |stream: &mut std::net::TcpStream| loop {
        match Packet::decode(&mut bytes).expect("a packet") {
            Some(Packet::PingReq) => {}
            Some(packet) => return packet,
            None => {
                let mut part = [0; 512];
                let count = stream.read(&mut part).expect("bytes");
                bytes.extend_from_slice(&part[..count]);
            }
        }
    };
    let answer = |stream: &mut std::net::TcpStream, packet: Packet| {
        let mut out = Vec::new();
        packet.encode(&mut out);
        stream.write_all(&out).expect("it listens");
    };
    assert!(matches!(next(&mut stream), Packet::Connect { .. }));
    answer(&mut stream, Packet::ConnAck { is_present: false, code: 0 });
    // Its answers are lost, twice.
    for is_dup in [false, true, true] {
        let Packet::Publish(publish) = next(&mut stream) else { panic!("a message") };
        assert_eq!((publish.message.payload, publish.id, publish.is_dup), (vec![7], 1, is_dup));
    }
    assert_eq!(device.unacknowledged(), 1);
    answer(&mut stream, Packet::PubAck(1));
    // What comes after the answer tells that the answer was taken in.
    let marker = Message { topic: "device/commands".to_owned(), payload: vec![9], is_retained: false };
    answer(&mut stream, Packet::Publish(Publish { message: marker, id: 1, is_dup: false }));
    received(&events);
    assert_eq!(device.unacknowledged(), 0);
    device.publish(Message { topic: "device/data".to_owned(), payload: vec![8], is_retained: false });
    let second = loop {
        // What was on its way when the answer came is the first once more.
        match next(&mut stream) {
            Packet::PubAck(1) => {}
            Packet::Publish(publish) if publish.id == 1 => {}
            packet => break packet,
        }
    };
    assert!(matches!(second, Packet::Publish(Publish { id: 2, is_dup: false, .. })), "{second:?}");
    assert_eq!(device.unacknowledged(), 1, "only the second waits");
}

#[test]
fn a_client_that_connects_anew_gets_again_what_it_did_not_acknowledge_and_no_acknowledgement_is_lost() {
    let runtime = Runtime::new().expect("a runtime");
    let broker = Broker::start(runtime.handle(), ([127, 0, 0, 1], 0).into()).expect("a broker");
    let (bridge, bridged) = client(&runtime, broker.address(), "bridge", &["+/data"], true);
    bridge.connect();
    connected(&bridged);
    let (device, events) = client(&runtime, broker.address(), "device", &[], false);
    device.connect();
    connected(&events);
    device.publish(Message { topic: "device/data".to_owned(), payload: vec![1], is_retained: false });
    let first = received(&bridged);
    bridge.reconnect();
    let again = received(&bridged);
    assert_eq!((again.id, again.is_dup, &again.message), (first.id, true, &first.message));
    bridge.acknowledge(again.id);
    // More at once than a client takes orders.
    let count = 6_000_u32;
    let publisher = device.clone();
    let publishing = std::thread::Builder::new().name("publisher".to_owned());
    let publishing = publishing.spawn(move || {
        for number in 0..count {
            let payload = number.to_be_bytes().to_vec();
            publisher.publish(Message { topic: "device/data".to_owned(), payload, is_retained: false });
        }
    });
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < count as usize {
        let publish = received(&bridged);
        bridge.acknowledge(publish.id);
        seen.extend(<[u8; 4]>::try_from(publish.message.payload.as_slice()).map(u32::from_be_bytes));
    }
    publishing.expect("a thread").join().expect("it publishes");
    drop((device, bridge, broker));
}
