//! A consumer that commits how far it got, without transactions.

use super::worker::{durable, stored_offset};
use super::world::{PLAIN, World};
use crate::coordinator::command::{Caller, Command, CommitOffsets, OffsetToCommit};
use crate::coordinator::ids::GroupId;

#[derive(Default)]
pub(super) struct Committer {
    tried: i64,
    acknowledged: i64,
}

impl Committer {
    pub(super) fn step(&mut self, world: &World) {
        self.tried += 1;
        let member = Caller { generation: -1, ..Caller::default() };
        let offset = OffsetToCommit {
            topic: PLAIN.into(),
            partition: 0,
            offset: self.tried,
            leader_epoch: -1,
            metadata: String::new(),
            retention_ms: None,
        };
        let commit = CommitOffsets { member, offsets: vec![offset], producer: None, has_member_epoch: false };
        let answer = futures::executor::block_on(world.groups().ask(&group_id(), Command::CommitOffsets(commit)));
        if durable(world, answer).is_ok() {
            self.acknowledged = self.tried;
        }
    }

    /// What was acknowledged is stored, or what was tried after it.
    pub(super) fn check(&self, world: &World) {
        let stored = stored_offset(world, &group_id()).unwrap_or(0);
        assert!((self.acknowledged..=self.tried).contains(&stored), "{stored} is stored, {} was acknowledged", self.acknowledged);
    }
}

fn group_id() -> GroupId {
    "committer".into()
}
