//! Fetch sessions (KIP-227): what a client asks for is remembered, so that it only says what changes and is only told what changed.
//!
//! The rules are Kafka's (`FetchSession.scala`): a full fetch (epoch 0) opens a session, epoch -1 ends it, each incremental fetch counts the
//! epoch up by one. When the cache is full a session gives way only if it has been idle for [`EVICTION_MS`], or is that old and smaller than
//! the new one; otherwise the new client stays without a session, which it understands.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use crate::codec::ResponseError;
use crate::codec::messages::fetch_response::PartitionData;
use crate::codec::messages::{FetchRequest, TopicName};
use crate::codec::text;
use crate::sync::lock;

/// `min.incremental.fetch.session.eviction.ms`.
const EVICTION_MS: i64 = 120_000;
const NO_SESSION: i32 = 0;
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

/// A topic as its client names it: by name up to version 12, by id after.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AskedTopic {
    pub(crate) name: TopicName,
    pub(crate) id: Uuid,
}

/// One partition a client wants records of.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) topic: Arc<AskedTopic>,
    pub(crate) partition: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) offset: i64,
    pub(crate) max_bytes: i32,
}

/// A fetch that has begun: what it is about, and how it stands to a session.
#[derive(Debug)]
pub(crate) struct Fetching {
    pub(crate) asked: Vec<Asked>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sessionless,
    /// Everything is said and everything is answered; a session may follow.
    Full {
        has_topic_ids: bool,
    },
    /// `next_epoch`: what the session expects once this is answered.
    Incremental {
        session_id: i32,
        next_epoch: i32,
    },
}

/// How a fetch is answered.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) error: Option<ResponseError>,
    pub(crate) session_id: i32,
    pub(crate) partitions: Vec<(Arc<AskedTopic>, PartitionData)>,
}

/// The sessions of all clients.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    max_sessions: usize,
    max_partitions: usize,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    sessions: HashMap<i32, Session>,
    /// Partitions of all sessions together.
    partitions: usize,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    has_topic_ids: bool,
    created_ms: i64,
    last_used_ms: i64,
    /// In the order they are served. What was served goes to the end, so that a full answer starves nobody.
    by_turn: BTreeMap<u64, Cached>,
    turns: HashMap<(Arc<AskedTopic>, i32), u64>,
    next_turn: u64,
}

#[derive(Debug)]
struct Cached {
    asked: Asked,
    /// As the client was told them last; -1: it must be told.
    high_watermark: i64,
    log_start_offset: i64,
}

impl FetchSessions {
    pub(crate) fn new(max_sessions: usize, max_partitions: usize) -> Self {
        Self { max_sessions, max_partitions, cache: Mutex::default() }
    }

    /// What this request is about. An error ends the fetch: the client starts over with a full one.
    pub(crate) fn begin(&self, request: &FetchRequest, has_topic_ids: bool, now_ms: i64) -> Result<Fetching, ResponseError> {
        let (session_id, epoch) = (request.session_id, request.session_epoch);
        if epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH {
            lock(&self.cache).remove(session_id);
            let kind = if epoch == FINAL_EPOCH { Kind::Sessionless } else { Kind::Full { has_topic_ids } };
            return Ok(Fetching { asked: asked_in(request), kind });
        }
        let mut cache = lock(&self.cache);
        let cache = &mut *cache;
        let session = cache.sessions.get_mut(&session_id).ok_or(ResponseError::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ResponseError::InvalidFetchSessionEpoch);
        }
        if session.has_topic_ids != has_topic_ids {
            return Err(ResponseError::FetchSessionTopicIdError);
        }
        let before = session.by_turn.len();
        session.update(request);
        cache.partitions = cache.partitions + session.by_turn.len() - before;
        session.last_used_ms = now_ms;
        session.epoch = next_epoch(epoch);
        let asked: Vec<Asked> = session.by_turn.values().map(|cached| cached.asked.clone()).collect();
        let kind = Kind::Incremental { session_id, next_epoch: session.epoch };
        if asked.is_empty() {
            // The client keeps nothing in it, so neither do we.
            cache.remove(session_id);
            return Ok(Fetching { asked, kind: Kind::Sessionless });
        }
        if cache.partitions > self.max_partitions {
            // It grew past the limit: without a session the client can still say everything in each request.
            cache.remove(session_id);
            return Err(ResponseError::FetchSessionIdNotFound);
        }
        Ok(Fetching { asked, kind })
    }

    /// The answer, one `result` for each partition asked for and in that order: all of it, or for a session what the client does not know.
    pub(crate) fn finish(&self, fetching: Fetching, results: Vec<PartitionData>, now_ms: i64) -> Answered {
        let Fetching { asked, kind } = fetching;
        let pairs = asked.into_iter().zip(results);
        match kind {
            Kind::Sessionless => all(NO_SESSION, pairs),
            Kind::Full { has_topic_ids } => {
                let pairs: Vec<(Asked, PartitionData)> = pairs.collect();
                let session_id = lock(&self.cache).open(self, has_topic_ids, &pairs, now_ms);
                all(session_id, pairs)
            }
            Kind::Incremental { session_id, next_epoch } => {
                let mut cache = lock(&self.cache);
                match cache.sessions.get_mut(&session_id) {
                    // Another request of this session overtook ours over another connection, or it was evicted meanwhile.
                    None => Answered { error: Some(ResponseError::FetchSessionIdNotFound), ..Answered::default() },
                    Some(session) if session.epoch != next_epoch => {
                        Answered { error: Some(ResponseError::InvalidFetchSessionEpoch), ..Answered::default() }
                    }
                    Some(session) => Answered { error: None, session_id, partitions: session.news(pairs) },
                }
            }
        }
    }
}

impl Cache {
    fn remove(&mut self, session_id: i32) {
        if let Some(session) = self.sessions.remove(&session_id) {
            self.partitions -= session.by_turn.len();
        }
    }

    /// The new session's id, or 0 when there is no room for it.
    fn open(&mut self, limits: &FetchSessions, has_topic_ids: bool, answered: &[(Asked, PartitionData)], now_ms: i64) -> i32 {
        let is_full =
            |cache: &Self| cache.sessions.len() >= limits.max_sessions || cache.partitions + answered.len() > limits.max_partitions;
        if answered.is_empty() || (is_full(self) && !self.evict(answered.len(), now_ms)) || is_full(self) {
            return NO_SESSION;
        }
        let session_id = self.fresh_id();
        let mut session = Session {
            epoch: next_epoch(INITIAL_EPOCH),
            has_topic_ids,
            created_ms: now_ms,
            last_used_ms: now_ms,
            by_turn: BTreeMap::new(),
            turns: HashMap::new(),
            next_turn: 0,
        };
        for (asked, data) in answered {
            session.remember(asked.clone());
            session.is_news(asked, data);
        }
        self.partitions += session.by_turn.len();
        self.sessions.insert(session_id, session);
        session_id
    }

    fn evict(&mut self, wanted: usize, now_ms: i64) -> bool {
        let old = |since_ms: i64| now_ms.saturating_sub(since_ms) > EVICTION_MS;
        let idle = self.sessions.iter().filter(|(_, session)| old(session.last_used_ms)).min_by_key(|(_, session)| session.last_used_ms);
        let small = || {
            let smaller = self.sessions.iter().filter(|(_, session)| old(session.created_ms) && session.by_turn.len() < wanted);
            smaller.min_by_key(|(_, session)| session.by_turn.len())
        };
        let evicted = idle.or_else(small).map(|(session_id, _)| *session_id);
        evicted.into_iter().for_each(|session_id| self.remove(session_id));
        evicted.is_some()
    }

    /// Not to be guessed, so that no client takes another's for its own.
    fn fresh_id(&self) -> i32 {
        loop {
            let session_id = (RandomState::new().hash_one(self.sessions.len()) >> 33) as i32;
            if session_id != NO_SESSION && !self.sessions.contains_key(&session_id) {
                return session_id;
            }
        }
    }
}

impl Session {
    fn update(&mut self, request: &FetchRequest) {
        for asked in asked_in(request) {
            self.remember(asked);
        }
        for forgotten in &request.forgotten_topics_data {
            let topic = Arc::new(AskedTopic { name: forgotten.topic.clone(), id: forgotten.topic_id });
            for partition in &forgotten.partitions {
                if let Some(turn) = self.turns.remove(&(Arc::clone(&topic), *partition)) {
                    self.by_turn.remove(&turn);
                }
            }
        }
    }

    fn remember(&mut self, asked: Asked) {
        let key = (Arc::clone(&asked.topic), asked.partition);
        if let Some(cached) = self.turns.get(&key).and_then(|turn| self.by_turn.get_mut(turn)) {
            cached.asked = asked;
            return;
        }
        self.turns.insert(key, self.next_turn);
        self.by_turn.insert(self.next_turn, Cached { asked, high_watermark: -1, log_start_offset: -1 });
        self.next_turn += 1;
    }

    fn news(&mut self, results: impl Iterator<Item = (Asked, PartitionData)>) -> Vec<(Arc<AskedTopic>, PartitionData)> {
        let mut news = Vec::new();
        for (asked, data) in results {
            if !self.is_news(&asked, &data) {
                continue;
            }
            if !is_empty(&data) {
                self.put_last(&asked);
            }
            news.push((asked.topic, data));
        }
        news
    }

    /// Whether the client must be told; it knows from then on.
    fn is_news(&mut self, asked: &Asked, data: &PartitionData) -> bool {
        let key = (Arc::clone(&asked.topic), asked.partition);
        let Some(cached) = self.turns.get(&key).and_then(|turn| self.by_turn.get_mut(turn)) else { return true };
        let changed = (cached.high_watermark, cached.log_start_offset) != (data.high_watermark, data.log_start_offset);
        cached.high_watermark = data.high_watermark;
        cached.log_start_offset = data.log_start_offset;
        if data.error_code != 0 {
            // Told each time, and told again when it is over.
            cached.high_watermark = -1;
        }
        changed || data.error_code != 0 || !is_empty(data)
    }

    fn put_last(&mut self, asked: &Asked) {
        let Some(turn) = self.turns.get_mut(&(Arc::clone(&asked.topic), asked.partition)) else { return };
        let Some(cached) = self.by_turn.remove(turn) else { return };
        *turn = self.next_turn;
        self.by_turn.insert(self.next_turn, cached);
        self.next_turn += 1;
    }
}

fn all(session_id: i32, pairs: impl IntoIterator<Item = (Asked, PartitionData)>) -> Answered {
    let partitions = pairs.into_iter().map(|(asked, data)| (asked.topic, data));
    Answered { error: None, session_id, partitions: partitions.collect() }
}

fn is_empty(data: &PartitionData) -> bool {
    data.records.as_ref().is_none_or(|records| records.is_empty())
}

fn asked_in(request: &FetchRequest) -> Vec<Asked> {
    let partitions = request.topics.iter().flat_map(|asked| {
        // A copy: a slice of the frame would keep all of it for as long as the session lives.
        let topic = Arc::new(AskedTopic { name: TopicName(text(asked.topic.as_str())), id: asked.topic_id });
        asked.partitions.iter().map(move |partition| Asked {
            topic: Arc::clone(&topic),
            partition: partition.partition,
            current_leader_epoch: partition.current_leader_epoch,
            offset: partition.fetch_offset,
            max_bytes: partition.partition_max_bytes,
        })
    });
    partitions.collect()
}

/// Epochs count up from 1 and begin again there: 0 and -1 have meanings of their own.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).filter(|next| *next > 0).unwrap_or(1)
}

#[cfg(test)]
#[path = "fetch_sessions_tests.rs"]
mod tests;
