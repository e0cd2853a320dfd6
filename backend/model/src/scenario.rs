//! Guided demos: what a pipeline can be shown by, and how far a showing is.

use std::sync::Arc;

use crate::{Check, ScenarioId};

/// A guided demo, as a list offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioMeta {
    /// Its short name, unique within its pipeline.
    pub id: ScenarioId,
    /// Its title.
    pub title: Arc<str>,
    /// One line: what will be seen.
    pub story: Arc<str>,
    /// How long it takes.
    pub length_ms: u64,
}

/// A guided demo at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioView {
    /// Which one.
    pub id: ScenarioId,
    /// Its title.
    pub title: Arc<str>,
    /// Time of the generator since its start; it waits while the pipeline is paused.
    pub at_ms: u64,
    /// When it ends.
    pub length_ms: u64,
    /// Its steps, by time.
    pub steps: Vec<ScenarioStep>,
}

/// A step of a guided demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioStep {
    /// When it comes.
    pub at_ms: u64,
    /// What happens, for the audience.
    pub says: Arc<str>,
    /// What must be seen then, and whether it was.
    pub expects: Option<Check>,
}

impl ScenarioView {
    /// The step that is on, and its place in the list; `None` before the first.
    pub fn current(&self) -> Option<(usize, &ScenarioStep)> {
        self.steps.iter().enumerate().take_while(|(_, step)| step.at_ms <= self.at_ms).last()
    }
}
