//! A disk that fails when a fault says so, and is the real one otherwise.

use std::any::Any;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use super::active::{DiskWork, Faults};
use crate::disk::{Disk, DiskFile, Volume};
use crate::topics::topic_of;

/// The disk under all files of a broker.
#[derive(Debug)]
pub(crate) struct FaultyDisk {
    disk: Arc<dyn Disk>,
    faults: Arc<Faults>,
}

impl FaultyDisk {
    pub(crate) fn new(disk: Arc<dyn Disk>, faults: Arc<Faults>) -> Self {
        Self { disk, faults }
    }

    fn check(&self, work: DiskWork, path: &Path) -> io::Result<()> {
        check(&self.faults, work, topic_of(path).as_deref())
    }
}

fn check(faults: &Faults, work: DiskWork, topic: Option<&str>) -> io::Result<()> {
    if !faults.fails(work, topic) {
        return Ok(());
    }
    Err(match work {
        DiskWork::Write => io::Error::new(io::ErrorKind::StorageFull, "no space left on device (a fault switch)"),
        DiskWork::Sync => io::Error::other("the disk could not be synced (a fault switch)"),
    })
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(path)?;
        Ok(Arc::new(FaultyFile { file, faults: Arc::clone(&self.faults), topic: topic_of(path) }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }

    fn write_atomic(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.check(DiskWork::Write, path)?;
        self.check(DiskWork::Sync, path)?;
        self.disk.write_atomic(path, content)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        self.disk.size(path)
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        self.disk.modified_ms(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.check(DiskWork::Write, folder)?;
        self.disk.create_folder(folder)
    }

    fn create_private_folder(&self, folder: &Path) -> io::Result<()> {
        self.check(DiskWork::Write, folder)?;
        self.disk.create_private_folder(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.disk.remove_folder(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.check(DiskWork::Sync, folder)?;
        self.disk.sync_folder(folder)
    }

    fn sync_threads(&self) -> usize {
        self.disk.sync_threads()
    }

    fn volume(&self, folder: &Path) -> io::Result<Volume> {
        self.disk.volume(folder)
    }

    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.disk.lock(folder)
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn DiskFile>,
    faults: Arc<Faults>,
    topic: Option<String>,
}

impl DiskFile for FaultyFile {
    fn append(&self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        check(&self.faults, DiskWork::Write, self.topic.as_deref())?;
        self.file.append(parts)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_cached_at(buffer, position)
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.file.truncate(size)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn sync(&self) -> io::Result<()> {
        check(&self.faults, DiskWork::Sync, self.topic.as_deref())?;
        self.file.sync()
    }

    #[cfg(unix)]
    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.file.descriptor()
    }
}
