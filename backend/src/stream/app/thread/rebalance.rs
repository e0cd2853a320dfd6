//! Taking partitions over and giving them up.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use weir_model::Problem;

use super::StreamThread;
use crate::{
    client::{Assignment, Assignor, ClientError, OffsetSpec},
    stream::app::{
        Guarantee, THREADS_MAX, TaskId,
        cluster::{Cluster, Consumer as _, Step},
        restore::{Part, Restore},
        snapshot::AppEventKind,
        tasks::{OwnedTask, stream_time_of},
    },
};

/// Where a task's partitions are read from, and the stream time they were committed with.
#[derive(Default)]
pub(super) struct Begin {
    starts: BTreeMap<Arc<str>, i64>,
    committed: BTreeMap<Arc<str>, i64>,
    pub(super) stream_time_ms: Option<i64>,
}

impl<C: Cluster> StreamThread<'_, C> {
    /// Makes the tasks of these partitions; they run once their state is restored.
    pub(super) fn assigned(&mut self, partitions: &[Assignment]) -> Result<(), Problem> {
        self.counts.rebalances += u64::from(!partitions.is_empty());
        self.has_joined = true;
        self.tell_rebalance(partitions, AppEventKind::Assigned);
        let failed = |error: ClientError| error.problem("Partitions could not be taken over");
        let begins = self.begins(partitions).map_err(failed)?;
        let starts = begins.iter().flat_map(|(id, begin)| {
            let at = |topic: &str| Assignment { topic: topic.to_owned(), partition: id.partition };
            begin.starts.iter().map(move |(topic, start)| (at(topic), *start))
        });
        self.consumer.take_over(starts).map_err(failed)?;
        for (id, begin) in begins {
            if self.is_unchanged(id, &begin).map_err(failed)? {
                self.resume(id, &begin);
                continue;
            }
            let task = self.make(id, &begin)?;
            if task.restore.is_some() {
                self.consumer.pause(&task.partitions()).map_err(failed)?;
            }
            self.tasks.insert(id, task);
        }
        // With the eager protocol an assignment names all there is: what did not come back is another's.
        self.tasks.retain(|_, task| !task.is_suspended);
        self.share_cache();
        self.tell_now();
        Ok(())
    }

    /// Commits, then gives the partitions up.
    pub(super) fn revoked(&mut self, partitions: &[Assignment]) -> Result<(), Problem> {
        self.counts.rebalances += 1;
        self.tell_rebalance(partitions, AppEventKind::Revoked);
        if !self.cluster.leaves_out(Step::CommitRevoked) {
            self.commit()?;
        }
        let is_kept = self.plan.assignor == Assignor::Range;
        for id in self.tasks_of(partitions) {
            match self.tasks.get_mut(&id) {
                // One on disk is soon here again, and another thread of this process may need the file.
                Some(task) if is_kept && task.is_running() && !task.is_on_disk() => task.is_suspended = true,
                _ => drop(self.tasks.remove(&id)),
            }
        }
        self.tell_now();
        self.consumer.give_up(partitions).map_err(|error| error.problem("Partitions could not be given up"))
    }

    /// Another member has them already: nothing of theirs may be committed.
    pub(super) fn lost(&mut self, partitions: &[Assignment]) -> Result<(), Problem> {
        self.counts.rebalances += 1;
        self.tell_rebalance(partitions, AppEventKind::Lost);
        if !self.cluster.leaves_out(Step::AbortLost) {
            self.writer.abort()?;
        }
        for id in self.tasks_of(partitions) {
            self.tasks.remove(&id);
        }
        self.consumer.give_up(partitions).map_err(|error| error.problem("Partitions could not be given up"))?;
        self.tell_now();
        self.roll_back()
    }

    /// Whether a task was kept, and nobody else has worked on it since: its offsets are where they were, and so are the ends of its
    /// changelogs, to which a tick of the wall clock writes without an offset having moved.
    fn is_unchanged(&self, id: TaskId, begin: &Begin) -> Result<bool, ClientError> {
        let Some(task) = self.tasks.get(&id).filter(|task| task.is_suspended && task.next == begin.starts) else { return Ok(false) };
        if self.cluster.leaves_out(Step::CompareChangelogs) {
            return Ok(true);
        }
        let at: Vec<_> = task.logged.keys().map(|topic| (topic.to_string(), id.partition)).collect();
        let ends = |spec| -> Result<BTreeMap<String, i64>, ClientError> {
            self.cluster.list_offsets(&at, spec)?.into_iter().map(|listed| Ok((listed.topic, listed.offset?.unwrap_or(0)))).collect()
        };
        let (ends, stable) = (ends(OffsetSpec::Latest)?, ends(OffsetSpec::LatestStable)?);
        // The marker of its own last transaction is all that may have come: with a record of another's come two, unless that is open.
        let markers = i64::from(self.config.guarantee == Guarantee::ExactlyOnce);
        let is_its = |(topic, next): (&Arc<str>, &i64)| {
            ends.get(&**topic).is_some_and(|end| *end <= *next + markers && stable.get(&**topic) == Some(end))
        };
        Ok(task.logged.iter().all(is_its))
    }

    /// Goes on with a task that was kept.
    fn resume(&mut self, id: TaskId, begin: &Begin) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.is_suspended = false;
            task.forget_ends();
            begin.stream_time_ms.into_iter().for_each(|stream_time_ms| task.task.restore_stream_time(stream_time_ms));
        }
    }

    /// Shares the memory for what is on disk out among the stores that are.
    fn share_cache(&mut self) {
        let stores: usize = self.tasks.values().map(|task| task.task.backed()).sum();
        let of_thread = self.config.state_cache_bytes / u64::from(self.config.threads.clamp(1, THREADS_MAX));
        let of_store = of_thread.checked_div(stores as u64).unwrap_or(0);
        self.tasks.values_mut().for_each(|task| task.task.limit_caches(of_store));
    }

    fn tell_rebalance(&self, partitions: &[Assignment], what: impl FnOnce(Vec<TaskId>) -> AppEventKind) {
        let tasks = self.tasks_of(partitions);
        if !tasks.is_empty() {
            self.shared.happened(self.number, what(tasks.into_iter().collect()));
        }
    }

    fn tell_now(&mut self) {
        self.last_told = None;
        self.tell(false);
    }

    /// The tasks that read these, each once: one that joins reads several.
    fn tasks_of(&self, partitions: &[Assignment]) -> BTreeSet<TaskId> {
        partitions.iter().filter_map(|at| self.plan.task_of(at)).collect()
    }

    fn begins(&self, partitions: &[Assignment]) -> Result<BTreeMap<TaskId, Begin>, ClientError> {
        let at: Vec<_> = partitions.iter().map(|at| (at.topic.clone(), at.partition)).collect();
        let mut earliest = BTreeMap::new();
        for listed in self.cluster.list_offsets(&at, OffsetSpec::Earliest)? {
            earliest.insert((listed.topic, listed.partition), listed.offset?.unwrap_or(0));
        }
        let mut begins = BTreeMap::<TaskId, Begin>::new();
        for committed in self.consumer.committed(partitions)? {
            let Some(id) = self.plan.task_of(&committed.at) else { continue };
            let topic: Arc<str> = committed.at.topic.as_str().into();
            let first = earliest.get(&(committed.at.topic.clone(), committed.at.partition)).copied().unwrap_or(0);
            let first = first.max(self.since(&topic, committed.at.partition));
            let begin = begins.entry(id).or_default();
            let next = committed.next_offset.filter(|next| *next >= first);
            if let Some(next) = next {
                begin.committed.insert(Arc::clone(&topic), next);
                begin.stream_time_ms = begin.stream_time_ms.max(stream_time_of(&committed.note, &self.config.run));
            }
            begin.starts.insert(topic, next.unwrap_or(first));
        }
        Ok(begins)
    }

    fn since(&self, topic: &str, partition: i32) -> i64 {
        let of_topic = self.config.since.get(topic);
        usize::try_from(partition).ok().and_then(|at| of_topic?.get(at).copied()).unwrap_or(0)
    }

    fn make(&self, id: TaskId, begin: &Begin) -> Result<OwnedTask, Problem> {
        let mut parts = self.parts(id, begin).map_err(|error| error.problem(format!("The state of task {id} is not known")))?;
        let warm = self.warm(id, begin, &parts)?;
        for part in &mut parts {
            part.start = warm.next.get(&part.topic).copied().unwrap_or(part.start);
        }
        let own = parts.iter().filter(|part| !part.is_source).map(|part| (Arc::clone(&part.topic), part.end)).collect();
        let restore = Restore::new(parts, self.cluster.now());
        let offsets = restore.progress().1;
        if offsets > 0 || warm.entries > 0 {
            let (warm, from) = (warm.entries, warm.from);
            self.shared.happened(self.number, AppEventKind::RestoreBegan { task: id, offsets, warm, from });
        }
        let restore = (offsets > 0).then_some(restore);
        Ok(OwnedTask::new(id, warm.task, restore, &begin.starts).with_disk(warm.disk, own))
    }

    /// What to restore: changelogs to their end, and tables' own topics to where they were processed.
    fn parts(&self, id: TaskId, begin: &Begin) -> Result<Vec<Part>, ClientError> {
        let Some(part) = self.config.topology.description().subtopologies.get(id.subtopology) else { return Ok(Vec::new()) };
        let at: Vec<_> = part.changelogs.iter().map(|(_, topic)| (topic.to_string(), id.partition)).collect();
        let (mut firsts, mut ends) = (BTreeMap::new(), BTreeMap::new());
        for (spec, found) in [(OffsetSpec::Earliest, &mut firsts), (OffsetSpec::Latest, &mut ends)] {
            for listed in self.cluster.list_offsets(&at, spec)? {
                found.insert(listed.topic, listed.offset?.unwrap_or(0));
            }
        }
        let changelogs = part.changelogs.iter().map(|(_, topic)| {
            let is_source = part.source_topics.contains(topic);
            let first = firsts.get(&**topic).copied().unwrap_or(0);
            let end = ends.get(&**topic).copied().unwrap_or(0);
            let end = if is_source { begin.committed.get(topic).copied().unwrap_or(0).min(end) } else { end };
            Part { topic: Arc::clone(topic), partition: id.partition, start: first.max(self.since(topic, id.partition)), end, is_source }
        });
        Ok(changelogs.collect())
    }
}
