//! Which figures there are, under which names, with which labels.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use weir_model::{CheckVerdict, PipelineStatus, StreamsApp, StreamsView};

/// What is shown; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics(Arc<Mutex<Option<Shown>>>);

/// A run, and its applications if they told anything yet.
type Shown = (Arc<PipelineStatus>, Option<Arc<StreamsView>>);

impl Metrics {
    pub(super) fn set(&self, status: Arc<PipelineStatus>, streams: Option<Arc<StreamsView>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((status, streams));
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((status, streams)) = shown else { return Ok(()) };
        of_run(&mut encoder, &status)?;
        of_apps(&mut encoder, streams.as_deref().map_or(&[], |view| &view.apps))
    }
}

fn of_run(encoder: &mut DescriptorEncoder<'_>, status: &PipelineStatus) -> fmt::Result {
    let pipeline = status.id.as_str();
    let counts = status.counts.iter().map(|(kind, count)| ([("pipeline", pipeline), ("kind", kind.as_str())], *count));
    counters(encoder, "weir_run_events", "Events of the run, by what became of them", counts)?;
    let rates = [("in", status.produced_per_s), ("processed", status.processed_per_s)];
    let rates = rates.map(|(stage, rate)| ([("pipeline", pipeline), ("stage", stage)], rate));
    gauges(encoder, ("weir_run_rate", "Events a second over the last second", None), rates)?;
    let latency = [("0.5", status.latency.p50), ("0.99", status.latency.p99)];
    let latency = latency.map(|(quantile, ms)| ([("pipeline", pipeline), ("quantile", quantile)], ms / 1_000.0));
    gauges(encoder, ("weir_run_latency", "From a record's timestamp to the processor having seen it", Some(&Unit::Seconds)), latency)?;
    let verdicts = status.checks.iter().filter_map(|check| {
        let value = match check.verdict {
            CheckVerdict::Pass => 1.0,
            CheckVerdict::Fail => 0.0,
            CheckVerdict::Pending => return None,
        };
        Some(([("pipeline", pipeline), ("check", &*check.id)], value))
    });
    gauges(encoder, ("weir_run_check", "1 where the check against truth passes, 0 where it fails", None), verdicts)?;
    let faults = status.active_faults.iter().map(|(fault, _)| ([("pipeline", pipeline), ("fault", fault.name())], 1.0));
    gauges(encoder, ("weir_run_fault", "1 for each fault at work", None), faults)
}

fn of_apps(encoder: &mut DescriptorEncoder<'_>, apps: &[StreamsApp]) -> fmt::Result {
    let by_app = |figure: fn(&StreamsApp) -> u64| apps.iter().map(move |app| ([("group", app.group.as_str())], figure(app)));
    counters(encoder, "weir_streams_commits", "Commits that succeeded", by_app(|app| app.commits.0))?;
    counters(encoder, "weir_streams_aborts", "Transactions that were aborted", by_app(|app| app.commits.1))?;
    counters(encoder, "weir_streams_rebalances", "Times partitions were assigned or taken away", by_app(|app| app.rebalances))?;
    let rate = apps.iter().map(|app| ([("group", app.group.as_str())], app.processed_per_s));
    gauges(encoder, ("weir_streams_rate", "Records processed a second over the last seconds", None), rate)?;
    let tasks =
        || apps.iter().flat_map(|app| app.tasks.iter().map(move |task| ([("group", app.group.as_str()), ("task", &*task.id)], task)));
    let waiting = tasks().map(|(labels, task)| (labels, task.queued as f64));
    gauges(encoder, ("weir_streams_task_waiting_records", "Records that wait in a task", None), waiting)?;
    let stream_time = tasks().filter_map(|(labels, task)| Some((labels, task.stream_time?.0 as f64 / 1_000.0)));
    gauges(encoder, ("weir_streams_task_stream_time", "How far event time is", Some(&Unit::Seconds)), stream_time)?;
    let dropped = tasks().flat_map(|([group, task], counted)| {
        let (late, malformed, repeated) = counted.dropped;
        [("late", late), ("malformed", malformed), ("repeated", repeated)].map(|(why, count)| ([group, task, ("reason", why)], count))
    });
    counters(encoder, "weir_streams_task_dropped_records", "Records without effect, by reason", dropped)?;
    let stores = apps.iter().flat_map(|app| {
        let labels = |task, store| [("group", app.group.as_str()), ("task", task), ("store", store)];
        app.stores.iter().map(move |store| (labels(&*store.task, &*store.name), store.entries as f64))
    });
    gauges(encoder, ("weir_streams_store_entries", "Entries of a state store", None), stores)
}

fn counters<'l, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    counts: impl IntoIterator<Item = ([(&'l str, &'l str); N], u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, count) in counts {
        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauges<'l, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<&Unit>),
    values: impl IntoIterator<Item = ([(&'l str, &'l str); N], f64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
