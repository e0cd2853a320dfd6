//! Writes what a pipeline's world makes, when it is due.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use weir_model::{FaultId, PipelineParams, Problem, TimestampMs};

use super::{
    Command, Emit, EmitRecord, EventHeaders, Observed, World,
    scenario::{Due, Position, Script},
};
use crate::{
    client::{ClientError, Connection, OutgoingRecord, Producer, Reader, ReaderEvent},
    pipelines::{running::Control, shape::topics::Ends},
    stream::app::SENT_AT_MS,
};

/// Kills a stream thread of each application in the middle of its transaction; a fault every pipeline may list.
pub(super) const KILL_PROCESSOR: &str = "kill_processor";
/// Calls of the world between two looks at the clock and the control.
const BATCH: usize = 256;
/// Sleeps are neither shorter, which would burn the processor, nor longer, which would delay a stop.
const SLEEP_MIN: Duration = Duration::from_millis(4);
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// Events wait so long for others of their partition: a few thousand a second over many partitions would else be a request each, and as many
/// answers to every reader.
const LINGER: Duration = Duration::from_millis(25);
/// What can't be sent this long after it was due is not caught up with; the schedule moves on and the delay is counted.
const BEHIND_MAX: Duration = Duration::from_secs(1);
/// How long processing is left alone when enough waits for it.
const WAITING_PAUSE: Duration = Duration::from_millis(5);
/// How long a full producer is left alone.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// How long the last records may take to be acknowledged.
const FLUSH_MAX: Duration = Duration::from_secs(60);
/// Records heard between two batches.
const HEARD_MAX: usize = 256;
/// The headers of what is no event: its latency means nothing.
const NO_EVENT: &[(&str, Option<&[u8]>)] = &[(SENT_AT_MS, Some(b""))];
/// How the topics of what could not be read end.
const DEAD_LETTERS: &str = ".dlq";
/// Of the first dead letter so much is told.
const LETTER_SHOWN_MAX: usize = 300;
/// Faults kept in the list of those at work.
const FAULTS_MAX: usize = 32;

/// What the source tells the run.
#[derive(Debug, Default)]
pub(super) struct SourceProgress {
    generated: AtomicU64,
    delivered: AtomicU64,
    /// Of the generator, or of what was given.
    events: AtomicU64,
    rejected: Mutex<Rejected>,
    behind_ms: AtomicU64,
    commands: Mutex<VecDeque<FaultId>>,
    refused: Mutex<VecDeque<FaultId>>,
    faults: Mutex<Vec<(FaultId, TimestampMs)>>,
    /// How far the schedule is.
    pub(super) position: Position,
    /// Records that waited somewhere when that was looked at last, less those generated until then.
    waiting: AtomicI64,
}

/// What of the given data could not be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Rejected {
    pub(super) count: u64,
    /// Where it is told.
    pub(super) topic: &'static str,
    /// The first dead letter, as it stands there.
    pub(super) first: String,
}

impl SourceProgress {
    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Acquire)
    }

    pub(super) fn rejected(&self) -> Rejected {
        lock(&self.rejected).clone()
    }

    fn reject(&self, letter: &EmitRecord) {
        let mut rejected = lock(&self.rejected);
        rejected.count += 1;
        if rejected.count == 1 {
            rejected.topic = letter.topic;
            let text = String::from_utf8_lossy(letter.value.as_deref().unwrap_or_default());
            rejected.first = text.chars().take(LETTER_SHOWN_MAX).collect();
        }
    }

    pub(super) fn generated(&self) -> u64 {
        self.generated.load(Ordering::Acquire)
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Acquire)
    }

    pub(super) fn behind_ms(&self) -> u64 {
        self.behind_ms.load(Ordering::Acquire)
    }

    /// Records that wait to be processed, those generated since that was looked at included.
    fn waiting(&self) -> u64 {
        let generated = i64::try_from(self.generated()).unwrap_or(i64::MAX);
        u64::try_from(self.waiting.load(Ordering::Acquire).saturating_add(generated)).unwrap_or(0)
    }

    /// So many waited when so many had been generated.
    pub(super) fn set_waiting(&self, waiting: u64, generated: u64) {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.waiting.store(signed(waiting) - signed(generated), Ordering::Release);
    }

    /// A fault for the world.
    pub(super) fn command(&self, fault: FaultId) {
        let mut commands = lock(&self.commands);
        if commands.len() < FAULTS_MAX {
            commands.push_back(fault);
        }
    }

    /// A fault that the world does not know, or not with these knobs.
    fn refuse(&self, fault: FaultId) {
        let mut refused = lock(&self.refused);
        if refused.len() < FAULTS_MAX {
            refused.push_back(fault);
        }
    }

    /// The next fault that could not be done.
    pub(super) fn next_refused(&self) -> Option<FaultId> {
        lock(&self.refused).pop_front()
    }

    /// Tells of a fault that heals by itself.
    pub(super) fn fault(&self, fault: FaultId, heals_after_ms: i64) {
        let mut faults = lock(&self.faults);
        faults.retain(|(known, _)| *known != fault);
        if faults.len() < FAULTS_MAX {
            faults.push((fault, TimestampMs(TimestampMs::now().0 + heals_after_ms)));
        }
    }

    pub(super) fn active_faults(&self) -> Vec<(FaultId, TimestampMs)> {
        let mut faults = lock(&self.faults);
        let now = TimestampMs::now();
        faults.retain(|(_, heals_at)| *heals_at > now);
        faults.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a source works with.
pub(super) struct Source<'a> {
    pub(super) control: &'a Control,
    pub(super) progress: &'a SourceProgress,
    pub(super) producer: Producer,
    pub(super) heard: Option<Reader>,
    pub(super) rate_per_s: u32,
    pub(super) events_max: Option<u64>,
    /// What a scenario still has to do.
    pub(super) script: Script,
    headers: EventHeaders,
    partitions: BTreeMap<String, i32>,
    /// Records that are no events: truth, and what is told to chosen partitions.
    told: u64,
    /// What reached the cluster by the world's own way, as far as it was counted.
    bridged: u64,
}

/// Writes records that are no events, and waits until all are acknowledged.
pub(super) fn write(connection: &Connection, mut out: Emit) -> Result<(), Problem> {
    let records = out.take();
    if records.is_empty() {
        return Ok(());
    }
    let failed = |error: ClientError| error.problem("What must be there before the first event could not be written");
    let producer = Producer::new(connection).map_err(failed)?;
    for record in &records {
        while producer.send(outgoing(record, &[])).map_err(failed)?.is_err() {
            std::thread::sleep(FULL_PAUSE);
        }
    }
    producer.flush(FLUSH_MAX).map_err(failed)?;
    producer.first_error().map_or(Ok(()), |error| Err(failed(error)))
}

impl<'a> Source<'a> {
    pub(super) fn new(
        connection: &Connection,
        control: &'a Control,
        progress: &'a SourceProgress,
        (world, since): (&dyn World, &Ends),
        params: &PipelineParams,
        script: Script,
    ) -> Result<Self, Problem> {
        let failed = |error: ClientError| error.problem("The generator could not start");
        let producer = Producer::lingering(connection, LINGER).map_err(failed)?;
        let topics = world.hears();
        let mut heard = None;
        if !topics.is_empty() {
            let reader = Reader::new(connection, "", false).map_err(failed)?;
            let starts = topics.iter().flat_map(|topic| {
                since
                    .get(&**topic)
                    .into_iter()
                    .flat_map(move |starts| (0..).zip(starts).map(|(partition, start)| (&**topic, partition, *start)))
            });
            reader.assign_topics(starts).map_err(failed)?;
            heard = Some(reader);
        }
        let partitions = since.iter().map(|(topic, starts)| (topic.clone(), i32::try_from(starts.len()).unwrap_or(i32::MAX))).collect();
        Ok(Self {
            control,
            progress,
            producer,
            heard,
            rate_per_s: params.rate_per_s,
            events_max: params.events_max,
            script,
            headers: EventHeaders::new(params.seed),
            partitions,
            told: 0,
            bridged: 0,
        })
    }

    /// Writes until the run is stopped, everything asked for was made, or the world is over; then what the world held back.
    pub(super) fn work(mut self, world: &mut dyn World) -> Result<(), Problem> {
        let mut out = Emit { partitions: std::mem::take(&mut self.partitions), ..Emit::default() };
        self.follow_schedule(world, &mut out)?;
        world.finish(&mut out);
        self.send_all(&mut out)?;
        let flushed = self.producer.flush(FLUSH_MAX);
        self.report(world)?;
        flushed.map_err(|error| error.problem("The last records were not acknowledged in time"))
    }

    fn follow_schedule(&mut self, world: &mut dyn World, out: &mut Emit) -> Result<(), Problem> {
        let mut base = Instant::now();
        while !self.control.is_stopping() && !self.has_all(world) {
            if self.control.is_paused() {
                // Virtual time stands still: it goes on where it stopped.
                let paused_at = Instant::now();
                self.report(world)?;
                std::thread::sleep(SLEEP_MAX);
                base += paused_at.elapsed();
                continue;
            }
            self.obey(world)?;
            if world.waiting_max().is_some_and(|max| self.progress.waiting() >= max) {
                let waited_since = Instant::now();
                self.report(world)?;
                std::thread::sleep(WAITING_PAUSE);
                base += waited_since.elapsed();
                continue;
            }
            let due = nanos(world.due_ns());
            let elapsed = base.elapsed();
            if elapsed > due + BEHIND_MAX {
                let lost = elapsed - due;
                base += lost;
                self.progress.behind_ms.fetch_add(u64::try_from(lost.as_millis()).unwrap_or(u64::MAX), Ordering::AcqRel);
            } else if due > elapsed {
                self.report(world)?;
                std::thread::sleep((due - elapsed).clamp(SLEEP_MIN, SLEEP_MAX));
            } else {
                for _ in 0..BATCH {
                    let is_full = world.waiting_max().is_some_and(|max| self.progress.waiting() >= max);
                    if is_full || self.has_all(world) || nanos(world.due_ns()) > elapsed {
                        break;
                    }
                    self.follow_script(world);
                    world.next(out);
                    self.send_all(out)?;
                }
                self.report(world)?;
            }
        }
        Ok(())
    }

    fn has_all(&self, world: &dyn World) -> bool {
        world.is_over() || self.events_max.is_some_and(|max| world.events() >= max) || self.script.is_over(world.due_ns())
    }

    /// Does what is due by the generator's own time, so that equal seeds give equal events under a scenario too.
    fn follow_script(&mut self, world: &mut dyn World) {
        self.progress.position.set_ns(world.due_ns());
        while let Some(act) = self.script.next_due(world.due_ns()) {
            match act {
                Due::Rate(rate_per_s) => {
                    self.control.set_rate(rate_per_s);
                    self.rate_per_s = rate_per_s;
                    world.set_rate(rate_per_s);
                }
                // Not the world's to do: it goes where the run's own faults go.
                Due::Fault(fault) if fault.as_str() == KILL_PROCESSOR => self.control.inject(fault),
                Due::Fault(fault) => self.command(world, fault),
            }
        }
    }

    fn command(&self, world: &mut dyn World, fault: FaultId) {
        match world.command(&Command::parse(&fault)) {
            Some(heals_after_ms) => self.progress.fault(fault, heals_after_ms),
            None => self.progress.refuse(fault),
        }
    }

    /// The rate, faults, and what the world hears.
    fn obey(&mut self, world: &mut dyn World) -> Result<(), Problem> {
        let wanted = self.control.rate_per_s();
        if wanted != self.rate_per_s {
            self.rate_per_s = wanted;
            world.set_rate(wanted);
        }
        loop {
            let Some(fault) = lock(&self.progress.commands).pop_front() else { break };
            self.command(world, fault);
        }
        let Some(reader) = &self.heard else { return Ok(()) };
        for _ in 0..HEARD_MAX {
            match reader.poll(Duration::ZERO).map_err(|error| error.problem("The generator can't read what it obeys"))? {
                Some(ReaderEvent::Record(record)) => world.hear(&Observed::of(&record)),
                Some(ReaderEvent::End(_)) => {}
                None => break,
            }
        }
        Ok(())
    }

    fn send_all(&mut self, out: &mut Emit) -> Result<(), Problem> {
        for record in out.records.drain(..) {
            if record.topic.ends_with(DEAD_LETTERS) {
                self.progress.reject(&record);
            }
            let is_event = record.partition.is_none() && !record.topic.starts_with("_truth.");
            let of_event;
            let headers: &[_] = if is_event {
                of_event = self.headers.next(record.topic, record.timestamp_ms, TimestampMs::now());
                &of_event
            } else {
                NO_EVENT
            };
            while self.producer.send(outgoing(&record, headers)).map_err(|error| error.problem("A record could not be sent"))?.is_err() {
                check_failed(&self.producer)?;
                std::thread::sleep(FULL_PAUSE);
            }
            if is_event {
                self.progress.generated.fetch_add(1, Ordering::AcqRel);
            } else {
                self.told += 1;
            }
        }
        Ok(())
    }

    fn report(&mut self, world: &dyn World) -> Result<(), Problem> {
        self.progress.events.store(world.events(), Ordering::Release);
        let bridged = world.bridged();
        self.progress.generated.fetch_add(bridged.saturating_sub(self.bridged), Ordering::AcqRel);
        self.bridged = bridged;
        let delivered = self.producer.delivered().saturating_sub(self.told) + bridged;
        self.progress.delivered.store(delivered, Ordering::Release);
        check_failed(&self.producer)
    }
}

fn check_failed(producer: &Producer) -> Result<(), Problem> {
    if producer.failed() == 0 {
        return Ok(());
    }
    let error = producer.first_error().unwrap_or_else(ClientError::no_answer);
    Err(error.problem("Records could not be written"))
}

fn outgoing<'a>(record: &'a EmitRecord, headers: &'a [(&'a str, Option<&'a [u8]>)]) -> OutgoingRecord<'a> {
    OutgoingRecord {
        topic: record.topic,
        partition: record.partition,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers,
        timestamp_ms: Some(record.timestamp_ms).filter(|at| *at >= 0),
    }
}

/// Half a millennium of nanoseconds fits; beyond it time stands still.
fn nanos(ns: u128) -> Duration {
    Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}
