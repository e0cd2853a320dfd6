//! Looking into stores while they are at work: the question goes to the thread that owns them.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Questions that wait for one thread; beyond it a question is not answered.
const WAITING_MAX: usize = 16;

/// Keys and values as text.
pub(super) type Entries = Vec<(String, String)>;

/// A question.
pub(super) struct Query {
    pub(super) store: String,
    pub(super) filter: String,
    pub(super) limit: usize,
    pub(super) reply: SyncSender<Entries>,
}

/// One thread's questions.
pub(super) struct Asked {
    sender: SyncSender<Query>,
    receiver: std::sync::Mutex<Receiver<Query>>,
}

impl Asked {
    pub(super) fn new() -> Self {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        Self { sender, receiver: std::sync::Mutex::new(receiver) }
    }

    /// `false` when too many wait.
    pub(super) fn ask(&self, query: Query) -> bool {
        !matches!(self.sender.try_send(query), Err(TrySendError::Full(_) | TrySendError::Disconnected(_)))
    }

    pub(super) fn next(&self) -> Option<Query> {
        self.receiver.lock().unwrap_or_else(std::sync::PoisonError::into_inner).try_recv().ok()
    }
}
