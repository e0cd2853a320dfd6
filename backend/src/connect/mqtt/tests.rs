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
