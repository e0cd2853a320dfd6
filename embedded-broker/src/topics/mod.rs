//! The topics of this broker: their names, ids, partitions and configs, on disk and in memory.
//!
//! A topic is a folder under `topics/` with a `topic` file in it and one folder per partition. It is there from the moment that file is,
//! and gone from the moment its folder is renamed; whatever a crash leaves in between is cleared away at the next start.

pub(crate) mod configs;
mod file;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use uuid::Uuid;

use crate::codec::ResponseError;
use crate::config::Limits;
use crate::disk::{Disk, read_checked, write_checked};
use crate::log::{Environment, Partition};
use crate::sync::{lock, read, write};
use crate::view::{EventKind, EventLog};
use configs::{BROKER_CONFIGS_FILE, BrokerOverrides, Overrides, log_config};
use file::{TOPIC_FILE, TopicFile};

const TOPICS_FOLDER: &str = "topics";
/// What a folder is called while it is being deleted. No topic name has a `!`.
const DELETED_PREFIX: &str = "!deleted-";
/// Between the name and the id in a topic's folder; no topic name has it.
const ID_SEPARATOR: char = '~';
/// Kafka's limit on a topic's name.
const MAX_NAME_BYTES: usize = 249;
/// How much of the name stands in the folder's; file systems allow 255 bytes.
const NAME_IN_FOLDER_BYTES: usize = 100;
/// Topics the broker keeps for itself; clients may read them but not create, delete or write them.
const INTERNAL_TOPICS: &[&str] = &["__consumer_offsets", "__transaction_state"];

/// One topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    pub(crate) id: Uuid,
    created_ms: i64,
    folder: PathBuf,
    overrides: RwLock<Overrides>,
    partitions: RwLock<Vec<Arc<Partition>>>,
}

impl Topic {
    pub(crate) fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }

    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(read(&self.partitions).len()).unwrap_or(i32::MAX)
    }

    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        read(&self.partitions).get(usize::try_from(index).ok()?).cloned()
    }

    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        read(&self.partitions).clone()
    }

    pub(crate) fn overrides(&self) -> Overrides {
        read(&self.overrides).clone()
    }
}

/// The topic a file belongs to, as far as its folder tells: of a long name, the beginning.
pub(crate) fn topic_of(path: &Path) -> Option<String> {
    let mut folders = path.iter().filter_map(|folder| folder.to_str()).skip_while(|folder| *folder != TOPICS_FOLDER);
    let folder = folders.nth(1)?;
    Some(folder.split_once(ID_SEPARATOR).map_or(folder, |(name, _)| name).to_owned())
}

/// All topics. Changes are made one at a time; lookups never wait for the disk.
#[derive(Debug)]
pub(crate) struct Topics {
    folder: PathBuf,
    environment: Arc<Environment>,
    limits: Limits,
    broker_configs: PathBuf,
    broker_overrides: RwLock<BrokerOverrides>,
    map: RwLock<Map>,
    changing: Mutex<()>,
    /// Where it is told which topics come and go.
    events: OnceLock<Arc<EventLog>>,
    /// Counts what changes what consumers can be given: topics that come, go or grow.
    version: AtomicU64,
}

#[derive(Debug, Default)]
struct Map {
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

impl Topics {
    /// Opens every topic under `data_dir`.
    pub(crate) fn open(data_dir: &Path, environment: Arc<Environment>, limits: Limits) -> io::Result<Self> {
        let folder = data_dir.join(TOPICS_FOLDER);
        environment.disk.create_folder(&folder)?;
        let broker_configs = data_dir.join(BROKER_CONFIGS_FILE);
        let broker_overrides = RwLock::new(read_broker_overrides(&broker_configs, environment.disk.as_ref())?);
        let topics = Self {
            folder,
            environment,
            limits,
            broker_configs,
            broker_overrides,
            map: RwLock::default(),
            changing: Mutex::default(),
            events: OnceLock::new(),
            version: AtomicU64::new(1),
        };
        for name in topics.environment.disk.list(&topics.folder)? {
            // File managers leave files of their own everywhere.
            if name.contains(ID_SEPARATOR) || name.starts_with(DELETED_PREFIX) {
                topics.open_folder(&topics.folder.join(&name), &name)?;
            }
        }
        Ok(topics)
    }

    /// From now on it is told there which topics come and go.
    pub(crate) fn observe(&self, events: Arc<EventLog>) {
        let _ = self.events.set(events);
    }

    fn tell(&self, kind: EventKind) {
        if let Some(events) = self.events.get() {
            events.record(kind);
        }
    }

    fn open_folder(&self, folder: &Path, folder_name: &str) -> io::Result<()> {
        let disk = self.environment.disk.as_ref();
        if folder_name.starts_with(DELETED_PREFIX) {
            tracing::info!(folder = folder_name, "removing what is left of a topic that was being deleted");
            return disk.remove_folder(folder);
        }
        let remedy = "restore it, or move the topic's folder away";
        let Some(file) = read_checked(disk, &folder.join(TOPIC_FILE), remedy, TopicFile::decode)? else {
            tracing::info!(folder = folder_name, "removing what is left of a topic that was being created");
            return disk.remove_folder(folder);
        };
        let topic = self.opened(folder.to_owned(), &file)?;
        self.insert(Arc::new(topic));
        Ok(())
    }

    fn opened(&self, folder: PathBuf, file: &TopicFile) -> io::Result<Topic> {
        let partitions = self.open_partitions(&folder, &file.name, 0..file.partitions, &file.overrides)?;
        Ok(Topic {
            name: Arc::from(file.name.as_str()),
            id: file.id,
            created_ms: file.created_ms,
            folder,
            overrides: RwLock::new(file.overrides.clone()),
            partitions: RwLock::new(partitions),
        })
    }

    fn open_partitions(
        &self,
        folder: &Path,
        name: &str,
        indexes: std::ops::Range<i32>,
        overrides: &Overrides,
    ) -> io::Result<Vec<Arc<Partition>>> {
        let config = Arc::new(log_config(overrides, &read(&self.broker_overrides), &self.limits));
        let open = |index: i32| {
            let folder = folder.join(index.to_string());
            Partition::open(format!("{name}-{index}"), folder, Arc::clone(&self.environment), Arc::clone(&config)).map(Arc::new)
        };
        indexes.map(open).collect()
    }

    fn insert(&self, topic: Arc<Topic>) {
        let mut map = write(&self.map);
        map.by_id.insert(topic.id, Arc::clone(&topic));
        map.by_name.insert(Arc::clone(&topic.name), topic);
        drop(map);
        self.count_change();
    }

    /// Another number means that a topic came, went or grew.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn count_change(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        read(&self.map).by_name.get(name).cloned()
    }

    pub(crate) fn get_by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        read(&self.map).by_id.get(&id).cloned()
    }

    /// Every topic, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        read(&self.map).by_name.values().cloned().collect()
    }

    /// What [`Topics::create`] would say.
    pub(crate) fn check_new(&self, new: &NewTopic) -> Result<(), TopicError> {
        validate_name(&new.name)?;
        if self.get(&new.name).is_some() {
            return Err(TopicError::Exists(new.name.clone()));
        }
        if new.partitions < 1 {
            return Err(TopicError::Partitions(format!("a topic has at least one partition, not {}", new.partitions)));
        }
        self.check_configs(&new.overrides)?;
        let map = read(&self.map);
        if map.by_name.len() >= self.limits.max_topics {
            return Err(TopicError::Limit(format!("this broker holds at most {} topics; delete some first", self.limits.max_topics)));
        }
        self.check_room(&map, new.partitions)
    }

    fn check_room(&self, map: &Map, more: i32) -> Result<(), TopicError> {
        let there: usize = map.by_name.values().map(|topic| read(&topic.partitions).len()).sum();
        let wanted = there.saturating_add(usize::try_from(more).unwrap_or(usize::MAX));
        if wanted > self.limits.max_partitions {
            return Err(TopicError::Limit(format!(
                "this broker holds at most {} partitions, and {there} are there",
                self.limits.max_partitions
            )));
        }
        Ok(())
    }

    /// Creates a topic. Waits for the disk.
    pub(crate) fn create(&self, new: NewTopic) -> Result<Arc<Topic>, TopicError> {
        let _change = lock(&self.changing);
        self.check_new(&new)?;
        let file = TopicFile {
            id: Uuid::new_v4(),
            partitions: new.partitions,
            created_ms: self.environment.clock.now_ms(),
            overrides: new.overrides,
            name: new.name,
        };
        let short_name: String = file.name.chars().take(NAME_IN_FOLDER_BYTES).collect();
        let folder = self.folder.join(format!("{short_name}{ID_SEPARATOR}{}", file.id.simple()));
        let created = self.opened(folder.clone(), &file).and_then(|topic| {
            write_checked(self.environment.disk.as_ref(), &folder.join(TOPIC_FILE), &file.encode())?;
            // The topic's own name, too, must outlive a power cut.
            self.environment.disk.sync_folder(&self.folder)?;
            Ok(Arc::new(topic))
        });
        let topic = match created {
            Ok(topic) => topic,
            Err(error) => {
                // Best effort: a start clears away a folder without a topic file anyway.
                let _ = self.environment.disk.remove_folder(&folder);
                return Err(error.into());
            }
        };
        self.insert(Arc::clone(&topic));
        tracing::info!(topic = %topic.name, partitions = file.partitions, "topic created");
        self.tell(EventKind::TopicCreated { topic: topic.name.to_string(), partitions: file.partitions });
        Ok(topic)
    }

    /// Deletes a topic with all its records. Waits for the disk.
    pub(crate) fn delete(&self, topic: &Topic) -> Result<(), TopicError> {
        let _change = lock(&self.changing);
        if self.get_by_id(topic.id).is_none() {
            return Err(TopicError::Unknown);
        }
        let doomed = self.folder.join(format!("{DELETED_PREFIX}{}", topic.id.simple()));
        self.environment.disk.rename(&topic.folder, &doomed)?;
        let mut map = write(&self.map);
        map.by_id.remove(&topic.id);
        map.by_name.remove(&topic.name);
        drop(map);
        self.count_change();
        for partition in topic.partitions() {
            partition.mark_deleted();
        }
        tracing::info!(topic = %topic.name, "topic deleted");
        self.tell(EventKind::TopicDeleted { topic: topic.name.to_string() });
        Ok(self.environment.disk.remove_folder(&doomed)?)
    }

    /// Gives a topic more partitions: `count` in all. Waits for the disk.
    pub(crate) fn grow(&self, topic: &Topic, count: i32, validate_only: bool) -> Result<(), TopicError> {
        let _change = lock(&self.changing);
        let now = topic.partition_count();
        if count <= now {
            return Err(TopicError::Partitions(format!("the topic has {now} partitions; their number can only grow")));
        }
        self.check_room(&read(&self.map), count - now)?;
        if validate_only {
            return Ok(());
        }
        let overrides = topic.overrides();
        let mut more = self.open_partitions(&topic.folder, &topic.name, now..count, &overrides)?;
        self.write_file(topic, count, overrides)?;
        write(&topic.partitions).append(&mut more);
        self.count_change();
        Ok(())
    }

    /// Replaces what is set on a topic. Waits for the disk.
    pub(crate) fn set_overrides(&self, topic: &Topic, overrides: Overrides, validate_only: bool) -> Result<(), TopicError> {
        let _change = lock(&self.changing);
        self.check_configs(&overrides)?;
        if validate_only {
            return Ok(());
        }
        self.write_file(topic, topic.partition_count(), overrides.clone())?;
        *write(&topic.overrides) = overrides;
        self.configure(topic);
        Ok(())
    }

    /// What is set on the broker itself, and gives topics their defaults.
    pub(crate) fn broker_overrides(&self) -> BrokerOverrides {
        read(&self.broker_overrides).clone()
    }

    /// Replaces what is set on the broker. Every topic obeys at once. Waits for the disk.
    pub(crate) fn set_broker_overrides(&self, overrides: BrokerOverrides, validate_only: bool) -> Result<(), TopicError> {
        let _change = lock(&self.changing);
        for (name, value) in overrides.broker.iter().chain(&overrides.cluster) {
            configs::validate_server(name, value).map_err(TopicError::Config)?;
        }
        configs::check_together(&Overrides::new(), &overrides).map_err(TopicError::Config)?;
        if validate_only {
            return Ok(());
        }
        write_checked(self.environment.disk.as_ref(), &self.broker_configs, &overrides.encode())?;
        *write(&self.broker_overrides) = overrides;
        self.all().iter().for_each(|topic| self.configure(topic));
        Ok(())
    }

    /// Tells a topic's logs what they obey now.
    fn configure(&self, topic: &Topic) {
        let config = Arc::new(log_config(&read(&topic.overrides), &read(&self.broker_overrides), &self.limits));
        for partition in topic.partitions() {
            partition.set_config(Arc::clone(&config));
        }
    }

    fn check_configs(&self, overrides: &Overrides) -> Result<(), TopicError> {
        overrides.iter().try_for_each(|(name, value)| configs::validate(name, value)).map_err(TopicError::Config)?;
        configs::check_together(overrides, &read(&self.broker_overrides)).map_err(TopicError::Config)
    }

    fn write_file(&self, topic: &Topic, partitions: i32, overrides: Overrides) -> io::Result<()> {
        let file = TopicFile { name: topic.name.to_string(), id: topic.id, partitions, created_ms: topic.created_ms, overrides };
        write_checked(self.environment.disk.as_ref(), &topic.folder.join(TOPIC_FILE), &file.encode())
    }
}

/// A topic to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewTopic {
    pub(crate) name: String,
    pub(crate) partitions: i32,
    pub(crate) overrides: Overrides,
}

/// Whether this text is a topic's file: for the fuzzer.
pub(crate) fn is_topic_file(text: &str) -> bool {
    TopicFile::decode(text).is_some()
}

pub(crate) fn is_internal(name: &str) -> bool {
    INTERNAL_TOPICS.contains(&name)
}

/// Kafka's rules for names.
pub(crate) fn validate_name(name: &str) -> Result<(), TopicError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let reason = match name {
        "" => "it is empty",
        "." | ".." => "it can't be \".\" or \"..\"",
        _ if name.len() > MAX_NAME_BYTES => "it is longer than 249 characters",
        _ if !name.chars().all(allowed) => "only ASCII letters, digits, '.', '_' and '-' are allowed",
        _ => return Ok(()),
    };
    Err(TopicError::Name(reason))
}

fn read_broker_overrides(path: &Path, disk: &dyn Disk) -> io::Result<BrokerOverrides> {
    let decode = |text: &str| {
        let (overrides, unread) = BrokerOverrides::decode(text)?;
        if !unread.is_empty() {
            tracing::warn!(file = %path.display(), lines = unread.len(), "lines of the broker's configs can't be understood; they do not count");
        }
        Some(overrides)
    };
    // A wrong retention would delete what is to be kept: the broker does not start.
    let overrides = read_checked(disk, path, "restore it, or remove it to begin with the defaults", decode)?;
    Ok(overrides.unwrap_or_default())
}

/// Why topics stayed as they were.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopicError {
    /// Not a name.
    #[error("the topic name is not valid: {0}")]
    Name(&'static str),
    /// Taken.
    #[error("topic '{0}' already exists")]
    Exists(String),
    /// Not there.
    #[error("the topic does not exist")]
    Unknown,
    /// A number of partitions that can't be.
    #[error("{0}")]
    Partitions(String),
    /// A config or value that can't be.
    #[error("{0}")]
    Config(String),
    /// No room.
    #[error("{0}")]
    Limit(String),
    /// The disk said no.
    #[error("the topic could not be written to disk: {0}")]
    Storage(#[from] io::Error),
}

impl TopicError {
    /// Kafka's code for it.
    pub(crate) fn code(&self) -> ResponseError {
        match self {
            Self::Name(_) => ResponseError::InvalidTopicException,
            Self::Exists(_) => ResponseError::TopicAlreadyExists,
            Self::Unknown => ResponseError::UnknownTopicOrPartition,
            Self::Partitions(_) => ResponseError::InvalidPartitions,
            Self::Config(_) => ResponseError::InvalidConfig,
            Self::Limit(_) => ResponseError::PolicyViolation,
            Self::Storage(_) => ResponseError::KafkaStorageError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        let long = "a".repeat(249);
        for name in ["orders", "a.b", "a_b-c", "...", "9", long.as_str()] {
            assert!(validate_name(name).is_ok(), "{name}");
        }
        let longer = "a".repeat(250);
        for name in ["", ".", "..", "a b", "ä", "a/b", "a\n", longer.as_str()] {
            assert!(validate_name(name).is_err(), "{name}");
        }
    }
}
