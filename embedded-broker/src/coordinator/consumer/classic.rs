//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup of classic members in a consumer group (KIP-848's migration).
//!
//! To them the coordinator is the group's leader: a join brings the epoch as generation, a sync the assignment, at once and without waiting
//! for anyone. When something is to change for a member its heartbeat is told REBALANCE_IN_PROGRESS, and its next join says what it holds.

use std::collections::BTreeSet;

use super::super::command::{Answer, Caller, Decision, Join, Joined, Leaving, Reply, Sync, Synced};
use super::super::decide::only_answer;
use super::super::embedded::{self, CONSUMER_PROTOCOL};
use super::super::ids::{InstanceId, MemberId, TopicName, WaiterId};
use super::super::records::MAX_STRING_BYTES;
use super::turn::Turn;
use super::{Assignment, Change, ClassicMember, ConsumerGroup, JOIN_EPOCH, Member, MemberState, Subscription, each_partition};
use crate::codec::ResponseError;

impl Turn<'_> {
    pub(crate) fn classic_join(mut self, join: &Join, waiter: WaiterId) -> Decision {
        match self.try_classic_join(join) {
            Ok(reply) => {
                self.answer(waiter, Ok(reply));
                self.decide()
            }
            Err(error) => only_answer(&self.group_id, waiter, Answer::Err(error)),
        }
    }

    fn try_classic_join(&mut self, join: &Join) -> Result<Reply, ResponseError> {
        let config = self.context.config;
        if !(config.min_session_timeout_ms..=config.max_session_timeout_ms).contains(&join.session_timeout_ms) {
            return Err(ResponseError::InvalidSessionTimeout);
        }
        let said = self.subscription_of(join)?;
        let member_id = match self.classic_member_id(join)? {
            Some(member_id) => member_id,
            None => return Ok(Reply::MemberIdRequired(join.fresh_member_id.clone())),
        };
        let before = self.member(&member_id);
        let subscription = Subscription {
            instance_id: join.instance_id.clone(),
            rack_id: before.subscription.rack_id,
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            topics: said.topics.iter().map(|topic| TopicName::from(topic.as_str())).collect(),
            regex: None,
            rebalance_timeout_ms: join.rebalance_timeout_ms.max(0),
            assignor: None,
            classic: Some(ClassicMember { session_timeout_ms: join.session_timeout_ms, protocols: join.protocols.clone() }),
        };
        self.change_subscription(&member_id, subscription)?;
        self.retarget();
        // What it holds since another generation it has lost (KAFKA-12984).
        let is_of_now = said.generation == -1 || said.generation == before.current.epoch;
        let owned = if is_of_now { self.group.by_id(&said.owned) } else { Assignment::new() };
        self.reconcile(&member_id, Some(&owned));
        self.heard(&member_id);
        let member = self.member(&member_id);
        // It must come for its assignment in time.
        let deadline_ms = self.context.now.deadline_ms(member.rebalance_timeout_ms());
        self.change(Change::Rebalance(member_id.clone(), Some(deadline_ms)));
        Ok(Reply::Joined(Joined {
            generation: member.current.epoch,
            protocol_type: CONSUMER_PROTOCOL.to_owned(),
            protocol_name: self.group.classic_protocol(&member_id).unwrap_or_default(),
            // Nobody: it is the coordinator that assigns.
            leader: MemberId::default(),
            member_id,
            skip_assignment: false,
            members: Vec::new(),
        }))
    }

    fn subscription_of(&self, join: &Join) -> Result<embedded::Subscription, ResponseError> {
        let longest = join.protocols.iter().map(|protocol| protocol.name.len()).max().unwrap_or(0);
        let instance_len = join.instance_id.as_ref().map_or(0, |id| id.as_str().len());
        if longest > MAX_STRING_BYTES || instance_len.max(join.client_id.len()) > MAX_STRING_BYTES / 2 {
            return Err(ResponseError::InvalidRequest);
        }
        if super::super::group::protocol_bytes(&join.protocols) > self.context.config.max_member_metadata_bytes {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        let offered: BTreeSet<&str> = join.protocols.iter().map(|protocol| protocol.name.as_str()).collect();
        let fits = join.protocol_type == CONSUMER_PROTOCOL && self.group.common_protocols(offered, Some(&join.member_id)).next().is_some();
        let first = join.protocols.first().filter(|_| fits).ok_or(ResponseError::InconsistentGroupProtocol)?;
        embedded::parse_subscription(&first.metadata).ok_or(ResponseError::InconsistentGroupProtocol)
    }

    /// Who joins. `None`: it must come again with the id it is given (KIP-394).
    fn classic_member_id(&mut self, join: &Join) -> Result<Option<MemberId>, ResponseError> {
        let is_unknown = join.member_id.as_str().is_empty();
        let member_id = if is_unknown { &join.fresh_member_id } else { &join.member_id };
        if let Some(instance_id) = &join.instance_id {
            match self.group.static_member(instance_id).cloned() {
                Some(holder) if is_unknown => {
                    self.replace(&holder, member_id, JOIN_EPOCH);
                    return Ok(Some(member_id.clone()));
                }
                Some(holder) if holder != *member_id => return Err(ResponseError::FencedInstanceId),
                None if !is_unknown => return Err(ResponseError::UnknownMemberId),
                Some(_) | None => {}
            }
        }
        match self.group.members.get(member_id) {
            Some(member) if member.subscription.classic.is_none() => Err(ResponseError::UnknownMemberId),
            Some(_) => Ok(Some(member_id.clone())),
            None => {
                self.check_room()?;
                let must_come_again = is_unknown && join.instance_id.is_none() && join.can_require_member_id;
                Ok((!must_come_again).then(|| member_id.clone()))
            }
        }
    }

    pub(crate) fn classic_sync(mut self, sync: &Sync, waiter: WaiterId) -> Decision {
        let answer = self.try_classic_sync(sync);
        self.answer(waiter, answer);
        self.decide()
    }

    fn try_classic_sync(&mut self, sync: &Sync) -> Answer {
        let member = self.group.check_classic(&sync.member)?.clone();
        let member_id = &sync.member.member_id;
        let protocol = self.group.classic_protocol(member_id).unwrap_or_default();
        let same_type = sync.protocol_type.as_ref().is_none_or(|theirs| theirs == CONSUMER_PROTOCOL);
        if !same_type || sync.protocol_name.as_ref().is_some_and(|theirs| *theirs != protocol) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        // One that still has to give something up has rejoined already: it learns here what it may keep.
        if member.current.epoch < self.group.epoch && member.current.state != MemberState::UnrevokedPartitions {
            self.await_join(member_id, &member);
            return Err(ResponseError::RebalanceInProgress);
        }
        self.heard(member_id);
        if member.current.state != MemberState::UnrevokedPartitions {
            self.change(Change::Rebalance(member_id.clone(), None));
        }
        let assignment = self.group.embedded_assignment(&member);
        Ok(Reply::Synced(Synced { protocol_type: CONSUMER_PROTOCOL.to_owned(), protocol_name: protocol, assignment }))
    }

    pub(crate) fn classic_heartbeat(mut self, caller: &Caller, waiter: WaiterId) -> Decision {
        let answer = self.try_classic_heartbeat(caller);
        self.answer(waiter, answer);
        self.decide()
    }

    fn try_classic_heartbeat(&mut self, caller: &Caller) -> Answer {
        let member = self.group.check_classic(caller)?.clone();
        self.heard(&caller.member_id);
        let current = &member.current;
        let must_join = current.epoch < self.group.epoch
            || current.state == MemberState::UnrevokedPartitions
            || (current.state == MemberState::UnreleasedPartitions && !self.group.waits_for_others(&caller.member_id, &member));
        if !must_join {
            return Ok(Reply::Done);
        }
        self.await_join(&caller.member_id, &member);
        Err(ResponseError::RebalanceInProgress)
    }

    /// It has been told to join: from now on it has its rebalance timeout to do so.
    fn await_join(&mut self, member_id: &MemberId, member: &Member) {
        if !self.live.is_some_and(|live| live.rebalances.contains_key(member_id)) {
            let deadline_ms = self.context.now.deadline_ms(member.rebalance_timeout_ms());
            self.change(Change::Rebalance(member_id.clone(), Some(deadline_ms)));
        }
    }

    /// Each entry has a result of its own; one epoch serves them all.
    pub(crate) fn classic_leave(mut self, leaving: Vec<Leaving>, waiter: WaiterId) -> Decision {
        let mut gone: Vec<MemberId> = Vec::new();
        let mut results = Vec::with_capacity(leaving.len());
        for entry in leaving {
            let member_id = self.leaver(&entry, &gone);
            results.push((entry, member_id.as_ref().err().copied()));
            gone.extend(member_id);
        }
        if !gone.is_empty() {
            self.remove(&gone);
        }
        self.answer(waiter, Ok(Reply::Left(results)));
        self.decide()
    }

    fn leaver(&self, entry: &Leaving, gone: &[MemberId]) -> Result<MemberId, ResponseError> {
        let still_there = |member_id: &&MemberId| !gone.contains(member_id);
        // An operator takes out a static member of either kind by its name alone (KIP-345).
        if let Some(instance_id) = entry.instance_id.as_ref().filter(|_| entry.member_id.as_str().is_empty()) {
            return self.group.static_member(instance_id).filter(still_there).cloned().ok_or(ResponseError::UnknownMemberId);
        }
        self.group.check_classic_member(&entry.member_id, entry.instance_id.as_ref())?;
        Some(&entry.member_id).filter(still_there).cloned().ok_or(ResponseError::UnknownMemberId)
    }
}

impl ConsumerGroup {
    fn check_classic_member(&self, member_id: &MemberId, instance_id: Option<&InstanceId>) -> Result<&Member, ResponseError> {
        if let Some(instance_id) = instance_id {
            match self.static_member(instance_id) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(holder) if holder != member_id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        let member = self.members.get(member_id).filter(|member| member.subscription.classic.is_some());
        member.ok_or(ResponseError::UnknownMemberId)
    }

    fn check_classic(&self, caller: &Caller) -> Result<&Member, ResponseError> {
        let member = self.check_classic_member(&caller.member_id, caller.instance_id.as_ref())?;
        if caller.generation == member.current.epoch { Ok(member) } else { Err(ResponseError::IllegalGeneration) }
    }

    /// Something of its target is in another's hands.
    fn waits_for_others(&self, member_id: &MemberId, member: &Member) -> bool {
        let target = self.targets.get(member_id);
        let is_missing = |(topic_id, partition): &(uuid::Uuid, i32)| {
            !member.current.assigned.get(topic_id).is_some_and(|assigned| assigned.contains(partition))
        };
        let mut missing = target.into_iter().flat_map(each_partition).filter(is_missing);
        missing.any(|(topic_id, partition)| self.owner(topic_id, partition).is_some_and(|owner| owner != member_id))
    }

    /// Which of these names all classic members (but one) know, in alphabetical order.
    pub(super) fn common_protocols<'a>(&'a self, names: BTreeSet<&'a str>, except: Option<&MemberId>) -> impl Iterator<Item = &'a str> {
        let others = self.members.iter().filter(move |(member_id, _)| Some(*member_id) != except);
        let others: Vec<&ClassicMember> = others.filter_map(|(_, member)| member.subscription.classic.as_ref()).collect();
        names.into_iter().filter(move |name| others.iter().all(|other| other.protocols.iter().any(|protocol| protocol.name == *name)))
    }

    /// The protocol a member prefers of those all classic members know.
    pub(super) fn classic_protocol(&self, member_id: &MemberId) -> Option<String> {
        let offered = &self.members.get(member_id)?.subscription.classic.as_ref()?.protocols;
        let common: BTreeSet<&str> = self.common_protocols(offered.iter().map(|protocol| protocol.name.as_str()).collect(), None).collect();
        offered.iter().find(|protocol| common.contains(protocol.name.as_str())).map(|protocol| protocol.name.clone())
    }

    /// What a classic member holds, in its own language.
    pub(super) fn embedded_assignment(&self, member: &Member) -> bytes::Bytes {
        let classic = member.subscription.classic.as_ref().and_then(|classic| classic.protocols.first());
        let version = classic.and_then(|protocol| embedded::parse_subscription(&protocol.metadata)).map_or(0, |said| said.version);
        let named = self.named(&member.current.assigned);
        embedded::encode_assignment(version, named.iter().map(|(_, topic, partitions)| (topic.as_str(), &partitions[..])))
    }

    /// Partitions named by topic; topics the group does not know are left out.
    pub(super) fn by_id(&self, named: &embedded::NamedPartitions) -> Assignment {
        let mut assignment = Assignment::new();
        for (topic, partitions) in named {
            if let Some(topic) = self.topics.get(topic.as_str()).filter(|_| !partitions.is_empty()) {
                assignment.entry(topic.id).or_default().extend(partitions);
            }
        }
        assignment
    }
}
