//! Given data as a world: line by line, as fast as the topology takes it in; what can't be read goes to the dead letters at once.

use serde::Serialize;

use super::{
    input::{Line, Source},
    records::RunTruth,
    settings::{DEAD_LETTERS, EVENTS, TRUTH},
    world::{SENT_NOW, end_run},
};
use crate::pipelines::shape::{Command, Emit, World};

/// Lines read ahead of what is processed, so that memory and lag stay small however long the file is.
const WAITING_MAX: u64 = 50_000;

/// Real visitors.
pub(super) struct GivenVisitors {
    source: Box<dyn Source>,
    run: std::sync::Arc<str>,
    events: u64,
    is_over: bool,
    /// Where the input broke off.
    broken: Option<String>,
}

/// A line without effect, as its topic has it.
#[derive(Serialize)]
struct Letter<'a> {
    source: &'a str,
    line: u64,
    error: &'a str,
    text: &'a str,
}

impl GivenVisitors {
    pub(super) fn new(source: Box<dyn Source>, run: std::sync::Arc<str>) -> Self {
        Self { source, run, events: 0, is_over: false, broken: None }
    }

    fn line(&mut self, line: &Line, out: &mut Emit) {
        match &line.read {
            Ok(given) => {
                self.events += 1;
                // A struct of texts and numbers always has a JSON form.
                out.send(EVENTS, given.user_id.as_str(), serde_json::to_vec(given).unwrap_or_default(), SENT_NOW);
            }
            Err((error, text)) => {
                if line.is_broken {
                    self.broken.get_or_insert_with(|| format!("{} from line {} on: {error}", line.source, line.number));
                }
                let letter = Letter { source: &line.source, line: line.number, error, text };
                let key = format!("{}:{}", line.source, line.number);
                out.send(DEAD_LETTERS, key, serde_json::to_vec(&letter).unwrap_or_default(), SENT_NOW);
            }
        }
    }
}

impl World for GivenVisitors {
    /// At once, as long as not too much waits.
    fn due_ns(&self) -> u128 {
        0
    }

    fn next(&mut self, out: &mut Emit) {
        match self.source.next() {
            Some(line) => self.line(&line, out),
            None => self.is_over = true,
        }
    }

    fn set_rate(&mut self, _: u32) {}

    fn events(&self) -> u64 {
        self.events
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    fn waiting_max(&self) -> Option<u64> {
        Some(WAITING_MAX)
    }

    fn command(&mut self, _: &Command) -> Option<i64> {
        None
    }

    fn finish(&mut self, out: &mut Emit) {
        let truth = RunTruth { events: self.events, broken: self.broken.take(), ..RunTruth::default() };
        out.send(TRUTH, &*self.run, serde_json::to_vec(&truth).unwrap_or_default(), SENT_NOW);
        end_run(&self.run, out);
    }
}
