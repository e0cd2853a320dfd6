//! From a command to a decision: the coordinator's whole logic begins here, and none of it changes anything.

use crate::codec::ResponseError;

use super::command::{Answer, Command, Decision, LiveChange};
use super::config::GroupConfig;
use super::consumer::{self, ConsumerGroup, Heartbeat, JOIN_EPOCH};
use super::group::{Turn, protocol_bytes};
use super::ids::{GroupId, WaiterId};
use super::image::{Now, TopicsImage};
use super::offsets;
use super::records::Record;
use super::state::{Entry, State};

/// What a decision depends on beside the groups themselves.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a GroupConfig,
    pub(crate) topics: &'a dyn TopicsImage,
    pub(crate) now: Now,
}

/// What follows from `command`, asked of `group_id` by `waiter`.
pub(crate) fn decide(state: &State, context: &Context<'_>, group_id: &GroupId, command: Command, waiter: WaiterId) -> Decision {
    let entry = state.get(group_id.as_str());
    if let Err(error) = admit(state, context.config, group_id, &command) {
        return only_answer(group_id, waiter, Err(error));
    }
    let consumer_group = entry.and_then(|entry| entry.durable.consumer.as_ref());
    let classic = || Turn::new(context, group_id, entry.map(|entry| entry.live.clone()).unwrap_or_default());
    let consumer = || consumer::Turn::new(context, group_id, entry);
    match command {
        Command::Join(join) => match consumer_group {
            None => with(classic(), |turn| turn.join(join, waiter)),
            Some(group) if group.members.is_empty() => in_place_of(group, with(classic(), |turn| turn.join(join, waiter))),
            Some(_) => consumer().classic_join(&join, waiter),
        },
        Command::Sync(sync) if consumer_group.is_some() => consumer().classic_sync(&sync, waiter),
        Command::Sync(sync) => with(classic(), |turn| turn.sync(sync, waiter)),
        Command::Leave(leaving) if consumer_group.is_some() => consumer().classic_leave(leaving, waiter),
        Command::Leave(leaving) => with(classic(), |turn| turn.leave(leaving, waiter)),
        Command::Abandon => with_classic(entry, classic(), |turn| turn.abandon(waiter)),
        Command::Tick if consumer_group.is_some() => consumer().tick(),
        Command::Tick => with(classic(), Turn::tick),
        Command::Heartbeat(caller) => match entry {
            None => only_answer(group_id, waiter, Err(ResponseError::UnknownMemberId)),
            Some(_) if consumer_group.is_some() => consumer().classic_heartbeat(&caller, waiter),
            Some(entry) => Turn::heartbeat(group_id, &entry.live, &caller, waiter, context.now),
        },
        Command::ConsumerHeartbeat(heartbeat) => consumer_heartbeat(context, group_id, entry, &heartbeat, waiter),
        Command::CommitOffsets(commit) => offsets::commit(context, group_id, entry, commit, waiter),
        Command::DeleteOffsets(partitions) => offsets::delete(group_id, entry, partitions, waiter),
        Command::DeleteGroup => offsets::delete_group(group_id, entry, waiter),
        Command::ExpireOffsets => {
            offsets::expire(context, group_id, entry, |topic, partition| state.is_pending(group_id.as_str(), topic.as_str(), partition))
        }
        Command::ForgetTopics(topics) => offsets::forget_topics(group_id, entry, &topics),
    }
}

/// A classic group takes the place of a consumer group that nobody is in; unless the join came to nothing.
fn in_place_of(group: &ConsumerGroup, mut decision: Decision) -> Decision {
    if matches!(&decision.live, LiveChange::Replace(classic) if !classic.is_vacant()) {
        let tombstone = |record| Record::Consumer { group_id: decision.group_id.clone(), record };
        let tombstones: Vec<Record> = group.tombstones().into_iter().map(tombstone).collect();
        decision.records.splice(0..0, tombstones);
    }
    decision
}

fn consumer_heartbeat(
    context: &Context<'_>,
    group_id: &GroupId,
    entry: Option<&Entry>,
    heartbeat: &Heartbeat,
    waiter: WaiterId,
) -> Decision {
    let mut turn = consumer::Turn::new(context, group_id, entry);
    let is_consumer = entry.is_some_and(|entry| entry.durable.consumer.is_some());
    let classic = entry.filter(|entry| !is_consumer && (entry.durable.metadata.is_some() || !entry.live.is_vacant()));
    let checked = heartbeat.check(context.config.max_member_metadata_bytes);
    let outcome = checked.and_then(|()| match classic {
        None => Ok(()),
        Some(_) if heartbeat.epoch != JOIN_EPOCH => Err(ResponseError::UnknownMemberId),
        Some(entry) => turn.upgrade(&entry.live, entry.durable.metadata.is_some()),
    });
    match outcome {
        Ok(()) => turn.heartbeat(heartbeat, waiter),
        Err(error) => only_answer(group_id, waiter, Err(error)),
    }
}

/// Nothing at all happens to a group that is not of the classic kind.
fn with_classic<'a>(entry: Option<&Entry>, turn: Turn<'a>, work: impl FnOnce(&mut Turn<'a>)) -> Decision {
    let is_consumer = entry.is_some_and(|entry| entry.durable.consumer.is_some());
    with(turn, |turn| {
        if !is_consumer {
            work(turn)
        }
    })
}

/// An answer that changes nothing.
pub(super) fn only_answer(group_id: &GroupId, waiter: WaiterId, answer: Answer) -> Decision {
    Decision { group_id: group_id.clone(), records: Vec::new(), live: LiveChange::None, answers: vec![(waiter, answer)] }
}

fn with<'a>(mut turn: Turn<'a>, work: impl FnOnce(&mut Turn<'a>)) -> Decision {
    work(&mut turn);
    turn.decide()
}

fn admit(state: &State, config: &GroupConfig, group_id: &GroupId, command: &Command) -> Result<(), ResponseError> {
    let for_members =
        matches!(command, Command::Join(_) | Command::Sync(_) | Command::Heartbeat(_) | Command::Leave(_) | Command::ConsumerHeartbeat(_));
    if for_members && group_id.as_str().is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let may_create = matches!(command, Command::Join(_) | Command::ConsumerHeartbeat(_) | Command::CommitOffsets(_));
    if may_create && state.get(group_id.as_str()).is_none() {
        if group_id.as_str().len() > MAX_GROUP_ID_BYTES {
            return Err(ResponseError::InvalidGroupId);
        }
        if state.len() >= config.max_groups {
            return Err(ResponseError::GroupMaxSizeReached);
        }
    }
    // What changes nothing in size must go on when the limit is reached, so only growth is refused.
    let (growth, error) = match command {
        Command::Join(join) => (protocol_bytes(&join.protocols), ResponseError::GroupMaxSizeReached),
        Command::Sync(sync) => (sync.assignments.iter().map(|(_, bytes)| bytes.len()).sum(), ResponseError::GroupMaxSizeReached),
        Command::ConsumerHeartbeat(heartbeat) => (heartbeat.bytes(), ResponseError::GroupMaxSizeReached),
        Command::CommitOffsets(commit) => (state.growth(group_id, &commit.offsets), ResponseError::InvalidCommitOffsetSize),
        _ => return Ok(()),
    };
    if growth > 0 && state.bytes() + growth > config.max_total_bytes { Err(error) } else { Ok(()) }
}

/// A group's name is part of every key in `__consumer_offsets`, so it must fit one.
const MAX_GROUP_ID_BYTES: usize = super::records::MAX_STRING_BYTES;
