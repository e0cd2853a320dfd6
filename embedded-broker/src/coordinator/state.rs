//! All groups: what is durable of them and what lives in memory only.
//!
//! Invariant: [`State::apply`] is the only thing that changes the durable part, live and on recovery, so that replaying the log always
//! gives the state that wrote it.

use std::collections::BTreeMap;

use super::command::{Decision, LiveChange, OffsetToCommit};
use super::config::GroupConfig;
use super::consumer::{ConsumerGroup, Live};
use super::group::{Group, Phase};
use super::ids::{GroupId, TopicName};
use super::image::Now;
use super::records::{CommittedOffset, ConsumerRecord, GroupMetadata, Record};

/// Offsets by topic and partition.
pub(crate) type Offsets = BTreeMap<TopicName, BTreeMap<i32, CommittedOffset>>;

/// What the log says of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durable {
    pub(crate) metadata: Option<GroupMetadata>,
    /// A KIP-848 group. Never beside `metadata`.
    pub(crate) consumer: Option<ConsumerGroup>,
    pub(crate) offsets: Offsets,
}

impl Durable {
    pub(crate) fn is_empty(&self) -> bool {
        self.metadata.is_none() && self.consumer.is_none() && self.offsets.is_empty()
    }

    /// Every stored offset.
    pub(crate) fn each_offset(&self) -> impl Iterator<Item = (&TopicName, i32, &CommittedOffset)> {
        self.offsets.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |(partition, value)| (topic, *partition, value)))
    }
}

/// One group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) durable: Durable,
    pub(crate) live: Group,
    /// The deadlines of a consumer group.
    pub(crate) consumer: Live,
}

impl Entry {
    /// When something happens next though nobody asks.
    pub(crate) fn next_deadline_ms(&self) -> Option<i64> {
        self.live.next_deadline_ms().into_iter().chain(self.consumer.next_deadline_ms()).min()
    }

    /// Kafka's name of where the group stands.
    pub(crate) fn state_name(&self) -> &'static str {
        self.durable.consumer.as_ref().map_or_else(|| self.live.phase.name(), ConsumerGroup::state_name)
    }

    /// What kind of group it is, as ListGroups spells it.
    pub(crate) fn type_name(&self) -> &'static str {
        if self.durable.consumer.is_some() { "consumer" } else { "classic" }
    }

    /// Nobody is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.durable.consumer.as_ref().map_or(self.live.phase == Phase::Empty, |group| group.members.is_empty())
    }
}

/// By topic and partition, with its place in the order of the log.
type PendingOffsets = BTreeMap<TopicName, BTreeMap<i32, (u64, CommittedOffset)>>;

/// All groups of this coordinator.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    groups: BTreeMap<GroupId, Entry>,
    /// Offsets that wait for the end of a transaction, by its producer's id.
    pending: BTreeMap<GroupId, BTreeMap<i64, PendingOffsets>>,
    /// How many pending offsets there have been: their order in the log.
    last_pending: u64,
    /// What all of it weighs, by the limits.
    bytes: usize,
}

impl State {
    pub(crate) fn get(&self, group_id: &str) -> Option<&Entry> {
        self.groups.get(group_id)
    }

    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// What all groups and offsets weigh, by the limits.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How much more there would be to hold after these offsets are stored.
    pub(crate) fn growth(&self, group_id: &GroupId, offsets: &[OffsetToCommit]) -> usize {
        let stored = self.groups.get(group_id).map(|entry| &entry.durable.offsets);
        let growth = |offset: &OffsetToCommit| {
            let old = stored.and_then(|stored| stored.get(&offset.topic)).and_then(|partitions| partitions.get(&offset.partition));
            offset_bytes(&offset.topic, &offset.metadata).saturating_sub(old.map_or(0, |old| offset_bytes(&offset.topic, &old.metadata)))
        };
        offsets.iter().map(growth).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&GroupId, &Entry)> {
        self.groups.iter()
    }

    /// The durable part alone, as a replay of the log must rebuild it.
    #[cfg(test)]
    pub(crate) fn durable(&self) -> BTreeMap<GroupId, Durable> {
        let kept = self.groups.iter().filter(|(_, entry)| !entry.durable.is_empty());
        kept.map(|(group_id, entry)| (group_id.clone(), entry.durable.clone())).collect()
    }

    /// A record has become durable.
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Offset { group_id, topic, partition, value: Some(value) } => {
                self.store(group_id, topic, *partition, value, u64::MAX);
            }
            Record::Offset { group_id, topic, partition, value: None } => {
                self.outdate(group_id, topic, *partition, u64::MAX);
                let Some(entry) = self.groups.get_mut(group_id) else { return };
                if let Some(partitions) = entry.durable.offsets.get_mut(topic) {
                    self.bytes -= partitions.remove(partition).map_or(0, |old| offset_bytes(topic, &old.metadata));
                    if partitions.is_empty() {
                        entry.durable.offsets.remove(topic);
                    }
                }
                self.forget_if_nothing_is_left(group_id);
            }
            Record::Pending { producer, group_id, topic, partition, value } => {
                let of_group = self.pending.entry(group_id.clone()).or_default();
                let stored = of_group.entry(producer.producer_id).or_default().entry(topic.clone()).or_default();
                self.last_pending += 1;
                let old = stored.insert(*partition, (self.last_pending, value.clone()));
                self.bytes += offset_bytes(topic, &value.metadata);
                self.bytes -= old.map_or(0, |(_, old)| offset_bytes(topic, &old.metadata));
            }
            Record::Group { group_id, value: Some(value) } => {
                self.groups.entry(group_id.clone()).or_default().durable.metadata = Some(value.clone());
            }
            Record::Group { group_id, value: None } => {
                let Some(entry) = self.groups.get_mut(group_id) else { return };
                entry.durable.metadata = None;
                self.forget_if_nothing_is_left(group_id);
            }
            Record::Consumer { group_id, record } => self.apply_to_consumer_group(group_id, record),
        }
    }

    fn apply_to_consumer_group(&mut self, group_id: &GroupId, record: &ConsumerRecord) {
        if record.is_tombstone() && self.groups.get(group_id).is_none_or(|entry| entry.durable.consumer.is_none()) {
            return;
        }
        let entry = self.groups.entry(group_id.clone()).or_default();
        let group = entry.durable.consumer.get_or_insert_default();
        let before = group.bytes();
        let goes_on = group.apply(record);
        let after = if goes_on { group.bytes() } else { 0 };
        self.bytes = self.bytes + after - before;
        if !goes_on {
            entry.durable.consumer = None;
            entry.consumer = Live::default();
            self.forget_if_nothing_is_left(group_id);
        }
    }

    /// A marker has become durable: what the producer's transaction stored in these groups counts, or is forgotten.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, is_commit: bool, is_concerned: impl Fn(&GroupId) -> bool) {
        let concerned: Vec<GroupId> = self.pending.keys().filter(|group_id| is_concerned(group_id)).cloned().collect();
        for group_id in concerned {
            let Some(of_group) = self.pending.get_mut(&group_id) else { continue };
            let ended = of_group.remove(&producer_id).unwrap_or_default();
            if of_group.is_empty() {
                self.pending.remove(&group_id);
            }
            for (topic, partitions) in ended {
                for (partition, (order, value)) in partitions {
                    self.bytes -= offset_bytes(&topic, &value.metadata);
                    if is_commit {
                        self.store(&group_id, &topic, partition, &value, order);
                    }
                }
            }
        }
    }

    /// An offset counts now; `order`: where it stands among the pending ones.
    fn store(&mut self, group_id: &GroupId, topic: &TopicName, partition: i32, value: &CommittedOffset, order: u64) {
        let entry = self.groups.entry(group_id.clone()).or_default();
        let old = entry.durable.offsets.entry(topic.clone()).or_default().insert(partition, value.clone());
        self.bytes += offset_bytes(topic, &value.metadata);
        self.bytes -= old.map_or(0, |old| offset_bytes(topic, &old.metadata));
        self.outdate(group_id, topic, partition, order);
    }

    /// What is pending here from before a record that counts will not count any more, even if its transaction commits later: compaction
    /// keeps the later record of the two, so whoever replays the log would know nothing of it.
    fn outdate(&mut self, group_id: &GroupId, topic: &TopicName, partition: i32, order: u64) {
        let Some(of_group) = self.pending.get_mut(group_id) else { return };
        for offsets in of_group.values_mut() {
            let Some(stored) = offsets.get_mut(topic) else { continue };
            if let Some((_, old)) = stored.extract_if(partition..=partition, |_, (at, _)| *at < order).next() {
                self.bytes -= offset_bytes(topic, &old.1.metadata);
            }
            if stored.is_empty() {
                offsets.remove(topic);
            }
        }
    }

    /// Whether an open transaction is about to store another offset here.
    pub(crate) fn is_pending(&self, group_id: &str, topic: &str, partition: i32) -> bool {
        let holds = |offsets: &PendingOffsets| offsets.get(topic).is_some_and(|stored| stored.contains_key(&partition));
        self.pending.get(group_id).is_some_and(|of_group| of_group.values().any(holds))
    }

    /// The rest of a decision, once its records are durable and applied.
    pub(crate) fn install(&mut self, group_id: &GroupId, change: LiveChange) {
        match change {
            LiveChange::None => {}
            LiveChange::Heard { member_id, session_deadline_ms } => {
                if let Some(member) = self.groups.get_mut(group_id).and_then(|entry| entry.live.members.get_mut(&member_id)) {
                    member.session_deadline_ms = session_deadline_ms;
                }
            }
            LiveChange::Consumer { changes, classic } => {
                if let Some(classic) = classic {
                    self.install(group_id, LiveChange::Replace(classic));
                }
                let Some(entry) = self.groups.get_mut(group_id).filter(|entry| entry.durable.consumer.is_some()) else { return };
                changes.into_iter().for_each(|change| entry.consumer.install(change));
            }
            LiveChange::Replace(group) => {
                if group.is_vacant() && !self.groups.contains_key(group_id) {
                    return;
                }
                self.bytes += group.bytes();
                let old = std::mem::replace(&mut self.groups.entry(group_id.clone()).or_default().live, *group);
                self.bytes -= old.bytes();
                self.forget_if_nothing_is_left(group_id);
            }
        }
    }

    /// Both halves of carrying a decision out.
    pub(crate) fn carry_out(&mut self, decision: &mut Decision) {
        for record in &decision.records {
            self.apply(record);
        }
        let live = std::mem::replace(&mut decision.live, LiveChange::None);
        self.install(&decision.group_id, live);
    }

    /// The log has been replayed: the groups it tells of come to life.
    pub(crate) fn activate(&mut self, config: &GroupConfig, now: Now) {
        for entry in self.groups.values_mut() {
            if let Some(group) = &entry.durable.consumer {
                entry.consumer = Live::restored(group, config, now);
            } else if let Some(metadata) = &entry.durable.metadata {
                entry.live = Group::from_metadata(metadata, now);
                self.bytes += entry.live.bytes();
            }
        }
    }

    /// The running sum, reckoned anew.
    #[cfg(test)]
    pub(crate) fn counted_bytes(&self) -> usize {
        let offsets =
            |entry: &Entry| entry.durable.each_offset().map(|(topic, _, value)| offset_bytes(topic, &value.metadata)).sum::<usize>();
        let pending = self.pending.values().flat_map(BTreeMap::values).flat_map(|offsets| {
            offsets.iter().flat_map(|(topic, stored)| stored.values().map(|(_, value)| offset_bytes(topic, &value.metadata)))
        });
        let consumer = |entry: &Entry| entry.durable.consumer.as_ref().map_or(0, ConsumerGroup::counted_bytes);
        self.groups.values().map(|entry| entry.live.bytes() + consumer(entry) + offsets(entry)).sum::<usize>() + pending.sum::<usize>()
    }

    fn forget_if_nothing_is_left(&mut self, group_id: &GroupId) {
        if self.groups.get(group_id).is_some_and(|entry| entry.durable.is_empty() && entry.live.is_vacant()) {
            self.groups.remove(group_id);
        }
    }
}

/// What a stored offset weighs: its place in two maps, and its texts.
fn offset_bytes(topic: &TopicName, metadata: &str) -> usize {
    size_of::<CommittedOffset>() + size_of::<i32>() + topic.as_str().len() + metadata.len()
}
