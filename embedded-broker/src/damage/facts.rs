//! What a data folder holds, read from its files, and a broker that was opened on it, held against that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::folder::{COMMITS, COMMITTED, LEDGER, NUMBERS, PLAIN, TABLE, log, numbered, stored_offset};
use crate::disk::{Disk as _, MemoryDisk};
use crate::log::batch::PATCHED_BYTES;
use crate::log::records::records;
use crate::log::{Origin, Partition, batch};
use crate::node::Node;

const OFFSETS: &str = "__consumer_offsets";
const TRANSACTIONS: &str = "__transaction_state";
const TOPICS: [&str; 5] = [PLAIN, LEDGER, TABLE, OFFSETS, TRANSACTIONS];

/// Where a file is not what it was any more.
pub(super) struct Damage<'a> {
    pub(super) path: &'a Path,
    /// Its bytes before this one are untouched.
    pub(super) from: usize,
}

/// What is to be there.
pub(super) struct Facts {
    batches: Vec<Stored>,
    settings: Vec<String>,
    next_producer_id: i64,
}

/// A batch as it lies in a file.
struct Stored {
    topic: &'static str,
    path: PathBuf,
    end: usize,
    offset: i64,
    bytes: Vec<u8>,
}

impl Facts {
    /// What is in a folder that was not damaged; `node` was opened on a copy of it.
    pub(super) fn of(disk: &MemoryDisk, node: &Node) -> Self {
        let mut batches = Vec::new();
        for path in disk.paths() {
            let name = path.to_string_lossy().into_owned();
            // While a compacted segment takes the place of others, those count no more.
            let is_replaced = name.contains("/table~") && disk.paths().iter().any(|path| replaces(path, &name));
            if !(name.ends_with(".log") && !is_replaced || name.ends_with(".swap")) {
                continue;
            }
            let topic = TOPICS.into_iter().find(|topic| name.contains(&format!("/{topic}~"))).unwrap();
            let bytes = disk.read(&path).unwrap();
            let log_start_offset = log(node, topic).offsets().log_start_offset;
            let of_file = batch::headers(&bytes).filter(|(_, header)| header.last_offset() >= log_start_offset);
            batches.extend(of_file.map(|(at, header)| Stored {
                topic,
                path: path.clone(),
                end: at + header.size,
                offset: header.base_offset,
                bytes: bytes[at..at + header.size].to_vec(),
            }));
        }
        Self { batches, settings: settings(node), next_producer_id: node.producer_ids.next().unwrap() }
    }

    /// Holds a broker that was opened on the damaged folder against them.
    pub(super) fn check(&self, node: &Node, damage: &Damage<'_>) {
        assert_eq!(settings(node), self.settings);
        for topic in TOPICS {
            self.check_log(topic, &log(node, topic), damage);
        }
        self.check_committed(node, damage);
        self.check_group(node, damage);
        assert!(node.producer_ids.next().unwrap() >= self.next_producer_id, "a producer id is given out twice");
        self.check_producer(node, damage);
    }

    /// Everything that was not damaged is there, and nothing else.
    fn check_log(&self, topic: &str, log: &Partition, damage: &Damage<'_>) {
        let seen = read_all(log, &self.offsets(topic));
        for (offset, bytes) in &seen {
            // Where compaction leaves gaps nothing tells where the last batch belongs: its place is not under its checksum.
            let is_at = |it: &Stored| (it.offset == *offset || topic == TABLE) && it.bytes[PATCHED_BYTES..] == bytes[PATCHED_BYTES..];
            let is_stored = self.batches.iter().any(|it| it.topic == topic && is_at(it));
            // Opening ends transactions that nobody else will.
            let is_new = is_ours(topic, bytes) && !self.batches.iter().any(|it| it.bytes == *bytes);
            assert!(is_stored || is_new, "{topic}: nobody wrote what is at offset {offset}: {bytes:?}");
        }
        for stored in self.batches.iter().filter(|it| it.topic == topic && is_untouched(it, damage)) {
            let is_there = seen.iter().any(|(offset, bytes)| *offset == stored.offset && *bytes == stored.bytes);
            assert!(is_there, "{topic}: offset {} is lost", stored.offset);
        }
    }

    fn offsets(&self, topic: &str) -> Vec<i64> {
        self.batches.iter().filter(|it| it.topic == topic).map(|it| it.offset).collect()
    }

    /// read_committed: what was committed, as far as it and the commit are whole.
    fn check_committed(&self, node: &Node, damage: &Damage<'_>) {
        let visible = committed(&log(node, LEDGER), &self.offsets(LEDGER));
        let stranger = visible.iter().find(|value| !value.starts_with(COMMITTED));
        assert_eq!(stranger, None, "it was never committed");
        let ledger: Vec<&Stored> = self.batches.iter().filter(|it| it.topic == LEDGER).collect();
        for stored in &ledger {
            let header = batch::check(&stored.bytes).unwrap();
            let end = ledger.iter().find(|it| {
                let marker = batch::check(&it.bytes).unwrap();
                it.offset > stored.offset && marker.is_control() && marker.producer_id == header.producer_id
            });
            let values = values(&stored.bytes);
            let was_committed = !header.is_control() && values.iter().all(|value| value.starts_with(COMMITTED));
            if was_committed && is_untouched(stored, damage) && end.is_some_and(|end| is_untouched(end, damage)) {
                assert!(values.is_subset(&visible), "{values:?} is committed, but not to be seen");
            }
        }
    }

    fn check_group(&self, node: &Node, damage: &Damage<'_>) {
        let commits = self.batches.iter().filter(|it| it.topic == OFFSETS);
        // Each commit is a batch.
        let lost = commits.filter(|it| !is_untouched(it, damage)).count() as i64;
        let stored = stored_offset(node);
        assert!((COMMITS - lost..=COMMITS).contains(&stored), "offset {stored} is stored, {lost} of {COMMITS} commits were damaged");
    }

    /// The producer goes on where it stood, and what it sends again is known.
    fn check_producer(&self, node: &Node, damage: &Damage<'_>) {
        let log = log(node, PLAIN);
        let intact = self.batches.iter().filter(|it| it.topic == PLAIN && is_untouched(it, damage)).count();
        let all = self.batches.iter().filter(|it| it.topic == PLAIN).count();
        let end = log.offsets().high_watermark;
        if intact == all {
            let again = log.append(&numbered(NUMBERS - 1), Origin::Client).unwrap();
            assert_eq!(again.base_offset, i64::from(NUMBERS) - 1, "a retry was not recognised");
            assert_eq!(log.append(&numbered(NUMBERS), Origin::Client).unwrap().base_offset, i64::from(NUMBERS));
        } else {
            let other = crate::log::records::build_batch(0, [(None, Some(&b"other"[..]))]);
            assert_eq!(log.append(&other, Origin::Client).unwrap().base_offset, end);
        }
        assert_eq!(log.offsets().high_watermark, end + 1);
        let read = log.read(end, 1_000, true).unwrap();
        assert_eq!(batch::check(&read).unwrap().base_offset, end, "what is appended now can be read");
    }
}

fn is_untouched(stored: &Stored, damage: &Damage<'_>) -> bool {
    stored.path != damage.path || stored.end <= damage.from
}

/// Whether this file is a `.swap` in the same folder whose offsets hold those of the `.log`.
fn replaces(swap: &Path, log: &str) -> bool {
    let log = Path::new(log);
    let range = swap.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".swap")?.split_once('-'));
    let Some((first, next)) = range.filter(|_| swap.parent() == log.parent()) else { return false };
    log.file_stem().and_then(|stem| stem.to_str()).is_some_and(|base| (first..next).contains(&base))
}

/// Markers, and what the coordinator notes of them.
fn is_ours(topic: &str, bytes: &[u8]) -> bool {
    topic == TRANSACTIONS || batch::check(bytes).is_ok_and(|header| header.is_control())
}

/// What a client sees that checks checksums, as all do: batches by offset. It tries again behind what it can't read.
fn read_all(log: &Partition, known: &[i64]) -> Vec<(i64, Vec<u8>)> {
    let offsets = log.offsets();
    let (mut seen, mut offset) = (Vec::new(), offsets.log_start_offset);
    while offset < offsets.high_watermark {
        let bytes = log.read(offset, 10_000, true).unwrap_or_default();
        let mut next = None;
        for (at, header) in batch::headers(&bytes) {
            assert!(header.last_offset() >= offset, "offset {} came after {offset}", header.last_offset());
            let bytes = &bytes[at..at + header.size];
            if batch::check(bytes).is_err() {
                break;
            }
            seen.push((header.base_offset, bytes.to_vec()));
            next = Some(header.last_offset() + 1);
            offset = header.last_offset() + 1;
        }
        let behind = known.iter().copied().filter(|known| *known > offset).min().unwrap_or(offsets.high_watermark);
        offset = next.unwrap_or(behind);
    }
    seen
}

/// What is to be seen in a partition by a reader of committed records, be it now or once what is open has ended.
fn committed(log: &Partition, known: &[i64]) -> BTreeSet<String> {
    let offsets = log.offsets();
    let aborted = log.aborted_transactions(offsets.log_start_offset..offsets.high_watermark).unwrap();
    let open: Vec<_> = log.producers().into_iter().filter_map(|view| Some((view.producer_id, view.open_from?))).collect();
    let mut visible = BTreeSet::new();
    for (offset, bytes) in read_all(log, known) {
        let header = batch::check(&bytes).unwrap();
        let is_aborted =
            aborted.iter().any(|it| it.producer_id == header.producer_id && (it.first_offset..it.marker_offset).contains(&offset));
        let is_open = open.iter().any(|(id, from)| *id == header.producer_id && offset >= *from);
        if !header.is_control() && !is_aborted && !is_open {
            visible.append(&mut values(&bytes));
        }
    }
    visible
}

fn values(batch: &[u8]) -> BTreeSet<String> {
    let text = |value: Option<&[u8]>| String::from_utf8(Bytes::copy_from_slice(value.unwrap_or_default()).to_vec()).unwrap();
    records(batch).map_while(Result::ok).map(|record| text(record.value)).collect()
}

/// Everything that is set.
fn settings(node: &Node) -> Vec<String> {
    let topics = node.topics.all();
    let mut settings: Vec<String> =
        topics.iter().map(|it| format!("{} {} {} {:?}", it.name, it.id, it.partition_count(), it.overrides())).collect();
    settings.push(format!("{:?}", node.topics.broker_overrides()));
    settings.push(node.cluster_id.clone());
    for (name, keys) in node.security.users.all().iter() {
        let keys: Vec<_> = keys.iter().map(|(hash, key)| (hash, key.iterations, &key.salt, &key.stored_key, &key.server_key)).collect();
        settings.push(format!("{name} {keys:?}"));
    }
    let alice = |operation| {
        node.security.acls.as_ref().map(|acls| acls.is_allowed("User:alice", "*", operation, crate::security::ResourceType::Topic, PLAIN))
    };
    settings.push(format!(
        "{:?} {:?}",
        node.security.acls.as_ref().map(crate::security::Acls::count),
        alice(crate::security::Operation::Read)
    ));
    settings.push(format!("{:?}", node.security.quotas.settings()));
    settings
}
