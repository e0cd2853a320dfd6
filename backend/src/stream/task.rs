//! What the core asks of a processor: one partition's records in, results out.

/// A record as a task sees it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its place in the partition.
    pub offset: i64,
    /// Its value; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A result to publish. Equal inputs give equal results with equal keys, so publishing one again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The topic.
    pub topic: &'static str,
    /// The key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
}

/// The processing of one partition. Its state follows from the records alone, so that it can be rebuilt by reading them again.
pub trait Task: Send {
    /// Takes the next record in.
    fn process(&mut self, input: Input<'_>, out: &mut Vec<Output>);

    /// The run is over: publishes what is still open.
    fn finish(&mut self, out: &mut Vec<Output>);

    /// Counters since the run's start, by snake_case name.
    fn counts(&self) -> Vec<(&'static str, u64)>;
}
