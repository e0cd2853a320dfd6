//! The generator at work: sends each event when its time has come.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use weir_model::{FaultId, PipelineParams, Problem, TimestampMs};

use crate::{
    client::{Connection, OutgoingRecord, Producer},
    pipelines::{
        clickstream::{
            meta::{PHONES_OFFLINE, TRAFFIC_SPIKE},
            settings::EVENTS,
        },
        running::Control,
    },
    sim::clickstream::{Generator, GeneratorParams, OFFLINE_EVENT_MS, SPIKE_MS, Truth},
};

/// Sleeping less than this costs more than it gains.
const SLEEP_MIN: Duration = Duration::from_millis(2);
/// Sleeping longer than this makes stop and pause slow.
const SLEEP_MAX: Duration = Duration::from_millis(20);
/// Events between two looks at the control.
const BATCH: usize = 4_096;
/// A generator further behind than this does not catch up: it goes on from here, and says how much it lost.
const BEHIND_MAX: Duration = Duration::from_secs(1);
/// How long a full producer is left alone.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// How long the last events may take to be acknowledged.
const FLUSH_MAX: Duration = Duration::from_secs(60);

/// What the generator tells while it works.
#[derive(Debug, Default)]
pub(super) struct SourceProgress {
    generated: AtomicU64,
    delivered: AtomicU64,
    behind_ms: AtomicU64,
    truth: Mutex<Truth>,
    faults: Mutex<Vec<(FaultId, TimestampMs)>>,
}

impl SourceProgress {
    /// Events given to the producer.
    pub(super) fn generated(&self) -> u64 {
        self.generated.load(Ordering::Acquire)
    }

    /// Events acknowledged.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Acquire)
    }

    /// Time by which virtual time fell behind the clock because the machine could not keep up.
    pub(super) fn behind_ms(&self) -> u64 {
        self.behind_ms.load(Ordering::Acquire)
    }

    /// What no consumer is told.
    pub(super) fn truth(&self) -> Truth {
        *self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Faults at work, with the time each heals.
    pub(super) fn active_faults(&self) -> Vec<(FaultId, TimestampMs)> {
        let now = TimestampMs::now();
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.retain(|(_, heals_at)| *heals_at > now);
        faults.clone()
    }

    fn fault(&self, fault: FaultId, heals_after_ms: i64) {
        let heals_at = TimestampMs(TimestampMs::now().0 + heals_after_ms);
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.retain(|(known, _)| *known != fault);
        faults.push((fault, heals_at));
    }
}

struct Source<'a> {
    control: &'a Control,
    progress: &'a SourceProgress,
    producer: Producer,
    params: PipelineParams,
}

/// Generates until the run stops or has its events. Blocks; belongs on a thread of its own.
pub(super) fn generate(
    params: PipelineParams,
    start_at: TimestampMs,
    connection: &Connection,
    control: &Control,
    progress: &SourceProgress,
) -> Result<(), Problem> {
    let producer = Producer::new(connection).map_err(|error| error.problem("The generator could not start"))?;
    let generator_params =
        GeneratorParams { seed: params.seed, rate_per_s: params.rate_per_s, speed: params.speed, start_at_ms: start_at.0 };
    let source = Source { control, progress, producer, params };
    let mut generator = Generator::new(generator_params);
    source.work(&mut generator)?;
    // Phones that are still offline come back for the end, so that every event made is in the log.
    generator.heal();
    while let Some((key, value)) = generator.release() {
        source.send(&key, &value)?;
    }
    source.finish(generator.truth())
}

impl Source<'_> {
    fn work(&self, generator: &mut Generator) -> Result<(), Problem> {
        let mut base = Instant::now();
        let mut rate_per_s = self.params.rate_per_s;
        while !self.control.is_stopping() && !self.has_all(generator) {
            if self.control.is_paused() {
                // Virtual time stands still: the events go on where they stopped.
                let paused_at = Instant::now();
                self.report(generator)?;
                std::thread::sleep(SLEEP_MAX);
                base += paused_at.elapsed();
                continue;
            }
            let wanted = self.control.rate_per_s();
            if wanted != rate_per_s {
                rate_per_s = wanted;
                generator.set_rate(rate_per_s);
            }
            self.inject(generator);
            let due = nanos(generator.due_ns());
            let elapsed = base.elapsed();
            if elapsed > due + BEHIND_MAX {
                let lost = elapsed - due;
                base += lost;
                self.progress.behind_ms.fetch_add(lost.as_millis() as u64, Ordering::AcqRel);
                continue;
            }
            if due > elapsed {
                self.report(generator)?;
                std::thread::sleep((due - elapsed).clamp(SLEEP_MIN, SLEEP_MAX));
                continue;
            }
            self.send_due(generator, elapsed)?;
        }
        Ok(())
    }

    fn has_all(&self, generator: &Generator) -> bool {
        self.params.events_max.is_some_and(|max| generator.events() >= max)
    }

    fn send_due(&self, generator: &mut Generator, elapsed: Duration) -> Result<(), Problem> {
        for _ in 0..BATCH {
            if self.has_all(generator) || nanos(generator.due_ns()) > elapsed {
                break;
            }
            if let Some(record) = generator.generate() {
                self.send(record.key, record.value)?;
            }
            while let Some((key, value)) = generator.release() {
                self.send(&key, &value)?;
            }
        }
        self.report(generator)
    }

    fn send(&self, key: &str, value: &[u8]) -> Result<(), Problem> {
        let record = OutgoingRecord { topic: EVENTS, key: Some(key.as_bytes()), value: Some(value), ..OutgoingRecord::default() };
        loop {
            match self.producer.send(record) {
                Ok(Ok(())) => break,
                Ok(Err(_full)) => {
                    self.check_failed()?;
                    std::thread::sleep(FULL_PAUSE);
                }
                Err(error) => return Err(error.problem("An event could not be sent")),
            }
        }
        self.progress.generated.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn inject(&self, generator: &mut Generator) {
        while let Some(fault) = self.control.next_fault() {
            match fault.as_str() {
                TRAFFIC_SPIKE => {
                    generator.start_spike();
                    self.progress.fault(fault, SPIKE_MS.cast_signed());
                }
                PHONES_OFFLINE => {
                    generator.start_offline();
                    self.progress.fault(fault, OFFLINE_EVENT_MS / i64::from(self.params.speed.max(1)));
                }
                unknown => tracing::warn!("clickstream knows no fault {unknown}"),
            }
        }
    }

    fn report(&self, generator: &Generator) -> Result<(), Problem> {
        self.progress.delivered.store(self.producer.delivered(), Ordering::Release);
        *self.progress.truth.lock().unwrap_or_else(PoisonError::into_inner) = generator.truth();
        self.check_failed()
    }

    fn check_failed(&self) -> Result<(), Problem> {
        if self.producer.failed() == 0 {
            return Ok(());
        }
        let what = "Events could not be written";
        Err(self
            .producer
            .first_error()
            .map_or_else(|| Problem::new(what, "unknown", "Start the pipeline again"), |error| error.problem(what)))
    }

    fn finish(&self, truth: Truth) -> Result<(), Problem> {
        let flushed = self.producer.flush(FLUSH_MAX);
        self.progress.delivered.store(self.producer.delivered(), Ordering::Release);
        *self.progress.truth.lock().unwrap_or_else(PoisonError::into_inner) = truth;
        self.check_failed()?;
        flushed.map_err(|error| error.problem("The last events were not acknowledged in time"))
    }
}

/// Half a millennium of nanoseconds fits; beyond it time stands still.
fn nanos(ns: u128) -> Duration {
    Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}
