//! Group commit: an answer that promises a record survives power loss waits for an fsync, one for all appends of that moment.
//!
//! Who appends registers the file; who answers waits until everything registered so far is on disk. The first who waits starts a round on
//! the blocking pool; what is registered meanwhile goes with the next one. With durability `os` and no `flush.messages` nothing is ever
//! registered, and waiting costs one look at a counter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::files::LogFile;
use super::partition::Environment;
use crate::sync::lock;

#[derive(Debug, Default)]
pub(crate) struct Commits {
    /// Registrations so far, and how many of them are on disk. Read without the lock.
    registered: AtomicU64,
    synced: AtomicU64,
    /// Files that could not be synced, ever.
    failures: AtomicU64,
    pending: Mutex<Pending>,
    round_done: Notify,
}

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// Everything is as durable as it should be.
    All,
    /// Something is not, now or since some time: see [`super::Partition::has_failed`] for what.
    Failed,
}

#[derive(Debug, Default)]
struct Pending {
    files: Vec<Arc<LogFile>>,
    /// Folders with names that may be lost.
    folders: BTreeSet<PathBuf>,
    is_running: bool,
}

impl Commits {
    /// Takes note of a file that was appended to, and of its folder if the file is new.
    pub(super) fn register(&self, file: &Arc<LogFile>, new_in: Option<&Path>) {
        let mut pending = lock(&self.pending);
        if !pending.files.iter().any(|known| Arc::ptr_eq(known, file)) {
            pending.files.push(Arc::clone(file));
        }
        pending.folders.extend(new_in.map(Path::to_owned));
        self.registered.fetch_add(1, SeqCst);
    }

    /// Syncs what was registered, round by round until there is nothing left. Blocks.
    pub(crate) fn run(&self, environment: &Environment) {
        loop {
            let mut pending = lock(&self.pending);
            if pending.files.is_empty() && pending.folders.is_empty() {
                pending.is_running = false;
                return;
            }
            let target = self.registered.load(SeqCst);
            let (files, folders) = (std::mem::take(&mut pending.files), std::mem::take(&mut pending.folders));
            drop(pending);
            self.sync_all(environment, &files);
            for folder in &folders {
                if let Err(error) = environment.disk.sync_folder(folder) {
                    tracing::error!(folder = %folder.display(), %error, "a folder could not be synced: its new files may be lost with the power");
                    files.iter().for_each(|file| self.fail(file));
                }
            }
            self.synced.fetch_max(target, SeqCst);
            self.round_done.notify_waiters();
        }
    }

    fn sync_all(&self, environment: &Environment, files: &[Arc<LogFile>]) {
        let sync = |file: &Arc<LogFile>| match environment.open(file).and_then(|open| open.sync()) {
            Ok(()) => {}
            // The topic or the segment was deleted meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                // What the system could not write it may have dropped: trying again would say yes to data that is gone.
                tracing::error!(?file, %error, "a log could not be synced: it takes no more records until the broker is started again");
                self.fail(file);
            }
        };
        let threads = environment.disk.sync_threads();
        if files.len() == 1 || threads == 1 {
            return files.iter().for_each(sync);
        }
        std::thread::scope(|scope| {
            for share in files.chunks(files.len().div_ceil(threads).max(1)) {
                scope.spawn(move || share.iter().for_each(sync));
            }
        });
    }

    fn fail(&self, file: &LogFile) {
        file.set_failed();
        self.failures.fetch_add(1, SeqCst);
    }

    /// Whether this call is to start [`Self::run`]: nobody else does.
    fn starts(&self) -> bool {
        let mut pending = lock(&self.pending);
        !std::mem::replace(&mut pending.is_running, true)
    }
}

impl Environment {
    /// Returns once everything appended before this call is as durable as its topic wants it.
    pub(crate) async fn committed(self: &Arc<Self>) -> Committed {
        let commits = &self.commits;
        let target = commits.registered.load(SeqCst);
        let outcome = || if commits.failures.load(SeqCst) == 0 { Committed::All } else { Committed::Failed };
        if commits.synced.load(SeqCst) >= target {
            return outcome();
        }
        loop {
            let round_done = commits.round_done.notified();
            tokio::pin!(round_done);
            // From here on no round is missed.
            round_done.as_mut().enable();
            if commits.synced.load(SeqCst) >= target {
                return outcome();
            }
            if commits.starts() {
                let environment = Arc::clone(self);
                // Goes on when the client that waits is gone: others wait too.
                tokio::task::spawn_blocking(move || environment.commits.run(&environment));
            }
            round_done.await;
        }
    }
}
