//! A data folder with something of everything in it, on a disk in memory.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::kinds::kind_of;
use crate::clock::ManualClock;
use crate::config::BrokerConfig;
use crate::coordinator::command::{Caller, Command as GroupCommand, CommitOffsets, OffsetToCommit};
use crate::coordinator::transaction::{Command, Reply, TopicPartition, TransactionalId};
use crate::disk::{Disk, MemoryDisk};
use crate::log::records::{build_batch, build_producer_batch};
use crate::log::{Begins, Origin, Partition, ProducerEpoch, batch};
use crate::node::Node;
use crate::security::{
    Binding, BoundListener, Entity, EntityType, Named, Operation, PatternType, Permission, QuotaKey, ResourceType, ScramCredential,
    ScramHash, SecurityProtocol,
};
use crate::topics::NewTopic;
use crate::topics::configs::BrokerOverrides;

/// Numbered records of an idempotent producer, the first ones deleted.
pub(super) const PLAIN: &str = "plain";
/// Transactions: committed, aborted and open ones.
pub(super) const LEDGER: &str = "ledger";
/// The compacted one.
pub(super) const TABLE: &str = "table";
/// The group that commits, and how far it got, one record a time.
pub(super) const GROUP: &str = "readers";
pub(super) const COMMITS: i64 = 12;
/// The producer of [`PLAIN`].
pub(super) const WRITER: i64 = 500_000;
/// Records in [`PLAIN`].
pub(super) const NUMBERS: i32 = 14;
/// What values of the ledger begin with when they are to be seen.
pub(super) const COMMITTED: &str = "committed";
const START_MS: i64 = 1_000_000_000;

/// Opens a data folder, without sockets.
pub(super) fn open(disk: Arc<dyn Disk>, data_dir: &str) -> io::Result<Node> {
    let listener = BoundListener {
        name: "SASL_PLAINTEXT".to_owned(),
        protocol: SecurityProtocol::SaslPlaintext,
        address: ([127, 0, 0, 1], 0).into(),
        advertised: ("localhost".to_owned(), 0),
        mechanisms: Vec::new(),
        tls: None,
    };
    let clock = Arc::new(ManualClock::new(START_MS));
    Node::open(BrokerConfig { disk, clock, ..BrokerConfig::new(data_dir) }, vec![listener])
}

/// The folder of a broker that was killed.
pub(super) fn build(disk: Arc<dyn Disk>, data_dir: &str) {
    let node = open(disk, data_dir).unwrap();
    create(&node, PLAIN, &[("segment.bytes", "400"), ("index.interval.bytes", "100")]);
    create(&node, LEDGER, &[("segment.bytes", "700")]);
    let compacted = [("segment.bytes", "300"), ("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")];
    create(&node, TABLE, &compacted);
    for number in 0..NUMBERS {
        append(&node, PLAIN, &numbered(number));
    }
    log(&node, PLAIN).delete_records(3).unwrap();
    for at in 0..9 {
        let (key, value) = (format!("key {}", at % 3), format!("value {at}"));
        append(&node, TABLE, &build_batch(START_MS, [(Some(key.as_bytes()), Some(value.as_bytes()))]));
    }
    transactions(&node);
    (1..=COMMITS).for_each(|offset| commit(&node, offset));
    settings(&node);
    for topic in node.topics.all() {
        topic.partitions().iter().for_each(|log| log.seal_closed().unwrap());
    }
    log(&node, TABLE).clean().unwrap();
    for at in 0..6 {
        let (key, value) = (format!("key {}", at % 2), format!("later {at}"));
        append(&node, TABLE, &build_batch(START_MS, [(Some(key.as_bytes()), Some(value.as_bytes()))]));
    }
    log(&node, TABLE).seal_closed().unwrap();
}

/// The same folder after a crash in the middle of a compaction: with a file of this kind.
pub(super) fn amid_compaction(whole: &MemoryDisk, kind: &str) -> MemoryDisk {
    for changes in 0..100 {
        let disk = whole.copy();
        let node = open(Arc::new(disk.clone()), "/data").unwrap();
        disk.set_changes_left(Some(changes));
        // It ends where the disk does.
        let _killed = log(&node, TABLE).clean();
        if disk.paths().iter().any(|path| kind_of(path).is_some_and(|it| it.name == kind)) {
            return disk.copy();
        }
    }
    panic!("no compaction leaves a {kind}");
}

pub(super) fn log(node: &Node, topic: &str) -> Arc<Partition> {
    node.log(topic, 0).unwrap()
}

/// What the group has stored.
pub(super) fn stored_offset(node: &Node) -> i64 {
    let stored =
        node.coordinator.read(|state| state.get(GROUP).and_then(|group| group.durable.offsets.get(PLAIN)?.get(&0).map(|it| it.offset)));
    stored.unwrap_or(0)
}

/// A record of the idempotent producer.
pub(super) fn numbered(number: i32) -> Bytes {
    let mut batch = BytesMut::from(&build_batch(START_MS + i64::from(number), [(None, Some(number.to_string().as_bytes()))])[..]);
    batch[43..51].copy_from_slice(&WRITER.to_be_bytes());
    batch[51..53].copy_from_slice(&0_i16.to_be_bytes());
    batch[53..57].copy_from_slice(&number.to_be_bytes());
    batch::seal(&mut batch);
    batch.freeze()
}

fn create(node: &Node, name: &str, overrides: &[(&str, &str)]) {
    let overrides = overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    node.topics.create(NewTopic { name: name.to_owned(), partitions: 1, overrides }).unwrap();
}

fn append(node: &Node, topic: &str, batch: &Bytes) {
    log(node, topic).append(batch, Origin::Client).unwrap();
}

/// Two that write in turns: one commits, the other aborts; at last both are left open.
fn transactions(node: &Node) {
    let ids: [TransactionalId; 2] = ["payer".into(), "giver up".into()];
    let ask = |id: &TransactionalId, command| node.transactions.ask(id, command).unwrap();
    let mut producers = ids.clone().map(|id| match ask(&id, Command::Init { timeout_ms: 60_000, expected: None }) {
        Reply::Producer(producer) => producer,
        other => panic!("{other:?}"),
    });
    for round in 0..4 {
        for ((id, producer), word) in ids.iter().zip(&mut producers).zip([COMMITTED, "aborted"]) {
            let word = if round == 3 { "open" } else { word };
            log(node, LEDGER).verify_transaction(*producer, Begins::AtZero);
            let partitions = vec![TopicPartition { topic: LEDGER.into(), partition: 0 }];
            ask(id, Command::Add { producer: *producer, partitions, client_version: 2 });
            append(node, LEDGER, &transactional(*producer, &format!("{word} {round}")));
        }
        for ((id, producer), is_commit) in ids.iter().zip(&mut producers).zip([true, false]).filter(|_| round < 3) {
            match ask(id, Command::End { producer: *producer, is_commit, client_version: 2 }) {
                Reply::Producer(next) => *producer = next,
                other => panic!("{other:?}"),
            }
        }
    }
}

fn transactional(producer: ProducerEpoch, value: &str) -> Bytes {
    let mut batch = BytesMut::from(&build_producer_batch(START_MS, producer, false, [(None, Some(value.as_bytes()))])[..]);
    batch[53..57].copy_from_slice(&0_i32.to_be_bytes());
    batch::seal(&mut batch);
    batch.freeze()
}

fn commit(node: &Node, offset: i64) {
    let offset =
        OffsetToCommit { topic: PLAIN.into(), partition: 0, offset, leader_epoch: -1, metadata: String::new(), retention_ms: None };
    let member = Caller { generation: -1, ..Caller::default() };
    let commit = CommitOffsets { member, offsets: vec![offset], producer: None, has_member_epoch: false };
    futures::executor::block_on(node.coordinator.ask(&GROUP.into(), GroupCommand::CommitOffsets(commit))).unwrap();
}

fn settings(node: &Node) {
    let set = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    let overrides = BrokerOverrides { broker: set("log.retention.ms", "604800000"), cluster: set("message.max.bytes", "1000000") };
    node.topics.set_broker_overrides(overrides, false).unwrap();
    let credential =
        ScramCredential { hash: ScramHash::Sha256, iterations: 4_096, salt: vec![1; 8], stored_key: vec![2; 32], server_key: vec![3; 32] };
    node.security.users.change(vec![("alice".to_owned(), ScramHash::Sha256, Some(credential))]).unwrap();
    let binding = Binding {
        resource: ResourceType::Topic,
        pattern: PatternType::Literal,
        name: PLAIN.to_owned(),
        principal: "User:alice".to_owned(),
        host: "*".to_owned(),
        operation: Operation::Read,
        permission: Permission::Deny,
    };
    node.security.acls.as_ref().unwrap().add(vec![binding]).unwrap();
    let alice = Entity::of([(EntityType::User, Named::Name("alice".to_owned()))]);
    node.security.quotas.change(&[(alice, QuotaKey::ProducerByteRate, Some(1e6))]).unwrap();
}

/// Every file of a data folder on a real disk.
pub(super) fn files_below(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
