//! A task's stores on disk: a copy in redb of what is committed, so that a restart reads only the rest of the changelogs.
//!
//! Written after the commit, in one transaction with the changelogs' offsets, so it is never ahead of the log; where it is behind, the
//! changelog has the rest. A kill therefore costs a little reading and never the state, which Kafka Streams wipes after one under exactly
//! once. A folder belongs to one task of one run on one cluster; redb's lock keeps others out. What is of another run, format or age, or
//! can't be read, is wiped: the changelog is the truth.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use redb::{Database, DatabaseError, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::TaskId;
use crate::stream::Change;

/// The layout of the file; another is wiped.
const FORMAT: &str = "weir-store-1";
const FILE: &str = "state.redb";
const META: TableDefinition<'static, &str, &str> = TableDefinition::new("meta");
const OFFSETS: TableDefinition<'static, &str, i64> = TableDefinition::new("offsets");
/// By changelog topic and key: the timestamp, then the value.
const ENTRIES: TableDefinition<'static, At, Entry> = TableDefinition::new("entries");
/// A changelog topic and a key.
type At = (&'static str, &'static [u8]);
/// A timestamp and a value.
type Entry = (i64, &'static [u8]);
/// The page cache of one task; the stores have their entries in memory anyway.
const CACHE_BYTES: usize = 1 << 20;
/// Commits between two of these reach the disk with the later one; a kill in between costs that much more reading.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Compaction forgets tombstones after `delete.retention.ms`, a day by default: a copy half as old may have missed deletions.
const AGE_MAX_MS: i64 = 12 * 3_600_000;
/// The timestamp of an entry without one.
const NO_TIMESTAMP: i64 = i64::MIN;

/// What a folder belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The application.
    pub(super) app: Arc<str>,
    /// The run.
    pub(super) run: Arc<str>,
    /// The cluster's id.
    pub(super) cluster: String,
}

/// A task's file.
pub(super) struct TaskDisk {
    database: Database,
    last_sync: Option<Instant>,
    is_synced: bool,
}

/// The offset that comes next in each changelog.
pub(super) type Next = BTreeMap<Arc<str>, i64>;

/// A changelog's change.
pub(super) type Logged = (Arc<str>, Change);

#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    #[error("it belongs to another task or process that runs")]
    Locked,
    #[error("{0}")]
    Unusable(String),
}

impl From<DatabaseError> for DiskError {
    fn from(error: DatabaseError) -> Self {
        if matches!(error, DatabaseError::DatabaseAlreadyOpen) { Self::Locked } else { unusable(error) }
    }
}

fn unusable(error: impl std::fmt::Display) -> DiskError {
    DiskError::Unusable(error.to_string())
}

impl TaskDisk {
    /// Opens a task's file. `Some` with the reason where what was in it had to be wiped.
    pub(super) fn open(dir: &Path, owner: &Owner, task: TaskId, now_ms: i64) -> Result<(Self, Option<String>), DiskError> {
        let folder = folder(dir, owner, task);
        fs::create_dir_all(&folder).map_err(unusable)?;
        let path = folder.join(FILE);
        let is_new = !path.exists();
        let why = match Self::open_file(&path) {
            Ok(disk) => match disk.mistake(owner, now_ms) {
                None => return Ok((disk, None)),
                Some(why) => why,
            },
            Err(DiskError::Locked) => return Err(DiskError::Locked),
            Err(error) => error.to_string(),
        };
        fs::remove_file(&path).map_err(unusable)?;
        let mut disk = Self::open_file(&path)?;
        disk.claim(owner, now_ms)?;
        Ok((disk, (!is_new).then_some(why)))
    }

    fn open_file(path: &Path) -> Result<Self, DiskError> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
        Ok(Self { database, last_sync: None, is_synced: true })
    }

    /// Why its contents can't be used.
    fn mistake(&self, owner: &Owner, now_ms: i64) -> Option<String> {
        let of = |name: &str| -> Option<String> {
            let meta = self.database.begin_read().ok()?.open_table(META).ok()?;
            Some(meta.get(name).ok()??.value().to_owned())
        };
        let Some(format) = of("format") else { return Some("it has no known format".to_owned()) };
        if format != FORMAT {
            return Some(format!("its format is {format}, not {FORMAT}"));
        }
        if of("run").as_deref() != Some(&*owner.run) || of("cluster").as_deref() != Some(&owner.cluster) {
            return Some("it is of another run or cluster".to_owned());
        }
        let written_ms: i64 = of("written_ms")?.parse().unwrap_or(i64::MIN);
        (now_ms.saturating_sub(written_ms) > AGE_MAX_MS).then(|| "it is so old that deletions may be missing".to_owned())
    }

    fn claim(&mut self, owner: &Owner, now_ms: i64) -> Result<(), DiskError> {
        let transaction = self.database.begin_write().map_err(unusable)?;
        {
            let mut meta = transaction.open_table(META).map_err(unusable)?;
            let written_ms = now_ms.to_string();
            for (name, value) in [("format", FORMAT), ("run", &*owner.run), ("cluster", &owner.cluster), ("written_ms", &written_ms)] {
                meta.insert(name, value).map_err(unusable)?;
            }
            transaction.open_table(OFFSETS).map_err(unusable)?;
            transaction.open_table(ENTRIES).map_err(unusable)?;
        }
        transaction.commit().map_err(unusable)
    }

    /// What follows in each changelog after what is here.
    pub(super) fn next(&self) -> Result<Next, DiskError> {
        let read = self.database.begin_read().map_err(unusable)?;
        let offsets = read.open_table(OFFSETS).map_err(unusable)?;
        let entry = |entry: Result<(redb::AccessGuard<'_, &str>, redb::AccessGuard<'_, i64>), redb::StorageError>| {
            entry.map(|(topic, next)| (topic.value().into(), next.value())).map_err(unusable)
        };
        offsets.iter().map_err(unusable)?.map(entry).collect()
    }

    /// Hands every entry over; gives how many.
    pub(super) fn read(&self, mut take: impl FnMut(&str, &Change) -> Result<(), DiskError>) -> Result<u64, DiskError> {
        let read = self.database.begin_read().map_err(unusable)?;
        let entries = read.open_table(ENTRIES).map_err(unusable)?;
        let mut count = 0;
        for entry in entries.iter().map_err(unusable)? {
            let (at, entry) = entry.map_err(unusable)?;
            let ((topic, key), (timestamp_ms, value)) = (at.value(), entry.value());
            let timestamp_ms = Some(timestamp_ms).filter(|at| *at != NO_TIMESTAMP);
            take(topic, &Change { key: key.to_vec(), value: Some(value.to_vec()), timestamp_ms })?;
            count += 1;
        }
        Ok(count)
    }

    /// Writes what was committed, with what follows it in the changelogs.
    pub(super) fn write(&mut self, changes: &[Logged], next: &Next, now_ms: i64) -> Result<(), DiskError> {
        let is_due = self.last_sync.is_none_or(|at| at.elapsed() >= SYNC_INTERVAL);
        self.write_with(changes, next, now_ms, if is_due { Durability::Immediate } else { Durability::None })
    }

    /// The same file with nothing in it.
    pub(super) fn cleared(self) -> Result<Self, DiskError> {
        let transaction = self.database.begin_write().map_err(unusable)?;
        transaction.delete_table(ENTRIES).map_err(unusable)?;
        transaction.delete_table(OFFSETS).map_err(unusable)?;
        transaction.open_table(ENTRIES).map_err(unusable)?;
        transaction.open_table(OFFSETS).map_err(unusable)?;
        transaction.commit().map_err(unusable)?;
        Ok(self)
    }

    /// Makes all of it safe from a power cut too.
    fn sync(&mut self) -> Result<(), DiskError> {
        if self.is_synced {
            return Ok(());
        }
        self.database.begin_write().map_err(unusable)?.commit().map_err(unusable)?;
        self.is_synced = true;
        Ok(())
    }

    fn write_with(&mut self, changes: &[Logged], next: &Next, now_ms: i64, durability: Durability) -> Result<(), DiskError> {
        let mut transaction = self.database.begin_write().map_err(unusable)?;
        transaction.set_durability(durability).map_err(unusable)?;
        {
            let mut entries = transaction.open_table(ENTRIES).map_err(unusable)?;
            for (topic, change) in changes {
                let at = (&**topic, change.key.as_slice());
                match &change.value {
                    Some(value) => {
                        let entry = (change.timestamp_ms.unwrap_or(NO_TIMESTAMP), value.as_slice());
                        entries.insert(at, entry).map_err(unusable)?;
                    }
                    None => drop(entries.remove(at).map_err(unusable)?),
                }
            }
            let mut offsets = transaction.open_table(OFFSETS).map_err(unusable)?;
            for (topic, next) in next {
                offsets.insert(&**topic, next).map_err(unusable)?;
            }
            let mut meta = transaction.open_table(META).map_err(unusable)?;
            meta.insert("written_ms", now_ms.to_string().as_str()).map_err(unusable)?;
        }
        transaction.commit().map_err(unusable)?;
        self.is_synced = matches!(durability, Durability::Immediate);
        if self.is_synced {
            self.last_sync = Some(Instant::now());
        }
        Ok(())
    }
}

impl Drop for TaskDisk {
    fn drop(&mut self) {
        if let Err(error) = self.sync() {
            tracing::debug!("the last second of a task's stores did not reach the disk: {error}");
        }
    }
}

/// Where a task's file is.
fn folder(dir: &Path, owner: &Owner, task: TaskId) -> PathBuf {
    // A group's name may hold anything, a path must not.
    let is_safe = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
    let app: String = owner.app.chars().map(|it| if is_safe(it) { it } else { '_' }).collect();
    dir.join(app).join(task.to_string())
}

#[cfg(test)]
mod tests;
