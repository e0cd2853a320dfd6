//! What users do to a pipeline from its dashboard: verdicts on held payments, rules put in force.

use std::sync::Arc;

/// Something done in a widget. The pipeline turns it into records of its topics, so that it works wherever the processing runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineAction {
    /// The widget's id.
    pub widget: Arc<str>,
    /// Which of the widget's verbs.
    pub verb: Arc<str>,
    /// What it is done to: a row's subject.
    pub subject: Arc<str>,
    /// What was written, where there is something to write.
    pub text: Arc<str>,
}

/// Something that can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verb {
    /// Its short name.
    pub id: Arc<str>,
    /// On the button.
    pub label: Arc<str>,
}

/// Something that waits for somebody to decide.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueRow {
    /// What is decided on.
    pub subject: Arc<str>,
    /// What it is, in a few words.
    pub title: Arc<str>,
    /// Why it waits.
    pub detail: Arc<str>,
    /// What an engineer wants to know besides, such as names in topics; may be empty.
    pub note: Arc<str>,
    /// Event time.
    pub at: crate::TimestampMs,
}

/// Something that can be written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditorRow {
    /// Its name.
    pub subject: Arc<str>,
    /// What is written.
    pub text: Arc<str>,
    /// What is to be known of it.
    pub note: Arc<str>,
}
