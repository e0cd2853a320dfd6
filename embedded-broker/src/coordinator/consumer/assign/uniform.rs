//! `uniform`: as evenly as can be, moving as little as can be.
//!
//! Everyone keeps what it has unless that is too much. When all read the same topics the result is exactly even (numbers differ by one at
//! most). Otherwise partitions go to whoever has least of those that may have them, and then move from the heavier to the lighter as long as
//! that makes it more even.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::{Assignment, each_partition};
use super::Subscriber;

pub(super) fn assign(subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) -> Vec<Assignment> {
    if subscribers.is_empty() {
        return Vec::new();
    }
    let read_alike = subscribers.iter().all(|subscriber| subscriber.topics == subscribers[0].topics);
    let mut shares = Shares::kept(subscribers, topics);
    if read_alike {
        shares.cut_to_quota(subscribers.len());
        shares.fill_evenly();
    } else {
        shares.fill_least_loaded(subscribers, topics);
        shares.level(subscribers);
    }
    shares.assigned.into_iter().map(|partitions| grouped(&partitions)).collect()
}

/// Who has what so far, and what nobody has.
struct Shares {
    assigned: Vec<BTreeSet<(Uuid, i32)>>,
    free: BTreeSet<(Uuid, i32)>,
}

impl Shares {
    fn kept(subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) -> Self {
        let wanted: BTreeSet<Uuid> = subscribers.iter().flat_map(|subscriber| &subscriber.topics).copied().collect();
        let of_topic = |topic_id: Uuid| (0..topics.get(&topic_id).copied().unwrap_or(0)).map(move |partition| (topic_id, partition));
        let mut free: BTreeSet<(Uuid, i32)> = wanted.into_iter().flat_map(of_topic).collect();
        let keep = |subscriber: &Subscriber| {
            let wanted = each_partition(&subscriber.target).filter(|(topic_id, _)| subscriber.topics.contains(topic_id));
            wanted.filter(|partition| free.remove(partition)).collect()
        };
        let assigned = subscribers.iter().map(keep).collect();
        Self { assigned, free }
    }

    fn cut_to_quota(&mut self, members: usize) {
        let total = self.free.len() + self.assigned.iter().map(BTreeSet::len).sum::<usize>();
        let (quota, mut extras) = (total / members, total % members);
        for assigned in &mut self.assigned {
            let may_keep = if assigned.len() > quota && extras > 0 {
                extras -= 1;
                quota + 1
            } else {
                quota
            };
            while assigned.len() > may_keep {
                self.free.extend(assigned.pop_last());
            }
        }
    }

    /// Partition by partition to whoever has least: after the cut nobody is over its share, so this comes out even.
    fn fill_evenly(&mut self) {
        let mut by_load: BTreeSet<(usize, usize)> = self.assigned.iter().enumerate().map(|(index, has)| (has.len(), index)).collect();
        for partition in std::mem::take(&mut self.free) {
            let Some((load, index)) = by_load.pop_first() else { return };
            self.assigned[index].insert(partition);
            by_load.insert((load + 1, index));
        }
    }

    /// The topics that fewest may have go first: those leave the least choice.
    fn fill_least_loaded(&mut self, subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) {
        let mut readers: Vec<(Uuid, Vec<usize>)> = topics.keys().map(|topic_id| (*topic_id, readers_of(subscribers, *topic_id))).collect();
        readers.sort_by_key(|(topic_id, readers)| (readers.len(), *topic_id));
        for (topic_id, readers) in readers {
            let of_topic: Vec<(Uuid, i32)> = self.free.range((topic_id, 0)..=(topic_id, i32::MAX)).copied().collect();
            for partition in of_topic {
                let Some(least) = readers.iter().copied().min_by_key(|index| self.assigned[*index].len()) else { break };
                self.free.remove(&partition);
                self.assigned[least].insert(partition);
            }
        }
    }

    /// Each move makes the sum of squares smaller, so it ends.
    fn level(&mut self, subscribers: &[Subscriber]) {
        let mut readers = BTreeMap::new();
        loop {
            let mut moved = false;
            for from in 0..self.assigned.len() {
                for partition in self.assigned[from].clone() {
                    let readers = readers.entry(partition.0).or_insert_with(|| readers_of(subscribers, partition.0));
                    let Some(least) = readers.iter().copied().min_by_key(|index| self.assigned[*index].len()) else { continue };
                    if self.assigned[from].len() > self.assigned[least].len() + 1 {
                        self.assigned[from].remove(&partition);
                        self.assigned[least].insert(partition);
                        moved = true;
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }
}

fn readers_of(subscribers: &[Subscriber], topic_id: Uuid) -> Vec<usize> {
    (0..subscribers.len()).filter(|index| subscribers[*index].topics.contains(&topic_id)).collect()
}

fn grouped(partitions: &BTreeSet<(Uuid, i32)>) -> Assignment {
    let mut assignment = Assignment::new();
    for (topic_id, partition) in partitions {
        assignment.entry(*topic_id).or_default().insert(*partition);
    }
    assignment
}
