//! The shop's visitors as the world of a run.

use crate::{
    pipelines::{
        clickstream::{
            meta::{PHONES_OFFLINE, TRAFFIC_SPIKE},
            records::RunTruth,
            settings::{EVENTS, TRUTH},
        },
        shape::{Command, Emit, EmitRecord, RunParams, World},
    },
    sim::clickstream::{Generator, GeneratorParams, OFFLINE_EVENT_MS, SPIKE_MS},
};

/// Event time stands in the value; the record's own time is when it was sent, so that lag in time means something at any speed.
pub(super) const SENT_NOW: i64 = -1;

/// The visitors.
pub(super) struct Visitors {
    generator: Generator,
    run: std::sync::Arc<str>,
    speed: u32,
}

impl Visitors {
    pub(super) fn new(run: &RunParams) -> Self {
        let params = &run.params;
        let generator =
            GeneratorParams { seed: params.seed, rate_per_s: params.rate_per_s, speed: params.speed, start_at_ms: run.start_at.0 };
        Self { generator: Generator::new(generator), run: std::sync::Arc::clone(&run.name), speed: params.speed.max(1) }
    }

    fn release(&mut self, out: &mut Emit) {
        while let Some((key, value)) = self.generator.release() {
            out.send(EVENTS, key, value, SENT_NOW);
        }
    }
}

impl World for Visitors {
    fn due_ns(&self) -> u128 {
        self.generator.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        if let Some(record) = self.generator.generate() {
            out.send(EVENTS, record.key, record.value, SENT_NOW);
        }
        self.release(out);
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.generator.set_rate(rate_per_s);
    }

    fn events(&self) -> u64 {
        self.generator.events()
    }

    fn command(&mut self, command: &Command) -> Option<i64> {
        match command.fault.as_str() {
            TRAFFIC_SPIKE => {
                self.generator.start_spike();
                Some(SPIKE_MS.cast_signed())
            }
            PHONES_OFFLINE => {
                self.generator.start_offline();
                Some(OFFLINE_EVENT_MS / i64::from(self.speed))
            }
            _ => None,
        }
    }

    fn finish(&mut self, out: &mut Emit) {
        // Phones that are still offline come back for the end, so that every event made is in the log.
        self.generator.heal();
        self.release(out);
        let truth = self.generator.truth();
        let truth = RunTruth { visits: truth.visits, visits_cut_short: truth.visits_cut_short, events: self.generator.events() };
        // Numbers always have a JSON form.
        out.send(TRUTH, &*self.run, serde_json::to_vec(&truth).unwrap_or_default(), SENT_NOW);
        end_run(&self.run, out);
    }
}

/// Tells every partition that nothing more comes, which closes what is open.
pub(super) fn end_run(run: &str, out: &mut Emit) {
    for partition in 0..out.partitions_of(EVENTS) {
        let value = format!(r#"{{"run_end":"{run}"}}"#).into_bytes();
        let key = Some(run.as_bytes().to_vec());
        out.push(EmitRecord { topic: EVENTS, partition: Some(partition), key, value: Some(value), timestamp_ms: SENT_NOW });
    }
}
