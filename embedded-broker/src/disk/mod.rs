//! The file system as a parameter, so that tests can fail any write and lose what was not synced.

mod checked;
mod memory;
mod real;

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

pub(crate) use checked::{read_checked, write_checked};
pub use memory::MemoryDisk;
pub use real::RealDisk;

/// What the broker needs of a file system.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens a file to read and append; creates it if missing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// A small file's whole content.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Replaces a small file so that after a crash either the old or the new content is there, whole.
    fn write_atomic(&self, path: &Path, content: &[u8]) -> io::Result<()>;
    /// The names in a folder, in no order. A folder that is not there is empty.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// A file's size.
    fn size(&self, path: &Path) -> io::Result<u64>;
    /// When a file was last written to, in milliseconds since 1970. An error where that is not known.
    fn modified_ms(&self, path: &Path) -> io::Result<i64>;
    /// Creates a folder and those above it.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// The same for a folder that only the broker's own user may look into, where there are users.
    fn create_private_folder(&self, folder: &Path) -> io::Result<()>;
    /// Renames a file or folder.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Returns once the names in a folder are on stable storage.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// How many files are synced at the same time: a disk can do several, and waits for each.
    fn sync_threads(&self) -> usize {
        8
    }
    /// Removes a file; one that is not there is no error.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with all in it; one that is not there is no error.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;
    /// How large the volume a folder is on is. An error where that is not known.
    fn volume(&self, folder: &Path) -> io::Result<Volume>;
    /// Makes this folder ours until the returned value is dropped. `WouldBlock`: another process has it.
    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;
}

/// The volume files are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its size.
    pub total_bytes: u64,
    /// What the broker may still use of it.
    pub usable_bytes: u64,
}

/// An open file. Appends come from one thread at a time; reads from any.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Writes all parts at the end, one after the other. After an error any prefix may have been written.
    fn append(&self, parts: &mut [IoSlice<'_>]) -> io::Result<()>;
    /// Fills `buffer` from `position` on; fewer bytes only at the file's end.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// As [`Self::read_at`], but never waits for the device: `WouldBlock` when not all of it is in memory. Disks that can't tell just read.
    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Cuts the file.
    fn truncate(&self, size: u64) -> io::Result<()>;
    /// The file's size.
    fn size(&self) -> io::Result<u64>;
    /// Returns once the content is on stable storage.
    fn sync(&self) -> io::Result<()>;
    /// The operating system's handle, if it has one: with it bytes go from file to socket without being copied.
    #[cfg(unix)]
    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>>;
}
