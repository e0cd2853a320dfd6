//! What a poll brings: records and ends for tasks, rebalances, and a cluster that refuses.

use std::{sync::Arc, time::Duration};

use weir_model::Problem;

use super::{SENT_AT_MS, StreamThread};
use crate::{
    client::{Assignment, ClientError, GroupProtocol, IncomingRecord, TaskEvent},
    stream::{
        InputRecord, TRACE_ID,
        app::{
            AppConfig, Guarantee,
            cluster::{Cluster, Consumer as _, Membership},
            plan::Plan,
            standby::client_id,
        },
    },
};

/// How long an idle poll waits.
const POLL: Duration = Duration::from_millis(5);
/// Records polled between two rounds of processing.
const RECORDS_PER_POLL: usize = 500;
/// A cluster that refuses for so long has failed.
const REFUSED_MAX: Duration = Duration::from_secs(30);
/// Errors further apart than this have nothing to do with each other.
const REFUSED_APART: Duration = Duration::from_secs(10);

/// A record that is processed and not counted.
struct NoEvent;

/// What a poll brought, on its own.
enum Polled {
    Assigned(Vec<Assignment>),
    Revoked(Vec<Assignment>),
    Lost(Vec<Assignment>),
    /// With the time it was sent at; `Err` for what is no event.
    Record(InputRecord, Result<Option<i64>, NoEvent>),
    End(Assignment),
    Other,
}

/// Joins the application's group.
pub(super) fn member<C: Cluster>(
    cluster: &C,
    config: &AppConfig,
    plan: &Plan,
    number: usize,
    protocol: GroupProtocol,
) -> Result<C::Consumer, Problem> {
    let app = config.topology.app();
    let topics: Vec<&str> = plan.topics.iter().map(|topic| &**topic).collect();
    let client_id = client_id(app, &config.instance, number);
    let member = Membership { group: app, client_id: &client_id, topics: &topics, protocol, assignor: plan.assignor };
    cluster.consumer(&member).map_err(|error| error.problem(format!("{app} can't read")))
}

impl<C: Cluster> StreamThread<'_, C> {
    pub(super) fn poll(&mut self) -> Result<(), Problem> {
        self.look_for_ends();
        let (task_idle, now) = (self.config.task_idle, self.cluster.now());
        let is_pausing = self.aborts.is_pausing(now);
        let is_busy = self.tasks.values_mut().any(|task| task.restore.is_some() || (!is_pausing && task.is_due(task_idle, now)));
        let mut wait = if is_busy { Duration::ZERO } else { POLL };
        for _ in 0..RECORDS_PER_POLL {
            let polled = match self.consumer.poll(wait) {
                Ok(None) => return Ok(()),
                Ok(Some(TaskEvent::Record(record))) => self.owned(&record),
                Ok(Some(TaskEvent::Assigned(partitions))) => Polled::Assigned(partitions),
                Ok(Some(TaskEvent::Revoked(partitions))) => Polled::Revoked(partitions),
                Ok(Some(TaskEvent::Lost(partitions))) => Polled::Lost(partitions),
                Ok(Some(TaskEvent::End(at))) => Polled::End(at),
                Err(error) => return self.refused(&error),
            };
            wait = Duration::ZERO;
            match polled {
                Polled::Record(record, sent_at) => {
                    self.refused = None;
                    self.take(record, sent_at)?;
                }
                Polled::Assigned(partitions) => self.assigned(&partitions)?,
                Polled::Revoked(partitions) => self.revoked(&partitions)?,
                Polled::Lost(partitions) => self.lost(&partitions)?,
                Polled::End(at) => {
                    if let Some(task) = self.plan.task_of(&at).and_then(|id| self.tasks.get_mut(&id)) {
                        task.reached_end(&at.topic);
                    }
                }
                Polled::Other => {}
            }
        }
        Ok(())
    }

    /// Spares tasks the fetch that would tell them what the last one told: that there is nothing more of a topic.
    pub(super) fn look_for_ends(&mut self) {
        let repartitions = &self.config.topology.description().repartition_topics;
        for task in self.tasks.values_mut() {
            for (at, next) in task.awaited() {
                let is_in_transactions =
                    self.config.guarantee == Guarantee::ExactlyOnce && repartitions.iter().any(|topic| **topic == *at.topic);
                if self.consumer.fetched_end(&at).is_some_and(|end| has_nothing_more(next, end, is_in_transactions)) {
                    task.reached_end(&at.topic);
                }
            }
        }
    }

    fn owned(&self, record: &IncomingRecord<'_>) -> Polled {
        let Some(topic) = self.plan.topics.iter().find(|topic| ***topic == *record.topic()) else { return Polled::Other };
        let headers = record.headers();
        let header = |name: &str| headers.iter().rfind(|(key, _)| *key == name).and_then(|(_, value)| *value);
        let sent_at = match header(SENT_AT_MS) {
            Some([]) => Err(NoEvent),
            value => Ok(value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok())),
        };
        let input = InputRecord {
            topic: Arc::clone(topic),
            partition: record.partition(),
            offset: record.offset(),
            timestamp_ms: record.timestamp_ms().unwrap_or(0),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            trace_id: header(TRACE_ID).map(Into::into),
        };
        Polled::Record(input, sent_at)
    }

    fn take(&mut self, record: InputRecord, sent_at: Result<Option<i64>, NoEvent>) -> Result<(), Problem> {
        let at = Assignment { topic: record.topic.to_string(), partition: record.partition };
        let task = self.plan.task_of(&at).and_then(|id| self.tasks.get_mut(&id)).filter(|task| !task.is_suspended);
        let Some(task) = task else { return Ok(()) }; // fetched before it was revoked
        match sent_at {
            Ok(sent_at) => self.sent_at.extend(sent_at),
            Err(NoEvent) => self.no_events += 1,
        }
        if task.take(record) {
            self.consumer.pause(&[at]).map_err(|error| error.problem("A partition could not be paused"))?;
        }
        Ok(())
    }

    /// A broker that restarts is no failure; one that stays away is.
    fn refused(&mut self, error: &ClientError) -> Result<(), Problem> {
        if self.protocol == GroupProtocol::Consumer && !self.has_joined && error.is_unknown_protocol() {
            return self.join_as_classic();
        }
        let now = self.cluster.now();
        let first = self.refused.filter(|(_, last)| now - *last < REFUSED_APART).map_or(now, |(first, _)| first);
        self.refused = Some((first, now));
        if now - first > REFUSED_MAX { Err(error.problem(format!("{} can't read", self.config.topology.app()))) } else { Ok(()) }
    }

    /// The cluster does not know the consumer protocol.
    fn join_as_classic(&mut self) -> Result<(), Problem> {
        tracing::info!("{} joins by the classic protocol: the cluster does not offer the other", self.config.topology.app());
        self.protocol = GroupProtocol::Classic;
        self.consumer = member(self.cluster, self.config, self.plan, self.number, self.protocol)?;
        Ok(())
    }
}

/// Whether there is nothing to read at `next` or later of a partition that ended at `end` when it was last fetched. What is written in
/// transactions only has a marker behind each record that may be read, so that the last offset is none: the next fetch would tell, but it
/// waits for others.
fn has_nothing_more(next: i64, end: i64, is_in_transactions: bool) -> bool {
    next + i64::from(is_in_transactions) >= end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_of_a_transaction_is_nothing_to_read() {
        let check = |next, end, is_in_transactions, expect| {
            assert_eq!(has_nothing_more(next, end, is_in_transactions), expect, "{next} of {end}, transactions: {is_in_transactions}");
        };
        check(0, 0, false, true);
        check(10, 11, false, false);
        check(11, 11, false, true);
        // A record at 9, its marker at 10; then a record at 11 and its marker.
        check(10, 11, true, true);
        check(9, 11, true, false);
        check(10, 13, true, false);
        check(12, 13, true, true);
    }
}
