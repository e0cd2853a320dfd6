//! The broker's insides on a disk and a clock of the simulation's, and what readers see of them.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::random::Random;
use crate::clock::ManualClock;
use crate::config::{Durability, Limits};
use crate::coordinator::transaction::{TransactionConfig, TransactionCoordinator};
use crate::coordinator::{Coordinator, GroupConfig, InternalTopic};
use crate::disk::MemoryDisk;
use crate::log::records::records;
use crate::log::{Environment, Origin, Partition, batch};
use crate::producer_ids::ProducerIds;
use crate::topics::{NewTopic, Topics};

/// What writers write to, by number.
pub(super) const PLAIN: &str = "plain";
/// Where workers' results go, in two partitions.
pub(super) const RESULTS: &str = "results";
/// The compacted one.
pub(super) const TABLE: &str = "table";
/// Partitions of each.
pub(super) const PARTITIONS: i32 = 2;

/// Small segments, so that a schedule goes through many of them.
const TOPICS: [(&str, &[(&str, &str)]); 3] = [
    (PLAIN, &[("segment.bytes", "400")]),
    (RESULTS, &[("segment.bytes", "600")]),
    (
        TABLE,
        &[("segment.bytes", "300"), ("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0"), ("delete.retention.ms", "1000")],
    ),
];

/// A broker without its sockets.
pub(super) struct World {
    pub(super) disk: MemoryDisk,
    clock: Arc<ManualClock>,
    durability: Durability,
    inside: Inside,
    /// What happened, to be read when a promise was broken.
    history: RefCell<Vec<String>>,
}

struct Inside {
    environment: Arc<Environment>,
    topics: Arc<Topics>,
    groups: Arc<Coordinator>,
    transactions: TransactionCoordinator,
}

/// A record as a reader sees it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) offset: i64,
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
}

impl World {
    pub(super) fn new(durability: Durability) -> Self {
        let (disk, clock) = (MemoryDisk::default(), Arc::new(ManualClock::new(1_000_000_000)));
        let inside = open(&disk, &clock, durability);
        for (name, overrides) in TOPICS {
            let overrides = overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            inside.topics.create(NewTopic { name: name.into(), partitions: PARTITIONS, overrides }).unwrap();
        }
        Self { disk, clock, durability, inside, history: RefCell::default() }
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        self.history.borrow_mut().push(what());
    }

    pub(super) fn history(&self) -> Vec<String> {
        self.history.borrow().clone()
    }

    /// Ends the broker and starts it again on what the disk has. A disk in trouble is replaced by one without, with the same content.
    pub(super) fn restart(&mut self, is_clean: bool, random: &mut Random) {
        if is_clean {
            for log in self.all_logs() {
                // A full disk makes the next start slower, no more.
                let _refused = log.close();
            }
        }
        let disk = self.disk.copy();
        // What is only with the operating system outlives a kill, not a power cut; who wants more than that says so.
        let loses_power = self.durability == Durability::Sync && random.one_in(2);
        self.tell(|| format!("restart, clean: {is_clean}, power lost: {loses_power}"));
        if loses_power {
            disk.lose_all_but(|unsynced| if random.one_in(2) { 0 } else { random.below(unsynced as u64 + 1) as usize });
        }
        self.inside = open(&disk, &self.clock, self.durability);
        self.disk = disk;
    }

    /// Whether what was just written may be promised.
    pub(super) fn is_durable(&self) -> bool {
        self.inside.environment.commits.run(&self.inside.environment);
        self.all_logs().iter().all(|log| !log.has_failed())
    }

    pub(super) fn advance(&self, by: Duration) {
        self.tell(|| format!("{by:?} go by"));
        self.clock.advance(by);
        self.inside.transactions.run_due();
        self.inside.groups.run_due();
    }

    /// One of the things that are done on the side, in every log. What fails is tried again another time.
    pub(super) fn keep_house(&self, random: &mut Random) {
        let (name, work): (_, fn(&Partition) -> std::io::Result<()>) = match random.below(3) {
            0 => ("seal", Partition::seal_closed),
            1 => ("retain", Partition::retain),
            _ => ("clean", Partition::clean),
        };
        for log in self.all_logs() {
            let done = work(&log);
            self.tell(|| format!("{name} {log:?}: {done:?}"));
        }
    }

    pub(super) fn log(&self, topic: &str, partition: i32) -> Arc<Partition> {
        self.inside.topics.get(topic).unwrap().partition(partition).unwrap()
    }

    pub(super) fn groups(&self) -> &Coordinator {
        &self.inside.groups
    }

    pub(super) fn transactions(&self) -> &TransactionCoordinator {
        &self.inside.transactions
    }

    /// Appends for a client. `None`: it was told of an error, or nothing.
    pub(super) fn append(&self, topic: &str, partition: i32, batch: &Bytes) -> Option<i64> {
        let appended = self.log(topic, partition).append(batch, Origin::Client);
        if let Err(error) = &appended {
            // No other refusal is ever due here.
            assert!(matches!(error, crate::log::AppendError::Storage(_)), "{error}");
        }
        appended.ok().filter(|_| self.is_durable()).map(|appended| appended.base_offset)
    }

    /// Every record that is there, ended transactions or not.
    pub(super) fn records(&self, topic: &str, partition: i32) -> Vec<Seen> {
        self.read(topic, partition, |_, _| true)
    }

    /// What a reader of committed records would see if nothing open held it up.
    pub(super) fn committed(&self, topic: &str, partition: i32) -> Vec<Seen> {
        let log = self.log(topic, partition);
        let offsets = log.offsets();
        let aborted = log.aborted_transactions(offsets.log_start_offset..offsets.high_watermark).unwrap();
        let open: Vec<_> = log.producers().into_iter().filter_map(|view| Some((view.producer_id, view.open_from?))).collect();
        self.read(topic, partition, |producer, offset| {
            let is_aborted = aborted.iter().any(|it| it.producer_id == producer && (it.first_offset..it.marker_offset).contains(&offset));
            !is_aborted && !open.iter().any(|(id, from)| *id == producer && offset >= *from)
        })
    }

    /// Nothing holds up a reader.
    pub(super) fn is_settled(&self) -> bool {
        self.all_logs().iter().all(|log| log.offsets().last_stable_offset == log.offsets().high_watermark)
    }

    fn read(&self, topic: &str, partition: i32, wants: impl Fn(i64, i64) -> bool) -> Vec<Seen> {
        let log = self.log(topic, partition);
        let offsets = log.offsets();
        let (mut seen, mut offset) = (Vec::new(), offsets.log_start_offset);
        while offset < offsets.high_watermark {
            let bytes = log.read(offset, 10_000, true).unwrap();
            // Compaction leaves holes, also at the end.
            if bytes.is_empty() {
                break;
            }
            for (at, header) in batch::headers(&bytes) {
                assert!(header.last_offset() >= offset, "{topic}-{partition}: offset {} after {offset}", header.last_offset());
                let batch = &bytes[at..at + header.size];
                batch::check(batch).unwrap();
                offset = header.last_offset() + 1;
                if header.is_control() || !wants(header.producer_id, header.base_offset) {
                    continue;
                }
                for record in records(batch).map(Result::unwrap) {
                    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
                    seen.push(Seen {
                        offset: header.base_offset + i64::from(record.offset_delta),
                        key: text(record.key),
                        value: text(record.value),
                    });
                }
            }
        }
        seen.retain(|record| record.offset >= offsets.log_start_offset);
        seen
    }

    fn all_logs(&self) -> Vec<Arc<Partition>> {
        self.inside.topics.all().iter().flat_map(|topic| topic.partitions()).collect()
    }
}

fn open(disk: &MemoryDisk, clock: &Arc<ManualClock>, durability: Durability) -> Inside {
    let environment = Arc::new(Environment::new(clock.clone(), Arc::new(disk.clone()), 4, durability));
    let topics = Arc::new(Topics::open("/data".as_ref(), Arc::clone(&environment), Limits::default()).unwrap());
    let offsets = InternalTopic::offsets(Arc::clone(&topics));
    let groups = Arc::new(Coordinator::open(GroupConfig::default(), offsets, clock.clone()));
    let ids = Arc::new(ProducerIds::open("/data".as_ref(), Arc::new(disk.clone())).unwrap());
    let config = TransactionConfig::default();
    let transactions = TransactionCoordinator::open(config, Arc::clone(&topics), Arc::clone(&groups), ids, clock.clone()).unwrap();
    Inside { environment, topics, groups, transactions }
}
