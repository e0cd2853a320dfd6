//! A disk in memory whose faults are switches: full, failing, or losing what was not synced.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Disk, DiskFile, Volume};
use crate::sync::lock;

/// Files that live as long as the value. Clones share them, so a test can "restart" a broker on the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    locked: BTreeSet<PathBuf>,
    /// Bytes that may still be written; `None` is no end.
    space_left: Option<u64>,
    /// Changes that may still be made; `None` is no end.
    changes_left: Option<u64>,
    syncs_fail: bool,
    syncs: u64,
    /// Nothing is said to be in memory.
    is_cold: bool,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    synced: usize,
    /// Its folder was synced with its name in it.
    is_named: bool,
}

impl MemoryDisk {
    /// Lets this many more bytes be written, then fails as a full disk does, in the middle of a write. `None`: no end.
    pub fn set_space_left(&self, bytes: Option<u64>) {
        lock(&self.state).space_left = bytes;
    }

    /// Lets this many more changes be made (writes, syncs, renames, removals), then fails all of them, as if the process had been killed
    /// there. `None`: no end.
    pub fn set_changes_left(&self, changes: Option<u64>) {
        lock(&self.state).changes_left = changes;
    }

    /// The same files on a disk of their own, without faults.
    pub fn copy(&self) -> Self {
        let copy = Self::default();
        for (path, file) in &lock(&self.state).files {
            let content = lock(file);
            let content = Content { bytes: content.bytes.clone(), synced: content.synced, is_named: content.is_named };
            lock(&copy.state).files.insert(path.clone(), Arc::new(Mutex::new(content)));
        }
        copy
    }

    /// What a power cut does: whatever was not synced is gone, files whose name was not included. Files replaced as a whole were synced by
    /// that.
    pub fn lose_unsynced(&self) {
        self.lose_all_but(|_| 0);
    }

    /// A power cut that comes when some of it was on its way: `keep` says how many of a file's unsynced bytes are there.
    pub fn lose_all_but(&self, mut keep: impl FnMut(usize) -> usize) {
        lock(&self.state).files.retain(|_, file| {
            let mut content = lock(file);
            let kept = keep(content.bytes.len() - content.synced);
            let synced = content.synced + kept;
            content.bytes.truncate(synced);
            content.synced = content.bytes.len();
            content.is_named || kept > 0
        });
    }

    /// Makes every sync of a file fail, or no more.
    pub fn set_syncs_fail(&self, fail: bool) {
        lock(&self.state).syncs_fail = fail;
    }

    /// Makes the disk say of everything that it must be waited for, or of nothing.
    pub fn set_cold(&self, is_cold: bool) {
        lock(&self.state).is_cold = is_cold;
    }

    /// Syncs of files so far.
    pub fn syncs(&self) -> u64 {
        lock(&self.state).syncs
    }

    /// Changes a file's bytes behind the broker's back.
    pub fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(file) = lock(&self.state).files.get(path) {
            change(&mut lock(file).bytes);
        }
    }

    /// All files, for a test to look at.
    pub fn paths(&self) -> Vec<PathBuf> {
        lock(&self.state).files.keys().cloned().collect()
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let content = Arc::clone(lock(&self.state).files.entry(path.to_owned()).or_default());
        Ok(Arc::new(MemoryFile { disk: self.clone(), content }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = lock(&self.state);
        let file = state.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(lock(file).bytes.clone())
    }

    fn write_atomic(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.take_change()?;
        self.take_space(content.len()).map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        let content = Content { bytes: content.to_vec(), synced: content.len(), is_named: true };
        lock(&self.state).files.insert(path.to_owned(), Arc::new(Mutex::new(content)));
        path.parent().map_or(Ok(()), |folder| self.sync_folder(folder))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = lock(&self.state);
        // Paths are in order, those below a folder side by side.
        let from_folder = state.files.range(folder.to_owned()..).map(|(path, _)| path);
        let below = from_folder.map_while(|path| path.strip_prefix(folder).ok()?.components().next());
        let names: BTreeSet<String> = below.map(|name| name.as_os_str().to_string_lossy().into_owned()).collect();
        Ok(names.into_iter().collect())
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        let state = lock(&self.state);
        let file = state.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(lock(file).bytes.len() as u64)
    }

    fn modified_ms(&self, _path: &Path) -> io::Result<i64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create_private_folder(&self, folder: &Path) -> io::Result<()> {
        self.create_folder(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.take_change()?;
        let mut state = lock(&self.state);
        let moved: Vec<PathBuf> = state.files.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in moved {
            let below = path.strip_prefix(from).unwrap_or(Path::new("")).to_owned();
            let target = if below.as_os_str().is_empty() { to.to_owned() } else { to.join(below) };
            if let Some(file) = state.files.remove(&path) {
                lock(&file).is_named = true;
                state.files.insert(target, file);
            }
        }
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        for (_, file) in lock(&self.state).files.iter().filter(|(path, _)| path.parent() == Some(folder)) {
            lock(file).is_named = true;
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.take_change()?;
        lock(&self.state).files.remove(path);
        Ok(())
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.take_change()?;
        lock(&self.state).files.retain(|path, _| !path.starts_with(folder));
        Ok(())
    }

    fn sync_threads(&self) -> usize {
        // One after the other, so that a fault strikes the same file each time.
        1
    }

    fn volume(&self, _folder: &Path) -> io::Result<Volume> {
        let state = lock(&self.state);
        let used: u64 = state.files.values().map(|file| lock(file).bytes.len() as u64).sum();
        let usable_bytes = state.space_left.ok_or(io::ErrorKind::Unsupported)?;
        Ok(Volume { total_bytes: used + usable_bytes, usable_bytes })
    }

    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        if !lock(&self.state).locked.insert(folder.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Locked { disk: self.clone(), folder: folder.to_owned() }))
    }
}

impl MemoryDisk {
    /// How many of `wanted` bytes may be written, as an error if that is not all.
    fn take_space(&self, wanted: usize) -> Result<(), usize> {
        let mut state = lock(&self.state);
        let Some(left) = &mut state.space_left else {
            return Ok(());
        };
        let granted = (wanted as u64).min(*left);
        *left -= granted;
        if granted == wanted as u64 { Ok(()) } else { Err(usize::try_from(granted).unwrap_or(wanted)) }
    }
}

impl MemoryDisk {
    fn take_change(&self) -> io::Result<()> {
        match &mut lock(&self.state).changes_left {
            Some(0) => Err(io::Error::other("the disk was switched off by a test")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

struct Locked {
    disk: MemoryDisk,
    folder: PathBuf,
}

impl Drop for Locked {
    fn drop(&mut self) {
        lock(&self.disk.state).locked.remove(&self.folder);
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    content: Arc<Mutex<Content>>,
}

impl DiskFile for MemoryFile {
    fn append(&self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.disk.take_change()?;
        for part in parts {
            let granted = self.disk.take_space(part.len());
            let written = granted.err().unwrap_or(part.len());
            lock(&self.content).bytes.extend_from_slice(&part[..written]);
            if granted.is_err() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let content = lock(&self.content);
        let position = usize::try_from(position).unwrap_or(usize::MAX).min(content.bytes.len());
        let size = buffer.len().min(content.bytes.len() - position);
        buffer[..size].copy_from_slice(&content.bytes[position..position + size]);
        Ok(size)
    }

    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        if lock(&self.disk.state).is_cold { Err(io::ErrorKind::WouldBlock.into()) } else { self.read_at(buffer, position) }
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.disk.take_change()?;
        let mut content = lock(&self.content);
        content.bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        content.synced = content.synced.min(content.bytes.len());
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(lock(&self.content).bytes.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.take_change()?;
        let mut state = lock(&self.disk.state);
        state.syncs += 1;
        if state.syncs_fail {
            return Err(io::Error::other("a test makes syncs fail"));
        }
        drop(state);
        let mut content = lock(&self.content);
        content.synced = content.bytes.len();
        Ok(())
    }

    #[cfg(unix)]
    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }
}
