//! Log files, open only while they are used: a broker may have many more segments than the system lets a process open.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, TryLockError, Weak};

use crate::disk::{Disk, DiskFile};
use crate::sync::lock;

/// The files open now, over all partitions; at most `limit`. The one not used for longest is closed for the next.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    limit: usize,
    /// In the order they were opened. A file that was used since it came to the front goes to the back once more.
    queue: Mutex<VecDeque<Weak<LogFile>>>,
}

impl OpenFiles {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), queue: Mutex::default() }
    }

    /// Takes note of a file that was just opened, and closes others if there are too many.
    fn opened(&self, file: &Arc<LogFile>) {
        let mut queue = lock(&self.queue);
        queue.push_back(Arc::downgrade(file));
        // Twice around: once to take away the second chances, once to close.
        for _ in 0..queue.len() * 2 {
            if queue.len() <= self.limit {
                return;
            }
            let Some(oldest) = queue.pop_front() else { return };
            if oldest.upgrade().is_some_and(|oldest| !oldest.close_unless_used()) {
                queue.push_back(oldest);
            }
        }
    }
}

/// One log file, open or not.
#[derive(Debug)]
pub(super) struct LogFile {
    slot: Mutex<Slot>,
    /// A sync failed: nobody knows what of it is on the disk. Shared by the segments of a log, for what is lost is lost to all of it.
    failed: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Slot {
    path: PathBuf,
    file: Option<Arc<dyn DiskFile>>,
    used: bool,
    /// Opening it again would only create an empty one.
    removed: bool,
}

impl LogFile {
    pub(super) fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self { slot: Mutex::new(Slot { path, ..Slot::default() }), failed: Arc::default() })
    }

    /// The file, opened if it is not.
    pub(super) fn get(self: &Arc<Self>, disk: &dyn Disk, open_files: &OpenFiles) -> io::Result<Arc<dyn DiskFile>> {
        let mut slot = lock(&self.slot);
        if let Some(file) = &slot.file {
            let file = Arc::clone(file);
            slot.used = true;
            return Ok(file);
        }
        if slot.removed {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = disk.open(&slot.path)?;
        slot.file = Some(Arc::clone(&file));
        drop(slot);
        open_files.opened(self);
        Ok(file)
    }

    /// The next segment of the same log.
    pub(super) fn next(&self, path: PathBuf) -> Arc<Self> {
        Arc::new(Self { slot: Mutex::new(Slot { path, ..Slot::default() }), failed: Arc::clone(&self.failed) })
    }

    pub(super) fn set_failed(&self) {
        self.failed.store(true, Relaxed);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// Closes it for good.
    pub(super) fn close_removed(&self) {
        *lock(&self.slot) = Slot { removed: true, ..Slot::default() };
    }

    /// Gives the file another name; who opens it meanwhile waits.
    pub(super) fn rename(&self, disk: &dyn Disk, to: PathBuf) -> io::Result<()> {
        let mut slot = lock(&self.slot);
        let renamed = disk.rename(&slot.path, &to);
        // A rename that was done and then not synced was done.
        if renamed.is_ok() || (disk.size(&slot.path).is_err() && disk.size(&to).is_ok()) {
            slot.path = to;
        }
        renamed
    }

    /// Whether it is closed now. One in use at this moment stays open.
    fn close_unless_used(&self) -> bool {
        let mut slot = match self.slot.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        if std::mem::take(&mut slot.used) {
            return false;
        }
        slot.file = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDisk;

    #[test]
    fn no_more_files_are_open_than_allowed_and_the_idlest_goes_first() {
        let disk = MemoryDisk::default();
        let open_files = OpenFiles::new(3);
        let files: Vec<Arc<LogFile>> = (0..10).map(|index| LogFile::new(PathBuf::from(format!("/{index}")))).collect();
        for file in &files {
            file.get(&disk, &open_files).unwrap();
            // This one is used all the time.
            files[0].get(&disk, &open_files).unwrap();
            assert!(files.iter().filter(|file| lock(&file.slot).file.is_some()).count() <= 3);
            assert!(lock(&files[0].slot).file.is_some());
        }
        files[5].close_removed();
        assert!(files[5].get(&disk, &open_files).is_err());
    }
}
