//! `range`: of each topic everyone gets a run of neighbours, the first members one more where it does not come out even.
//!
//! Members of the same topics with as many partitions hold the same numbers of each, so that keyed topics can be joined. Static members come
//! first, by instance id: they find their numbers again after a restart.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::Assignment;
use super::Subscriber;

pub(super) fn assign(subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) -> Vec<Assignment> {
    let mut order: Vec<usize> = (0..subscribers.len()).collect();
    order.sort_by_key(|index| {
        let subscriber = &subscribers[*index];
        (subscriber.instance_id.is_none(), subscriber.instance_id.clone(), subscriber.member_id.clone())
    });
    let mut assigned = vec![Assignment::new(); subscribers.len()];
    for (topic_id, partitions) in topics {
        let readers: Vec<usize> = order.iter().copied().filter(|index| subscribers[*index].topics.contains(topic_id)).collect();
        let Ok(count) = i32::try_from(readers.len()) else { continue };
        let mut first = 0;
        for (reader, rank) in readers.into_iter().zip(0..count) {
            let share = partitions / count + i32::from(rank < partitions % count);
            if share > 0 {
                assigned[reader].insert(*topic_id, (first..first + share).collect());
            }
            first += share;
        }
    }
    assigned
}
