//! A task's stores on disk, in redb: what is committed, of which memory needs to hold only what is used, and from which a restart goes on with
//! only the rest of the changelogs to read.
//!
//! Written after the commit, in one transaction with the changelogs' offsets, so it is never ahead of the log; where it is behind, the
//! changelog has the rest. A kill therefore costs a little reading and never the state, which Kafka Streams wipes after one under exactly
//! once. A folder belongs to one task of one run on one cluster; redb's lock keeps others out. What is of another run, format or age, or
//! can't be read, is wiped: the changelog is the truth.

mod place;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use redb::{Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::{AppConfig, TaskId, plan::Plan};
use crate::stream::Backing;
use place::Place;

/// The layout of the file; another is wiped.
const FORMAT: &str = "weir-store-2";
const FILE: &str = "state.redb";
/// Stands beside the file, with the reason, once something in it was found not to be what it should be.
const DAMAGED: &str = "damaged";
const META: TableDefinition<'static, &str, &str> = TableDefinition::new("meta");
const OFFSETS: TableDefinition<'static, &str, i64> = TableDefinition::new("offsets");
/// The page cache of one task: bytes as they are in the file, beside the stores' caches of what they mean.
const PAGE_CACHE_BYTES: usize = 4 << 20;
/// Commits between two of these reach the disk with the later one; a kill in between costs that much more reading.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Compaction forgets tombstones after `delete.retention.ms`, a day by default: a copy half as old may have missed deletions.
const AGE_MAX_MS: i64 = 12 * 3_600_000;

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

impl Owner {
    /// The run of an application.
    pub(super) fn of(config: &AppConfig, plan: &Plan) -> Self {
        Self { app: config.topology.app().into(), run: Arc::clone(&config.run), cluster: plan.cluster_id.to_string() }
    }
}

/// A task's file.
#[derive(Debug)]
pub(super) struct TaskDisk {
    folder: PathBuf,
    database: Database,
    /// What the stores have committed and is to be written next, by table.
    staged: RefCell<BTreeMap<Arc<str>, Vec<Staged>>>,
    /// The offsets written last.
    next: RefCell<Next>,
    /// Counts writes, so that readers know when what they see is old.
    writes: Cell<u64>,
    damage: RefCell<Option<String>>,
    last_sync: Cell<Option<Instant>>,
    is_synced: Cell<bool>,
}

/// A key, with its value or to be deleted.
type Staged = (Vec<u8>, Option<Vec<u8>>);

/// The offset that comes next in each changelog.
pub(super) type Next = BTreeMap<Arc<str>, i64>;

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

pub(super) fn unusable(error: impl std::fmt::Display) -> DiskError {
    DiskError::Unusable(error.to_string())
}

impl TaskDisk {
    /// Opens a task's file. `Some` with the reason where what was in it had to be wiped.
    pub(super) fn open(dir: &Path, owner: &Owner, task: TaskId, now_ms: i64) -> Result<(Self, Option<String>), DiskError> {
        let folder = folder(dir, owner, task);
        fs::create_dir_all(&folder).map_err(unusable)?;
        let (path, damaged) = (folder.join(FILE), folder.join(DAMAGED));
        let is_new = !path.exists();
        let why = match caught(|| Self::open_file(&folder)) {
            Ok(disk) => match fs::read_to_string(&damaged).ok().or_else(|| disk.mistake(owner, now_ms)) {
                None => return Ok((disk, None)),
                Some(why) => why,
            },
            Err(DiskError::Locked) => return Err(DiskError::Locked),
            Err(error) => error.to_string(),
        };
        if !is_new {
            fs::remove_file(&path).map_err(unusable)?;
        }
        if damaged.exists() {
            fs::remove_file(&damaged).map_err(unusable)?;
        }
        let disk = Self::open_file(&folder)?;
        disk.claim(owner, now_ms)?;
        Ok((disk, (!is_new).then_some(why)))
    }

    fn open_file(folder: &Path) -> Result<Self, DiskError> {
        let database = Database::builder().set_cache_size(PAGE_CACHE_BYTES).create(folder.join(FILE))?;
        Ok(Self {
            folder: folder.to_owned(),
            database,
            staged: RefCell::default(),
            next: RefCell::default(),
            writes: Cell::new(0),
            damage: RefCell::default(),
            last_sync: Cell::new(None),
            is_synced: Cell::new(true),
        })
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

    fn claim(&self, owner: &Owner, now_ms: i64) -> Result<(), DiskError> {
        let transaction = self.database.begin_write().map_err(unusable)?;
        {
            let mut meta = transaction.open_table(META).map_err(unusable)?;
            let written_ms = now_ms.to_string();
            for (name, value) in [("format", FORMAT), ("run", &*owner.run), ("cluster", &owner.cluster), ("written_ms", &written_ms)] {
                meta.insert(name, value).map_err(unusable)?;
            }
            transaction.open_table(OFFSETS).map_err(unusable)?;
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

    /// The place of the store that has this changelog.
    pub(super) fn place(self: &Rc<Self>, changelog: &str) -> Rc<dyn Backing> {
        Rc::new(Place::new(Rc::clone(self), changelog))
    }

    /// Writes what the stores have committed, with what follows it in the changelogs. What is not written is lost here, so nothing may be read
    /// any more after an error.
    pub(super) fn write(&self, next: &Next, now_ms: i64) -> Result<(), DiskError> {
        let is_due = self.last_sync.get().is_none_or(|at| at.elapsed() >= SYNC_INTERVAL);
        self.write_with(next, now_ms, if is_due { Durability::Immediate } else { Durability::None })
    }

    /// Forgets everything.
    pub(super) fn clear(&self) -> Result<(), DiskError> {
        let transaction = self.database.begin_write().map_err(unusable)?;
        let tables: Vec<_> = transaction.list_tables().map_err(unusable)?.collect();
        for table in tables.into_iter().filter(|table| redb::TableHandle::name(table) != redb::TableHandle::name(&META)) {
            transaction.delete_table(table).map_err(unusable)?;
        }
        transaction.open_table(OFFSETS).map_err(unusable)?;
        transaction.commit().map_err(unusable)?;
        self.writes.set(self.writes.get() + 1);
        Ok(())
    }

    /// Whether something here is not what it should be: then it is to be wiped, as the next to open it does.
    pub(super) fn is_damaged(&self) -> bool {
        self.damage.borrow().is_some()
    }

    /// Makes all of it safe from a power cut too.
    fn sync(&self) -> Result<(), DiskError> {
        if !self.is_synced.get() {
            self.database.begin_write().map_err(unusable)?.commit().map_err(unusable)?;
            self.is_synced.set(true);
        }
        Ok(())
    }

    fn write_with(&self, next: &Next, now_ms: i64, durability: Durability) -> Result<(), DiskError> {
        if let Some(why) = self.damage.borrow().clone() {
            return Err(DiskError::Unusable(why));
        }
        let staged = std::mem::take(&mut *self.staged.borrow_mut());
        if staged.is_empty() && *self.next.borrow() == *next {
            return Ok(());
        }
        let written = caught(|| self.write_rows(staged, next, now_ms, durability));
        if let Err(error) = &written {
            self.note_damage(error.to_string());
            return written;
        }
        self.next.replace(next.clone());
        self.writes.set(self.writes.get() + 1);
        self.is_synced.set(matches!(durability, Durability::Immediate));
        if self.is_synced.get() {
            self.last_sync.set(Some(Instant::now()));
        }
        written
    }

    fn write_rows(
        &self,
        staged: BTreeMap<Arc<str>, Vec<Staged>>,
        next: &Next,
        now_ms: i64,
        durability: Durability,
    ) -> Result<(), DiskError> {
        let mut transaction = self.database.begin_write().map_err(unusable)?;
        transaction.set_durability(durability).map_err(unusable)?;
        for (table, rows) in staged {
            let mut table = transaction.open_table(place::table(&table)).map_err(unusable)?;
            for (key, value) in rows {
                match value {
                    Some(value) => drop(table.insert(key.as_slice(), value.as_slice()).map_err(unusable)?),
                    None => drop(table.remove(key.as_slice()).map_err(unusable)?),
                }
            }
        }
        {
            let mut offsets = transaction.open_table(OFFSETS).map_err(unusable)?;
            for (topic, next) in next {
                offsets.insert(&**topic, next).map_err(unusable)?;
            }
            let mut meta = transaction.open_table(META).map_err(unusable)?;
            meta.insert("written_ms", now_ms.to_string().as_str()).map_err(unusable)?;
        }
        transaction.commit().map_err(unusable)
    }

    fn begin_read(&self) -> Result<ReadTransaction, DiskError> {
        self.database.begin_read().map_err(unusable)
    }

    fn note_damage(&self, why: String) {
        let mut damage = self.damage.borrow_mut();
        if damage.is_none() {
            // Without it the next to open the file may find out anew.
            if let Err(error) = fs::write(self.folder.join(DAMAGED), &why) {
                tracing::debug!("the damage of a task's stores could not be noted: {error}");
            }
            *damage = Some(why);
        }
    }
}

impl Drop for TaskDisk {
    fn drop(&mut self) {
        if let Err(error) = self.sync() {
            tracing::debug!("the last second of a task's stores did not reach the disk: {error}");
        }
    }
}

/// A file with other bytes in it than were written may bring redb to panic.
fn caught<T>(work: impl FnOnce() -> Result<T, DiskError>) -> Result<T, DiskError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(DiskError::Unusable("its pages are not what they should be".to_owned())))
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
