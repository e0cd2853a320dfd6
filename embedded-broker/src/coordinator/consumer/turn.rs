//! One command's work on one consumer group: the records it writes, the deadlines it moves, whom it answers.

use std::borrow::Cow;

use super::super::command::{Answer, Decision, LiveChange};
use super::super::decide::Context;
use super::super::group::Group;
use super::super::ids::{GroupId, MemberId, WaiterId};
use super::super::records::{ConsumerRecord, Record};
use super::super::state::Entry;
use super::{Change, ConsumerGroup, Live, Member};

/// The work of one command. It sees the group as its own records will make it; dropping it instead of deciding changes nothing.
pub(in super::super) struct Turn<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) group_id: GroupId,
    /// Copied only once something changes.
    pub(super) group: Cow<'a, ConsumerGroup>,
    pub(super) live: Option<&'a Live>,
    records: Vec<Record>,
    changes: Vec<Change>,
    answers: Vec<(WaiterId, Answer)>,
    /// What the classic side of the group becomes, when the group goes from one kind to the other.
    pub(super) classic: Option<Box<Group>>,
}

impl<'a> Turn<'a> {
    /// On the group of an entry, or on one that is not there yet.
    pub(crate) fn new(context: &'a Context<'a>, group_id: &GroupId, entry: Option<&'a Entry>) -> Self {
        let group = entry.and_then(|entry| entry.durable.consumer.as_ref());
        Self {
            context,
            group_id: group_id.clone(),
            group: group.map_or_else(|| Cow::Owned(ConsumerGroup::default()), Cow::Borrowed),
            live: entry.map(|entry| &entry.consumer),
            records: Vec::new(),
            changes: Vec::new(),
            answers: Vec::new(),
            classic: None,
        }
    }

    /// What has been worked out.
    pub(crate) fn decide(self) -> Decision {
        let live = LiveChange::Consumer { changes: self.changes, classic: self.classic };
        Decision { group_id: self.group_id, records: self.records, live, answers: self.answers }
    }

    pub(super) fn answer(&mut self, waiter: WaiterId, answer: Answer) {
        self.answers.push((waiter, answer));
    }

    /// Writes a record, and sees the group with it from now on.
    pub(super) fn write(&mut self, record: ConsumerRecord) {
        if !self.group.to_mut().apply(&record) {
            self.group = Cow::Owned(ConsumerGroup::default());
        }
        self.records.push(Record::Consumer { group_id: self.group_id.clone(), record });
    }

    /// Writes a record of the classic kind.
    pub(super) fn write_classic(&mut self, record: Record) {
        self.records.push(record);
    }

    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Who reads what has changed: from now on there is a new target to reach.
    pub(super) fn bump_epoch(&mut self) {
        self.write(ConsumerRecord::Epoch(Some(self.group.epoch.saturating_add(1))));
    }

    /// A sign of life.
    pub(super) fn heard(&mut self, member_id: &MemberId) {
        let Some(member) = self.group.members.get(member_id) else { return };
        let deadline_ms = self.context.now.deadline_ms(member.session_timeout_ms(self.context.config));
        self.change(Change::Session(member_id.clone(), Some(deadline_ms)));
    }

    pub(super) fn member(&self, member_id: &MemberId) -> Member {
        self.group.members.get(member_id).cloned().unwrap_or_default()
    }
}
