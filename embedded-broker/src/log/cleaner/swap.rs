//! How a cleaned segment takes the place of the ones it was made from.
//!
//! 1. It is written as `<base>.cleaned` and synced. A crash leaves the old log; the next start deletes the file.
//! 2. It is renamed to `<base>-<next>.swap`: from here on it counts, and the next start finishes what follows.
//! 3. Readers are given it; the old segments are deleted, the index of the one whose name it takes included.
//! 4. It is renamed to `<base>.log`, and sealed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::super::files::LogFile;
use super::super::index::SparseIndex;
use super::super::partition::Partition;
use super::super::segment::{ClosedSegment, Paths};
use crate::disk::Disk;
use crate::sync::lock;

const CLEANED_SUFFIX: &str = ".cleaned";
pub(in super::super) const SWAP_SUFFIX: &str = ".swap";

/// The names a cleaned segment has on its way.
pub(super) struct Files {
    pub(super) cleaned: PathBuf,
    swap: PathBuf,
    last: Paths,
}

impl Files {
    pub(super) fn new(folder: &Path, base_offset: i64, next_offset: i64) -> Self {
        Self {
            cleaned: folder.join(format!("{base_offset:020}{CLEANED_SUFFIX}")),
            swap: folder.join(format!("{base_offset:020}-{next_offset:020}{SWAP_SUFFIX}")),
            last: Paths::new(folder, base_offset),
        }
    }
}

/// A swap between its second step and its last.
#[derive(Debug)]
pub(in super::super) struct UnfinishedSwap {
    old: Vec<Arc<ClosedSegment>>,
    cleaned: Arc<ClosedSegment>,
    file: Arc<LogFile>,
    log: PathBuf,
}

impl Partition {
    /// Steps 2 to 4. Nothing happens if a segment of the group is no longer there: its records were deleted meanwhile.
    pub(super) fn swap_in(
        &self,
        group: &[Arc<ClosedSegment>],
        files: &Files,
        size: u64,
        index: SparseIndex,
        removed_markers: &[i64],
    ) -> io::Result<()> {
        let _maintenance = lock(&self.maintenance);
        let Some((first, last)) = group.first().zip(group.last()) else { return Ok(()) };
        if !self.holds(group) {
            return self.disk().remove_file(&files.cleaned);
        }
        self.disk().rename(&files.cleaned, &files.swap)?;
        let file = LogFile::new(files.swap.clone());
        let base_offset = first.base_offset;
        let cleaned = ClosedSegment::cleaned(first, last, size, index, Arc::clone(&file));
        let cleaned = Arc::new(cleaned);
        let mut state = lock(&self.state);
        if let Some(at) = state.closed.iter().position(|segment| segment.base_offset == base_offset) {
            state.closed.drain(at..at + group.len());
            state.closed.insert(at, Arc::clone(&cleaned));
        }
        state.aborted.retain(|aborted| !removed_markers.contains(&aborted.marker_offset));
        // Its index is made from what is in memory, as for any closed segment, once it has its name.
        state.unsealed.retain(|(segment, _)| !group.iter().any(|old| Arc::ptr_eq(old, segment)));
        drop(state);
        // A reader that still holds an old segment finds it closed, and asks again.
        group.iter().for_each(|old| old.file.close_removed());
        *lock(&self.unfinished_swap) = Some(UnfinishedSwap { old: group.to_vec(), cleaned, file, log: files.last.log.clone() });
        self.finish_swap()
    }

    /// The rest of a swap, again after it has failed: nothing else may be swapped in before, or the next start would finish the older one
    /// over the newer.
    pub(super) fn finish_swap(&self) -> io::Result<()> {
        let mut unfinished = lock(&self.unfinished_swap);
        let Some(UnfinishedSwap { old, cleaned, file, log }) = unfinished.as_ref() else { return Ok(()) };
        for old in &old[1..] {
            old.remove(self.disk())?;
        }
        self.disk().remove_file(&cleaned.paths.index)?;
        file.rename(self.disk(), log.clone())?;
        let mut state = lock(&self.state);
        if state.closed.iter().any(|segment| Arc::ptr_eq(segment, cleaned)) {
            state.unsealed.push((Arc::clone(cleaned), None));
        }
        drop(state);
        self.unsealed.store(true, Relaxed);
        *unfinished = None;
        drop(unfinished);
        self.seal_closed()
    }

    fn holds(&self, group: &[Arc<ClosedSegment>]) -> bool {
        let state = lock(&self.state);
        let at = group.first().and_then(|first| state.closed.iter().position(|segment| Arc::ptr_eq(segment, first)));
        let there = at.map(|at| state.closed.range(at..).zip(group).filter(|(there, wanted)| Arc::ptr_eq(there, wanted)).count());
        !state.deleted && there == Some(group.len())
    }
}

/// What a crash left of a cleaning: finished from step 2 on, undone before. Returns whether the folder has changed.
pub(in super::super) fn recover(disk: &dyn Disk, folder: &Path, names: &[String]) -> io::Result<bool> {
    let mut has_changed = false;
    for name in names.iter().filter(|name| name.ends_with(CLEANED_SUFFIX)) {
        disk.remove_file(&folder.join(name))?;
        has_changed = true;
    }
    let bases: Vec<i64> = names.iter().filter_map(|name| name.strip_suffix(".log")?.parse().ok()).collect();
    for name in names {
        let Some((base, next)) = name.strip_suffix(SWAP_SUFFIX).and_then(|range| range.split_once('-')) else { continue };
        let (Ok(base), Ok(next)) = (base.parse::<i64>(), next.parse::<i64>()) else { continue };
        tracing::info!(folder = %folder.display(), segment = base, "finishing a compaction that was interrupted");
        for old in bases.iter().filter(|old| (base + 1..next).contains(old)) {
            let paths = Paths::new(folder, *old);
            disk.remove_file(&paths.index)?;
            disk.remove_file(&paths.log)?;
        }
        let last = Paths::new(folder, base);
        disk.remove_file(&last.index)?;
        disk.rename(&folder.join(name), &last.log)?;
        has_changed = true;
    }
    Ok(has_changed)
}
