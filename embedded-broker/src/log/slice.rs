//! Records where they lie: whole batches in a segment's file that go to a client without a detour through the broker's memory.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::DiskFile;

/// A stretch of a log file. It holds the file open, so it stays what it is when the segment is deleted or replaced.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) position: u64,
    pub(super) bytes: usize,
    pub(super) next_offset: i64,
}

impl Slice {
    /// How long it is. Never zero.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The offset behind its last batch.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The file and where in it.
    pub(crate) fn place(&self) -> (&dyn DiskFile, u64) {
        (self.file.as_ref(), self.position)
    }

    /// All of it.
    pub(crate) fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.bytes];
        self.read_at(0, &mut bytes)?;
        Ok(Bytes::from(bytes))
    }

    /// Fills `buffer` from the slice's byte `at` on.
    pub(crate) fn read_at(&self, at: usize, buffer: &mut [u8]) -> io::Result<()> {
        let read = self.file.read_at(buffer, self.position + at as u64)?;
        if read == buffer.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}
