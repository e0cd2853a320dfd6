//! From a command to a decision: the coordinator's whole logic begins here, and none of it changes anything.

use crate::codec::ResponseError;

use super::command::{Answer, Command, Decision, LiveChange};
use super::config::GroupConfig;
use super::group::{Turn, protocol_bytes};
use super::ids::{GroupId, WaiterId};
use super::offsets;
use super::state::State;

/// What follows from `command`, asked of `group_id` at `now_ms` by `waiter`.
pub(crate) fn decide(state: &State, config: &GroupConfig, group_id: &GroupId, command: Command, waiter: WaiterId, now_ms: i64) -> Decision {
    let entry = state.get(group_id.as_str());
    if let Err(error) = admit(state, config, group_id, &command) {
        return only_answer(group_id, waiter, Err(error));
    }
    let turn = || Turn::new(config, group_id, entry.map(|entry| entry.live.clone()).unwrap_or_default(), now_ms);
    match command {
        Command::Join(join) => with(turn(), |turn| turn.join(join, waiter)),
        Command::Sync(sync) => with(turn(), |turn| turn.sync(sync, waiter)),
        Command::Leave(leaving) => with(turn(), |turn| turn.leave(leaving, waiter)),
        Command::Abandon => with(turn(), |turn| turn.abandon(waiter)),
        Command::Tick => with(turn(), Turn::tick),
        Command::Heartbeat(caller) => match entry {
            None => only_answer(group_id, waiter, Err(ResponseError::UnknownMemberId)),
            Some(entry) => Turn::heartbeat(group_id, &entry.live, &caller, waiter, now_ms),
        },
        Command::CommitOffsets(commit) => offsets::commit(config, group_id, entry, commit, waiter, now_ms),
        Command::DeleteOffsets(partitions) => offsets::delete(group_id, entry, partitions, waiter),
        Command::DeleteGroup => offsets::delete_group(group_id, entry, waiter),
        Command::ExpireOffsets => offsets::expire(config, group_id, entry, now_ms),
        Command::ForgetTopics(topics) => offsets::forget_topics(group_id, entry, &topics),
    }
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
    let for_members = matches!(command, Command::Join(_) | Command::Sync(_) | Command::Heartbeat(_) | Command::Leave(_));
    if for_members && group_id.as_str().is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let may_create = matches!(command, Command::Join(_) | Command::CommitOffsets(_));
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
        Command::CommitOffsets(commit) => (state.growth(group_id, &commit.offsets), ResponseError::InvalidCommitOffsetSize),
        _ => return Ok(()),
    };
    if growth > 0 && state.bytes() + growth > config.max_total_bytes { Err(error) } else { Ok(()) }
}

/// A group's name is part of every key in `__consumer_offsets`, so it must fit one.
const MAX_GROUP_ID_BYTES: usize = super::records::MAX_STRING_BYTES;
