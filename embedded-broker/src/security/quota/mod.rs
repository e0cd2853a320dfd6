//! Quotas: how much users, client ids and addresses may use (KIP-13, 124, 219, 546, 599, 612), and how long who used more must wait.
//!
//! `entity` says which quota counts, `bucket` how long the wait is; here are the settings, on disk and in memory, and the buckets in use.
//! The answer comes at once and tells the wait; the connection is then deaf for as long (KIP-219). Without quotas all of it costs one check.

mod bucket;
mod entity;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::disk::{Disk, read_checked, write_checked};
use crate::sync::{lock, read, write};
use bucket::{Bucket, Rate};
pub(crate) use entity::{Entity, EntityType, Named, QuotaKey, Settings};
use entity::{Shared, effective};

const FILE: &str = "quotas";
const FORMAT: &str = "weir quotas 1";
/// Buckets in memory; client ids are the clients' own choice. Idle ones go first, then the one used longest ago.
const MAX_BUCKETS: usize = 10_000;
/// A second's worth may be used at once. Kafka counts over eleven windows of a second and lets ten of them be used at once.
const BURST_SECONDS: f64 = 1.0;
/// Kafka's `controller.quota.window.num`, of a second each: making topics comes in bursts.
const MUTATION_BURST_SECONDS: f64 = 11.0;
/// The longest wait told at a time; a debt beyond it is told with the next answer.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Kafka's bound for those that use too much of the CPU.
const MAX_WAIT_FOR_CPU: Duration = Duration::from_secs(1);

/// What one request used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Bytes of a Produce.
    pub(crate) produced_bytes: usize,
    /// Bytes of the answer to a Fetch.
    pub(crate) fetched_bytes: usize,
    /// Time on a worker thread.
    pub(crate) cpu: Duration,
}

/// All quotas.
#[derive(Debug)]
pub(crate) struct Quotas {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    settings: RwLock<Arc<Settings>>,
    changing: Mutex<()>,
    buckets: Mutex<HashMap<(QuotaKey, Shared), (Bucket, Rate)>>,
}

impl Quotas {
    pub(crate) fn open(folder: &Path, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let path = folder.join(FILE);
        let settings = read_checked(disk.as_ref(), &path, "restore it, or remove it to begin with no quotas", decode)?;
        let settings = RwLock::new(Arc::new(settings.unwrap_or_default()));
        Ok(Self { disk, path, settings, changing: Mutex::default(), buckets: Mutex::default() })
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&read(&self.settings))
    }

    /// There is something to hold anyone to.
    pub(crate) fn is_active(&self) -> bool {
        !read(&self.settings).is_empty()
    }

    /// Sets and removes (`None`) values, all or none, on disk first.
    pub(crate) fn change(&self, changes: &[(Entity, QuotaKey, Option<f64>)]) -> io::Result<()> {
        let _one_at_a_time = lock(&self.changing);
        let mut settings = Settings::clone(&self.settings());
        for (entity, key, value) in changes {
            let values = settings.entry(entity.clone()).or_default();
            match value {
                Some(value) => _ = values.insert(*key, *value),
                None => _ = values.remove(key),
            }
            if values.is_empty() {
                settings.remove(entity);
            }
        }
        write_checked(self.disk.as_ref(), &self.path, &encode(&settings))?;
        *write(&self.settings) = Arc::new(settings);
        // Who was in debt to a quota that is gone owes nothing to the new one.
        lock(&self.buckets).clear();
        Ok(())
    }

    /// Charges a client for a request; how long it must wait before its next.
    pub(crate) fn charge(&self, user: &str, client_id: &str, used: Used, now_ms: i64) -> Duration {
        let settings = self.settings();
        let charge = |key, amount: f64, scale: f64, most: Duration| {
            let Some((value, shared)) = effective(&settings, key, user, client_id).filter(|_| amount > 0.0) else { return Duration::ZERO };
            let rate = Rate { per_second: value * scale, burst_seconds: BURST_SECONDS };
            Duration::from_millis(self.with_bucket(key, shared, rate, now_ms, |bucket| bucket.take(rate, amount, now_ms))).min(most)
        };
        // A percent of a thread is ten milliseconds each second.
        let cpu_ms = used.cpu.as_secs_f64() * 1_000.0;
        let waits = [
            charge(QuotaKey::ProducerByteRate, used.produced_bytes as f64, 1.0, MAX_WAIT),
            charge(QuotaKey::ConsumerByteRate, used.fetched_bytes as f64, 1.0, MAX_WAIT),
            charge(QuotaKey::RequestPercentage, cpu_ms, 10.0, MAX_WAIT_FOR_CPU),
        ];
        waits.into_iter().max().unwrap_or_default()
    }

    /// Charges a client for partitions made or deleted: how long it must wait before its next request. `strictly`, one that is in debt for
    /// earlier ones is refused instead, for as long as the error says.
    pub(crate) fn mutate(&self, user: &str, client_id: &str, partitions: usize, strictly: bool, now_ms: i64) -> Result<Duration, Duration> {
        let key = QuotaKey::ControllerMutationRate;
        let Some((value, shared)) = effective(&self.settings(), key, user, client_id) else { return Ok(Duration::ZERO) };
        let rate = Rate { per_second: value, burst_seconds: MUTATION_BURST_SECONDS };
        let as_wait = |wait_ms| Duration::from_millis(wait_ms).min(MAX_WAIT);
        self.with_bucket(key, shared, rate, now_ms, |bucket| {
            if strictly {
                return bucket.try_take(rate, partitions as f64, now_ms).map(|()| Duration::ZERO).map_err(as_wait);
            }
            Ok(as_wait(bucket.take(rate, partitions as f64, now_ms)))
        })
    }

    /// Charges an address for a connection; how long the connection must wait to be served.
    pub(crate) fn connect(&self, ip: IpAddr, now_ms: i64) -> Duration {
        let key = QuotaKey::ConnectionCreationRate;
        let settings = self.settings();
        let value = |named| settings.get(&Entity::of([(EntityType::Ip, named)]))?.get(&key).copied();
        let Some(per_second) = value(Named::Name(ip.to_string())).or_else(|| value(Named::Default)) else { return Duration::ZERO };
        let rate = Rate { per_second, burst_seconds: BURST_SECONDS };
        let shared = Shared { user: None, client_id: Some(ip.to_string()) };
        Duration::from_millis(self.with_bucket(key, shared, rate, now_ms, |bucket| bucket.take(rate, 1.0, now_ms))).min(MAX_WAIT)
    }

    fn with_bucket<T>(&self, key: QuotaKey, shared: Shared, rate: Rate, now_ms: i64, work: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = lock(&self.buckets);
        let name = (key, shared);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&name) {
            buckets.retain(|_, (bucket, rate)| !bucket.is_full(*rate, now_ms));
            if buckets.len() >= MAX_BUCKETS {
                let oldest = buckets.iter().min_by_key(|(_, (bucket, _))| bucket.filled_ms()).map(|(name, _)| name.clone());
                oldest.and_then(|oldest| buckets.remove(&oldest));
            }
        }
        work(&mut buckets.entry(name).or_insert_with(|| (Bucket::new(rate, now_ms), rate)).0)
    }
}

/// One line a value: `<key> <value> <type>[=<name in base64>]...`; a type without a name is the default of it.
fn encode(settings: &Settings) -> String {
    let mut text = format!("{FORMAT}\n");
    for (entity, values) in settings {
        let parts = entity.0.iter().map(|(kind, named)| match named.name() {
            Some(name) => format!(" {}={}", kind.name(), STANDARD.encode(name)),
            None => format!(" {}", kind.name()),
        });
        let parts: String = parts.collect();
        for (key, value) in values {
            // Writing to a String can't fail.
            let _ = writeln!(text, "{} {value}{parts}", key.name());
        }
    }
    text
}

/// Reads the file back; `None` if it is not one of ours.
fn decode(text: &str) -> Option<Settings> {
    let mut lines = text.lines();
    if lines.next()? != FORMAT {
        return None;
    }
    let mut settings = Settings::new();
    for line in lines {
        let mut fields = line.split(' ');
        let key = QuotaKey::from_name(fields.next()?)?;
        let value: f64 = fields.next()?.parse().ok()?;
        let part = |field: &str| {
            let Some((kind, name)) = field.split_once('=') else { return Some((EntityType::from_name(field)?, Named::Default)) };
            let name = String::from_utf8(STANDARD.decode(name).ok()?).ok()?;
            Some((EntityType::from_name(kind)?, Named::Name(name)))
        };
        let entity = Entity(fields.map(part).collect::<Option<_>>()?);
        entity.check().and_then(|()| key.check(&entity, value)).ok()?;
        settings.entry(entity).or_default().insert(key, value);
    }
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDisk;

    fn entity(kind: EntityType, name: Option<&str>) -> Entity {
        Entity::of([(kind, Named::from_option(name.map(str::to_owned)))])
    }

    fn quotas(values: &[(Entity, QuotaKey, f64)]) -> Quotas {
        let quotas = Quotas::open(Path::new(""), Arc::new(MemoryDisk::default())).unwrap();
        let changes: Vec<_> = values.iter().map(|(entity, key, value)| (entity.clone(), *key, Some(*value))).collect();
        quotas.change(&changes).unwrap();
        quotas
    }

    #[test]
    fn quotas_outlive_the_broker() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
        let open = || Quotas::open(Path::new(""), Arc::clone(&disk)).unwrap();
        let both = Entity::of([(EntityType::User, Named::Name("a b=c".into())), (EntityType::ClientId, Named::Default)]);
        let changes = [
            (both.clone(), QuotaKey::RequestPercentage, Some(12.5)),
            (both.clone(), QuotaKey::ProducerByteRate, Some(1e15)),
            (entity(EntityType::Ip, Some("::1")), QuotaKey::ConnectionCreationRate, Some(3.0)),
        ];
        assert!(!open().is_active());
        open().change(&changes).unwrap();
        assert_eq!(open().settings().len(), 2);
        assert_eq!(open().settings()[&both][&QuotaKey::RequestPercentage], 12.5);
        open().change(&[(both.clone(), QuotaKey::RequestPercentage, None), (both.clone(), QuotaKey::ProducerByteRate, None)]).unwrap();
        assert!(!open().settings().contains_key(&both));
        disk.write_atomic(Path::new(FILE), b"weir quotas 1\nproducer_byte_rate -1 user").unwrap();
        assert!(Quotas::open(Path::new(""), disk).is_err());
    }

    /// The rate of a client that waits as it is told, by the clock's arithmetic alone.
    #[test]
    fn a_throttled_client_comes_out_at_its_quota() {
        let quota = 1_000_000.0;
        let quotas = quotas(&[(entity(EntityType::User, Some("alice")), QuotaKey::ProducerByteRate, quota)]);
        let (mut now_ms, mut sent_bytes) = (0_u64, 0_usize);
        while now_ms < 60_000 {
            let used = Used { produced_bytes: 100_000, ..Used::default() };
            // A millisecond for the request itself, and the wait.
            now_ms += 1 + quotas.charge("alice", "app", used, now_ms as i64).as_millis() as u64;
            sent_bytes += used.produced_bytes;
        }
        let rate = sent_bytes as f64 / (now_ms as f64 / 1_000.0);
        assert!((0.95..1.05).contains(&(rate / quota)), "{rate} bytes a second");
        let used = Used { produced_bytes: 100_000, ..Used::default() };
        assert_eq!(quotas.charge("bob", "app", used, now_ms as i64), Duration::ZERO, "nobody else pays for it");
    }

    #[test]
    fn each_kind_of_use_has_its_quota_and_the_longest_wait_counts() {
        let user = entity(EntityType::User, None);
        let quotas = quotas(&[
            (user.clone(), QuotaKey::ProducerByteRate, 1_000.0),
            (user.clone(), QuotaKey::ConsumerByteRate, 2_000.0),
            (user, QuotaKey::RequestPercentage, 10.0),
        ]);
        let used = Used { produced_bytes: 3_000, fetched_bytes: 3_000, cpu: Duration::from_millis(120) };
        assert_eq!(quotas.charge("a", "", used, 0), Duration::from_secs(2));
        assert_eq!(quotas.charge("b", "", Used { produced_bytes: 0, ..used }, 0), Duration::from_millis(500));
        assert_eq!(quotas.charge("c", "", Used { cpu: used.cpu, ..Used::default() }, 0), Duration::from_millis(200));
        let much = Used { cpu: Duration::from_secs(9), produced_bytes: 1 << 30, ..Used::default() };
        assert_eq!(quotas.charge("d", "", much, 0), MAX_WAIT);
        assert_eq!(quotas.charge("e", "", Used { produced_bytes: 0, ..much }, 0), MAX_WAIT_FOR_CPU);
    }

    #[test]
    fn connections_of_an_address_wait_in_turn() {
        let quotas = quotas(&[
            (entity(EntityType::Ip, None), QuotaKey::ConnectionCreationRate, 2.0),
            (entity(EntityType::Ip, Some("10.0.0.9")), QuotaKey::ConnectionCreationRate, 100.0),
        ]);
        let waits = |ip: &str| (0..4).map(|_| quotas.connect(ip.parse().unwrap(), 0).as_millis()).collect::<Vec<_>>();
        assert_eq!(waits("10.0.0.1"), [0, 0, 500, 1_000]);
        assert_eq!(waits("10.0.0.2"), [0, 0, 500, 1_000], "each address has its own");
        assert_eq!(waits("10.0.0.9"), [0, 0, 0, 0]);
    }

    #[test]
    fn mutations_in_debt_are_refused_or_waited_for() {
        let quotas = quotas(&[(entity(EntityType::User, Some("a")), QuotaKey::ControllerMutationRate, 1.0)]);
        let strictly = |user, partitions, now_ms| quotas.mutate(user, "", partitions, true, now_ms);
        let (nothing, seconds) = (Duration::ZERO, Duration::from_secs);
        assert_eq!(strictly("a", 20, 0), Ok(nothing), "the first burst passes whole");
        assert_eq!(strictly("a", 1, 0), Err(seconds(9)));
        assert_eq!(quotas.mutate("a", "", 1, false, 0), Ok(seconds(10)), "an old client waits instead");
        assert_eq!(strictly("b", 1_000, 0), Ok(nothing));
        assert_eq!(strictly("a", 1, 11_000), Ok(nothing));
    }

    #[test]
    fn buckets_are_bounded() {
        let quotas = quotas(&[(entity(EntityType::ClientId, None), QuotaKey::ProducerByteRate, 1.0)]);
        for client in 0..MAX_BUCKETS + 100 {
            quotas.charge("a", &client.to_string(), Used { produced_bytes: 10, ..Used::default() }, client as i64);
        }
        assert_eq!(lock(&quotas.buckets).len(), MAX_BUCKETS);
        quotas.charge("a", "late", Used { produced_bytes: 10, ..Used::default() }, 1_000_000_000);
        assert_eq!(lock(&quotas.buckets).len(), 1, "the idle ones have gone");
    }

    #[test]
    fn a_full_disk_changes_nothing() {
        let disk = Arc::new(MemoryDisk::default());
        let quotas = Quotas::open(Path::new(""), Arc::clone(&disk) as Arc<dyn Disk>).unwrap();
        disk.set_space_left(Some(0));
        assert!(quotas.change(&[(entity(EntityType::User, None), QuotaKey::ProducerByteRate, Some(1.0))]).is_err());
        assert!(!quotas.is_active());
    }
}
