//! Producer ids, given out once and never again, also after a crash: ids are taken from the disk in blocks.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::disk::{Disk, read_checked, write_checked};
use crate::sync::lock;

const FILE: &str = "producer-ids";
/// Ids per write. What is left of a block at a crash is lost, which costs nothing.
const BLOCK: i64 = 1_000;

#[derive(Debug)]
pub(crate) struct ProducerIds {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// The next id, and the first that is not ours yet.
    next: Mutex<(i64, i64)>,
}

impl ProducerIds {
    pub(crate) fn open(data_dir: &std::path::Path, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let path = data_dir.join(FILE);
        // Without it producers could be given ids that are in use.
        let remedy = "restore it, or write into it a number above every producer id that was given out";
        let first = read_checked(disk.as_ref(), &path, remedy, |text| text.trim().parse().ok())?.unwrap_or(0);
        Ok(Self { disk, path, next: Mutex::new((first, first)) })
    }

    /// A fresh id.
    pub(crate) fn next(&self) -> io::Result<i64> {
        let mut next = lock(&self.next);
        if next.0 == next.1 {
            let end = next.1 + BLOCK;
            write_checked(self.disk.as_ref(), &self.path, &end.to_string())?;
            next.1 = end;
        }
        next.0 += 1;
        Ok(next.0 - 1)
    }
}
