//! A group's coordinator, by the classic protocol: a rebalance begins, members give up what they are to lose and join again, and who does not
//! in time is thrown out, works on as a zombie, and hears of it later.

use std::collections::{BTreeMap, BTreeSet};

use super::log::At;
use crate::{
    client::{Assignment, MemberDescription, TaskEvent},
    sim::Random,
};

/// What a member has to hear or to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing.
    Settled,
    /// A rebalance has begun: it is to give these up.
    ToRevoke(BTreeSet<At>),
    /// It has joined, and waits for the others.
    Joined,
    /// The rebalance is over: these are new.
    ToAssign(BTreeSet<At>),
    /// It was thrown out.
    ToLose,
    /// And knows it.
    Losing,
}

struct Member {
    client_id: String,
    /// The generation it is of; `None` before the first and for strangers.
    generation: Option<u64>,
    /// What it believes to have.
    owned: BTreeSet<At>,
    step: Step,
    /// Its process is dead: it never answers.
    is_dead: bool,
}

pub(super) struct Group {
    /// A rebalance takes everything from everybody first; else only what comes to others (KIP-429).
    is_eager: bool,
    /// Who is late is thrown out, and may work on; else only the dead are.
    has_zombies: bool,
    /// Partitions that belong together.
    tasks: Vec<Vec<At>>,
    generation: u64,
    members: BTreeMap<usize, Member>,
    joined: usize,
    /// Who is to have what after the rebalance that is going on.
    target: Option<BTreeMap<At, usize>>,
}

impl Group {
    pub(super) fn new(is_eager: bool, has_zombies: bool, tasks: Vec<Vec<At>>) -> Self {
        Self { is_eager, has_zombies, tasks, generation: 0, members: BTreeMap::new(), joined: 0, target: None }
    }

    /// Somebody new; gives its number.
    pub(super) fn join(&mut self, client_id: &str, random: &mut Random) -> usize {
        self.joined += 1;
        let (client_id, owned) = (client_id.to_owned(), BTreeSet::new());
        self.members.insert(self.joined, Member { client_id, generation: None, owned, step: Step::Settled, is_dead: false });
        self.begin(random);
        self.joined
    }

    /// It says goodbye.
    pub(super) fn leave(&mut self, member: usize, random: &mut Random) {
        self.members.remove(&member);
        self.begin(random);
    }

    /// It does not.
    pub(super) fn die(&mut self, member: usize) {
        if let Some(member) = self.members.get_mut(&member) {
            member.is_dead = true;
        }
    }

    /// Whether the coordinator knows it as one of the present generation.
    pub(super) fn is_current(&self, member: usize) -> bool {
        self.members.get(&member).is_some_and(|it| it.generation == Some(self.generation))
    }

    /// All members as the coordinator has them; what they read is not told during a rebalance.
    pub(super) fn describe(&self) -> Vec<MemberDescription> {
        let describe = |(number, member): (&usize, &Member)| {
            let new = if let Step::ToAssign(new) = &member.step { Some(new) } else { None };
            let all = member.owned.iter().chain(new.into_iter().flatten()).filter(|_| self.target.is_none());
            MemberDescription {
                member_id: number.to_string(),
                client_id: member.client_id.clone(),
                group_instance_id: None,
                host: String::new(),
                assignment: all.map(|(topic, partition)| (topic.to_string(), *partition)).collect(),
            }
        };
        self.members.iter().map(describe).collect()
    }

    /// Shares the tasks out anew, some of them to others than before.
    pub(super) fn begin(&mut self, random: &mut Random) {
        self.target = None;
        let is_in = |member: &Member| !matches!(member.step, Step::ToLose | Step::Losing);
        let present: Vec<_> = self.members.iter().filter(|(_, it)| is_in(it)).map(|(number, _)| *number).collect();
        if present.is_empty() {
            return;
        }
        let mut target = BTreeMap::new();
        for task in &self.tasks {
            let has = |number: &&usize| task.iter().all(|at| self.members[*number].owned.contains(at));
            let owner = present.iter().find(has).filter(|_| random.below(2) == 0);
            let owner = owner.copied().unwrap_or_else(|| present[random.below(present.len() as u64) as usize]);
            target.extend(task.iter().map(|at| (at.clone(), owner)));
        }
        for number in present {
            let Some(member) = self.members.get_mut(&number) else { continue };
            let leaves = |at: &&At| self.is_eager || target.get(*at) != Some(&number);
            let lost: BTreeSet<_> = member.owned.iter().filter(leaves).cloned().collect();
            member.step = if lost.is_empty() && !member.is_dead { Step::Joined } else { Step::ToRevoke(lost) };
        }
        self.target = Some(target);
    }

    /// Ends the rebalance once all have joined, or without those who have not.
    pub(super) fn complete(&mut self, is_patience_over: bool, random: &mut Random) {
        let Some(mut target) = self.target.take() else { return };
        let is_late = |it: &Member| matches!(it.step, Step::ToRevoke(_));
        let is_waited_for = |it: &Member| is_late(it) && !(is_patience_over && (self.has_zombies || it.is_dead));
        if self.members.values().any(is_waited_for) {
            self.target = Some(target);
            return;
        }
        for member in self.members.values_mut().filter(|it| is_late(it)) {
            (member.generation, member.step) = (None, Step::ToLose);
        }
        self.members.retain(|_, member| !(member.is_dead && member.step == Step::ToLose));
        let joined: Vec<_> = self.members.iter().filter(|(_, it)| it.step == Step::Joined).map(|(number, _)| *number).collect();
        self.generation += 1;
        if joined.is_empty() {
            return;
        }
        for task in &self.tasks {
            if task.iter().any(|at| target.get(at).is_none_or(|owner| !joined.contains(owner))) {
                let owner = joined[random.below(joined.len() as u64) as usize];
                target.extend(task.iter().map(|at| (at.clone(), owner)));
            }
        }
        for number in joined {
            let Some(member) = self.members.get_mut(&number) else { continue };
            let new = target.iter().filter(|(at, owner)| **owner == number && !member.owned.contains(*at));
            member.step = Step::ToAssign(new.map(|(at, _)| at.clone()).collect());
            member.generation = Some(self.generation);
        }
    }

    /// What a member hears next, if anything.
    pub(super) fn hear(&mut self, number: usize, random: &mut Random) -> Option<TaskEvent<'static>> {
        let member = self.members.get_mut(&number)?;
        match std::mem::replace(&mut member.step, Step::Settled) {
            Step::ToAssign(new) => {
                member.owned.extend(new.iter().cloned());
                Some(TaskEvent::Assigned(assignments(&new)))
            }
            Step::ToRevoke(lost) => {
                member.step = Step::ToRevoke(lost.clone());
                Some(TaskEvent::Revoked(assignments(&lost)))
            }
            Step::ToLose if member.owned.is_empty() => {
                self.begin(random);
                None
            }
            Step::ToLose => {
                member.step = Step::Losing;
                Some(TaskEvent::Lost(assignments(&member.owned)))
            }
            step => {
                member.step = step;
                None
            }
        }
    }

    /// A member has given these up, or all it had.
    pub(super) fn give_up(&mut self, number: usize, partitions: &[Assignment], random: &mut Random) {
        let Some(member) = self.members.get_mut(&number) else { return };
        let is_meant = |at: &At| self.is_eager || partitions.iter().any(|it| *it.topic == *at.0 && it.partition == at.1);
        member.owned.retain(|at| !is_meant(at));
        match &member.step {
            // A rebalance that began in the meantime may want more of it.
            Step::ToRevoke(lost) => {
                let left: BTreeSet<_> = lost.intersection(&member.owned).cloned().collect();
                member.step = if left.is_empty() { Step::Joined } else { Step::ToRevoke(left) };
            }
            Step::Losing => {
                member.step = Step::Settled;
                self.begin(random);
            }
            _ => {}
        }
    }
}

fn assignments(partitions: &BTreeSet<At>) -> Vec<Assignment> {
    partitions.iter().map(|(topic, partition)| Assignment { topic: topic.to_string(), partition: *partition }).collect()
}
