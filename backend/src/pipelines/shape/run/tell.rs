//! What a run tells: figures, rates, verdicts so far.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use weir_model::{Latency, Phase, PipelineId, PipelineParams, PipelineStatus, Problem, Update};

use super::{Run, lock};
use crate::{
    pipelines::shape::{Checker, Facts},
    stream::{Dropped, app::ThreadCounts},
    updates::Updates,
};

/// Rates are taken over this long.
const RATE_OVER: Duration = Duration::from_secs(2);

/// Generated and processed events at some moments, oldest first.
#[derive(Default)]
pub(super) struct Samples(Mutex<VecDeque<(Instant, u64, u64)>>);

impl Samples {
    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }

    fn rates(&self, produced: u64, processed: u64) -> (f64, f64) {
        let mut samples = lock(&self.0);
        samples.push_back((Instant::now(), produced, processed));
        while samples.len() > 2 && samples.get(1).is_some_and(|(at, ..)| at.elapsed() >= RATE_OVER) {
            samples.pop_front();
        }
        let Some((at, produced_then, processed_then)) = samples.front().copied().filter(|_| samples.len() > 1) else { return (0.0, 0.0) };
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / at.elapsed().as_secs_f64().max(0.001);
        (rate(produced, produced_then), rate(processed, processed_then))
    }
}

/// A run that failed where nothing else can tell of it.
pub fn failed(updates: &Updates, id: PipelineId, params: PipelineParams, problem: Problem) {
    let status = PipelineStatus::unmeasured(id, Phase::Failed(problem), params);
    updates.publish(Update::PipelineStatus(Arc::new(status)));
}

impl Run<'_> {
    pub(super) fn tell(&self, phase: Phase, facts: &Facts) {
        let checkers = lock(&self.checkers);
        let counts = self.counts(&checkers);
        let checks: Vec<_> = checkers.iter().flat_map(|checker| checker.verdicts(facts)).collect();
        let scenario = self.scenario().map(|scenario| Arc::new(scenario.view(self.source.position.at_ms(), &checks)));
        drop(checkers);
        let (produced_per_s, processed_per_s) = self.samples.rates(facts.generated, facts.processed);
        let status = PipelineStatus {
            id: self.meta.id.clone(),
            phase,
            params: PipelineParams { rate_per_s: self.control.rate_per_s(), ..self.run.params.clone() },
            produced_per_s,
            processed_per_s,
            counts,
            latency: self.latency(),
            checks,
            active_faults: self.source.active_faults(),
            scenario,
        };
        self.updates.publish(Update::PipelineStatus(Arc::new(status)));
        self.tell_streams();
    }

    pub(super) fn facts(&self, is_over: bool) -> Facts {
        let mut facts = match &*lock(&self.last_facts) {
            Some((facts, ..)) => facts.clone(),
            None => self.facts_now(),
        };
        (facts.generated, facts.delivered, facts.is_over) = (self.source.generated(), self.source.delivered(), is_over);
        facts
    }

    /// Remembers what only running applications can tell.
    pub(super) fn keep_facts(&self) {
        let kept = (self.facts_now(), self.counts_now(), self.latency_now());
        *lock(&self.last_facts) = Some(kept);
    }

    pub(super) fn latency(&self) -> Latency {
        let kept = lock(&self.last_facts).as_ref().map(|(.., latency)| *latency);
        kept.unwrap_or_else(|| self.latency_now())
    }

    pub(super) fn counts(&self, checkers: &[Box<dyn Checker>]) -> BTreeMap<String, u64> {
        let kept = lock(&self.last_facts).as_ref().map(|(_, counts, _)| counts.clone());
        let mut counts = kept.unwrap_or_else(|| self.counts_now());
        let of_source =
            [("generated", self.source.generated()), ("delivered", self.source.delivered()), ("behind_ms", self.source.behind_ms())];
        counts.extend(of_source.map(|(name, count)| (name.to_owned(), count)));
        counts.extend(checkers.iter().flat_map(|checker| checker.counts()));
        counts
    }

    fn facts_now(&self) -> Facts {
        let (counts, dropped) = self.of_apps();
        Facts { processed: counts.processed, dropped, ..Facts::default() }
    }

    fn counts_now(&self) -> BTreeMap<String, u64> {
        let (counts, dropped) = self.of_apps();
        let counts = [
            ("processed", counts.processed),
            ("published", counts.published),
            ("commits", counts.commits),
            ("aborts", counts.aborts),
            ("rebalances", counts.rebalances),
            ("threads_replaced", counts.replaced),
            ("late_dropped", dropped.late),
            ("malformed", dropped.malformed),
            ("null_key_dropped", dropped.null_key),
            ("duplicates_dropped", dropped.duplicate),
        ];
        counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    }

    fn of_apps(&self) -> (ThreadCounts, Dropped) {
        let apps = lock(&self.apps);
        let mut sum = (ThreadCounts::default(), Dropped::default());
        for snapshot in apps.iter().map(crate::stream::app::StreamsApp::snapshot) {
            let (counts, dropped) = (snapshot.counts(), snapshot.dropped());
            sum.0.processed += counts.processed;
            sum.0.published += counts.published;
            sum.0.commits += counts.commits;
            sum.0.aborts += counts.aborts;
            sum.0.rebalances += counts.rebalances;
            sum.0.replaced += counts.replaced;
            sum.1.late += dropped.late;
            sum.1.malformed += dropped.malformed;
            sum.1.null_key += dropped.null_key;
            sum.1.duplicate += dropped.duplicate;
        }
        sum
    }

    /// Of the slowest application.
    fn latency_now(&self) -> Latency {
        let apps = lock(&self.apps);
        apps.iter()
            .map(crate::stream::app::StreamsApp::latency_ms)
            .fold(Latency::default(), |worst, latency| Latency { p50: worst.p50.max(latency.p50), p99: worst.p99.max(latency.p99) })
    }
}
