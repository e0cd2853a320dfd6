//! Both ways to share the work of a group: the classic protocol, and the one of KIP-848 with its way back where nobody offers it.

use weir_backend::{
    client::{Connection, GroupProtocol},
    stream::app::{AppConfig, Guarantee},
};
use weir_broker::BrokerConfig;
use weir_model::{ClusterProperty, Secret};

use crate::{
    support::{Cluster, eventually, start, wait_for_tasks},
    word_count::{COUNTS, LINES, PARTITIONS, config, lines, naive},
};

/// The silence after which the broker takes a member of the newer protocol for dead; members can't choose it.
const SESSION_MS: i32 = 3_000;

/// A count by two instances, one of which dies without a word.
fn check(guarantee: Guarantee, protocol: GroupProtocol, is_offered: bool) {
    let set_up = |mut broker: BrokerConfig| {
        broker.groups.offers_consumer_protocol = is_offered;
        broker.groups.consumer_session_timeout_ms = SESSION_MS;
        broker.groups.consumer_heartbeat_interval_ms = 200;
        broker
    };
    let cluster = Cluster::with(&[(LINES, PARTITIONS), (COUNTS, PARTITIONS)], set_up);
    let instance = || AppConfig { group_protocol: protocol, ..config(&cluster, guarantee) };
    let lines = lines(11, 600);
    let (first, second) = lines.split_at(300);
    let (stays, dies) = (start(instance()), start(instance()));
    eventually("both have tasks", || {
        assert!(stays.failure().is_none() && dies.failure().is_none(), "{:?} {:?}", stays.failure(), dies.failure());
        stays.snapshot().tasks().count() > 0 && dies.snapshot().tasks().count() > 0
    });
    cluster.produce(LINES, first.iter().cloned());
    eventually("the first half is counted", || cluster.table(COUNTS) == naive(first));
    assert_eq!(cluster.is_consumer_protocol("word-count"), Some(is_offered));
    dies.crash();
    cluster.produce(LINES, second.iter().cloned());
    wait_for_tasks(&stays);
    eventually("all is counted", || cluster.table(COUNTS) == naive(&lines));
}

#[test]
fn the_coordinator_shares_out_where_it_offers_to() {
    check(Guarantee::AtLeastOnce, GroupProtocol::Consumer, true);
    check(Guarantee::ExactlyOnce, GroupProtocol::Consumer, true);
}

#[test]
fn the_classic_protocol_takes_its_place_where_it_does_not() {
    check(Guarantee::AtLeastOnce, GroupProtocol::Consumer, false);
}

#[test]
fn the_user_chooses_by_the_property_of_librdkafka() {
    let check = |properties: &[(&str, &str)], expect| {
        let properties: Vec<_> =
            properties.iter().map(|(name, value)| ClusterProperty { name: (*name).into(), value: Secret::new(*value) }).collect();
        assert_eq!(Connection::new("localhost:1", properties).group_protocol(), expect);
    };
    check(&[], GroupProtocol::Classic);
    check(&[("group.protocol", "consumer")], GroupProtocol::Consumer);
    check(&[("group.protocol", "classic")], GroupProtocol::Classic);
}
