//! Fetch: 4-17. Whole record batches from an offset on, as they are stored; waits for more when there is too little.
//!
//! - The batch that holds the offset comes whole, also when the offset is in its middle. An offset outside the log is an error at once.
//! - Waits up to `max_wait_ms` for `min_bytes`; every append to one of the partitions wakes it. Errors are answered at once.
//! - `max_bytes` and `partition_max_bytes` hold, but the first batch of the answer comes even if it is larger (KIP-74).
//! - 7: fetch sessions (KIP-227): see `fetch_sessions`. A client that finds no room for one is answered session 0 and sends full requests.
//! - 13: topics by id (KIP-516), in a session only if it was opened so. 9: leader epochs are checked (KIP-320).
//! - read_committed reads up to the last stable offset, and is told which transactions in what it got were aborted (KIP-98); `min_bytes`
//!   counts what it may read.
//! - Long stretches of records are not read here: they go from the log's file to the socket, by `sendfile` where there is one.
//! - Left out: follower fetching, divergence (12: there are no followers).

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::shared::{self, read_error};
use super::{Api, Frame, HeldSlice, Refusal, RequestContext, frame};
use crate::codec::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use crate::codec::messages::{FetchRequest, FetchResponse, ProducerId};
use crate::codec::{CodecError, ResponseError, error_code};
use crate::fetch_sessions::{Asked, Fetching};
use crate::log::{self, Offsets, Partition, Waiter};
use crate::node::{Busy, Node};
use crate::sync::lock;

const READ_COMMITTED: i8 = 1;
const FIRST_WITH_TOPIC_IDS: i16 = 13;

pub(crate) struct Fetch;

impl Api for Fetch {
    const KEY: i16 = 1;
    const NAME: &'static str = "Fetch";
    const VERSIONS: RangeInclusive<i16> = 4..=17;
    type Request = FetchRequest;
    type Response = FetchResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: FetchRequest) -> Result<FetchResponse, Refusal> {
        let has_topic_ids = context.version >= FIRST_WITH_TOPIC_IDS;
        let fetching = match node.fetch_sessions.begin(&request, has_topic_ids, node.clock().monotonic_ms()) {
            Ok(fetching) => fetching,
            Err(error) => return Ok(FetchResponse::default().with_error_code(error.code())),
        };
        let wanted = Wanted::of(&node, &request, &fetching.asked);
        let read = || wanted.read(&node);
        let max_wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(node.config.limits.max_fetch_wait);
        let waiter = Arc::new(Waiter::default());
        let mut timeout = None;
        let mut looked: Option<Look> = None;
        loop {
            wanted.register(&waiter);
            let progress = wanted.progress();
            if looked.is_none_or(|looked| looked.is_outdated(progress, wanted.min_bytes)) {
                let got = read();
                if got.is_final || got.bytes >= wanted.min_bytes || max_wait.is_zero() {
                    return Ok(wanted.response(&node, &context, fetching, wanted.admitted(&node, &context, got).await));
                }
                looked = Some(Look { progress, bytes: got.bytes });
            }
            let timeout = timeout.get_or_insert_with(|| node.clock().sleep(max_wait));
            tokio::select! {
                () = waiter.woken() => {}
                () = timeout => {
                    return Ok(wanted.response(&node, &context, fetching, wanted.admitted(&node, &context, read()).await));
                }
            }
        }
    }

    fn frame(context: &RequestContext, correlation_id: i32, response: &FetchResponse) -> Result<Frame, CodecError> {
        frame::with_slices(correlation_id, response, context.version, std::mem::take(&mut *lock(&context.slices)))
    }
}

/// What a look found that was not enough. A fetch that waits for a megabyte is woken by every small append; only when they add up is it
/// worth reading all of it again.
#[derive(Clone, Copy)]
struct Look {
    progress: Progress,
    bytes: usize,
}

/// How far all partitions are.
#[derive(Clone, Copy, Default)]
struct Progress {
    appended_bytes: u64,
    /// For read_committed, the sum of the last stable offsets, if some differ from their high watermarks.
    unstable_at: Option<i64>,
}

impl Look {
    /// There may be enough by now, or it was no append that woke us: a topic is gone, say.
    fn is_outdated(self, now: Progress, min_bytes: usize) -> bool {
        let grown = now.appended_bytes.saturating_sub(self.progress.appended_bytes);
        // A marker of some bytes makes readable what was there before it, and nothing else does.
        let is_stable_now = self.progress.unstable_at.is_some_and(|before| now.unstable_at != Some(before));
        let may_suffice = self.progress.unstable_at.is_none() && self.bytes as u64 + grown >= min_bytes as u64;
        grown == 0 || is_stable_now || may_suffice
    }
}

/// A request with its partitions found, in the order asked.
struct Wanted {
    partitions: Vec<WantedPartition>,
    min_bytes: usize,
    max_bytes: usize,
    read_committed: bool,
}

struct WantedPartition {
    index: i32,
    log: Result<Arc<Partition>, ResponseError>,
    offset: i64,
    max_bytes: usize,
}

/// What a look at one partition found.
struct Records {
    data: Data,
    offsets: Offsets,
    /// What a read_committed reader must skip in it.
    aborted: Vec<log::AbortedTransaction>,
}

enum Data {
    /// In memory.
    Read(Bytes),
    /// In the log.
    Held(HeldSlice),
}

impl Data {
    fn bytes(&self) -> usize {
        match self {
            Self::Read(bytes) => bytes.len(),
            Self::Held(held) => held.slice.bytes(),
        }
    }
}

/// One look at all partitions, in the order asked.
struct Got {
    partitions: Vec<Result<Records, ResponseError>>,
    bytes: usize,
    /// Those of them that are in memory.
    read_bytes: usize,
    /// Waiting would not change it.
    is_final: bool,
}

impl Wanted {
    fn of(node: &Node, request: &FetchRequest, asked: &[Asked]) -> Self {
        let by_topic = asked.chunk_by(|one, next| one.topic == next.topic);
        let partitions = by_topic.flat_map(|of_topic| {
            let topic = shared::topic(node, &of_topic[0].topic.name, of_topic[0].topic.id);
            of_topic.iter().map(move |asked| WantedPartition {
                index: asked.partition,
                log: shared::check_leader_epoch(asked.current_leader_epoch).and_then(|()| shared::partition(&topic, asked.partition)),
                offset: asked.offset,
                max_bytes: usize::try_from(asked.max_bytes).unwrap_or(0),
            })
        });
        Self {
            partitions: partitions.collect(),
            min_bytes: usize::try_from(request.min_bytes).unwrap_or(0),
            max_bytes: usize::try_from(request.max_bytes).unwrap_or(0).min(node.config.limits.max_fetch_bytes),
            read_committed: request.isolation_level == READ_COMMITTED,
        }
    }

    fn progress(&self) -> Progress {
        let logs = || self.partitions.iter().filter_map(|partition| partition.log.as_ref().ok());
        let mut progress = Progress { appended_bytes: logs().map(|log| log.appended_bytes()).sum(), unstable_at: None };
        if self.read_committed {
            let (stable, end) = logs().map(|log| log.offsets()).fold((0_i64, 0_i64), |(stable, end), offsets| {
                (stable.wrapping_add(offsets.last_stable_offset), end.wrapping_add(offsets.high_watermark))
            });
            progress.unstable_at = (stable != end).then_some(stable);
        }
        progress
    }

    fn register(&self, waiter: &Arc<Waiter>) {
        for log in self.partitions.iter().filter_map(|partition| partition.log.as_ref().ok()) {
            log.register(waiter);
        }
    }

    fn read(&self, node: &Node) -> Got {
        let mut got = Got { partitions: Vec::new(), bytes: 0, read_bytes: 0, is_final: self.partitions.is_empty() };
        for partition in &self.partitions {
            let max_bytes = partition.max_bytes.min(self.max_bytes.saturating_sub(got.bytes));
            let result = partition.read(node, max_bytes, got.bytes == 0, self.read_committed);
            match &result {
                Ok(records) => {
                    got.bytes += records.data.bytes();
                    got.read_bytes += if let Data::Read(bytes) = &records.data { bytes.len() } else { 0 };
                }
                Err(_) => got.is_final = true,
            }
            got.partitions.push(result);
        }
        got
    }

    /// What was read, once there is memory to keep it until it is sent. Clients that read slowly would otherwise add up.
    async fn admitted(&self, node: &Node, context: &RequestContext, got: Got) -> Got {
        let bytes = got.read_bytes;
        let (room, got) = match node.try_room_for_response(bytes) {
            Ok(room) => (room, got),
            Err(Busy) => {
                drop(got);
                (node.room_for_response(bytes).await, self.read(node))
            }
        };
        if let Some(room) = room {
            // Set once: a request is answered once.
            let _ = context.response_room.set(room);
        }
        got
    }

    fn response(&self, node: &Node, context: &RequestContext, fetching: Fetching, got: Got) -> FetchResponse {
        let mut slices = lock(&context.slices);
        let results =
            self.partitions.iter().zip(got.partitions).map(|(asked, result)| self.partition_data(asked, result, &mut slices)).collect();
        let answered = node.fetch_sessions.finish(fetching, results, node.clock().monotonic_ms());
        let mut responses: Vec<FetchableTopicResponse> = Vec::new();
        for (topic, data) in answered.partitions {
            match responses.last_mut().filter(|last| last.topic == topic.name && last.topic_id == topic.id) {
                Some(last) => last.partitions.push(data),
                None => {
                    let response = FetchableTopicResponse::default().with_topic(topic.name.clone()).with_topic_id(topic.id);
                    responses.push(response.with_partitions(vec![data]));
                }
            }
        }
        FetchResponse::default().with_error_code(error_code(answered.error)).with_session_id(answered.session_id).with_responses(responses)
    }

    fn partition_data(
        &self,
        asked: &WantedPartition,
        result: Result<Records, ResponseError>,
        slices: &mut Vec<HeldSlice>,
    ) -> PartitionData {
        let data = PartitionData::default().with_partition_index(asked.index);
        let (records, offsets, aborted, error) = match result {
            Ok(Records { data: Data::Read(bytes), offsets, aborted }) => (bytes, Some(offsets), aborted, None),
            Ok(Records { data: Data::Held(held), offsets, aborted }) => {
                let stand_in = Bytes::copy_from_slice(&frame::stand_in(slices.len()));
                slices.push(held);
                (stand_in, Some(offsets), aborted, None)
            }
            // A client that fetched out of range learns the range.
            Err(error) => (Bytes::new(), asked.log.as_ref().ok().map(|log| log.offsets()), Vec::new(), Some(error)),
        };
        let offsets = offsets.unwrap_or(Offsets { log_start_offset: -1, high_watermark: -1, last_stable_offset: -1 });
        let aborted = aborted.iter().map(|aborted| {
            AbortedTransaction::default().with_producer_id(ProducerId(aborted.producer_id)).with_first_offset(aborted.first_offset)
        });
        data.with_error_code(error_code(error))
            .with_high_watermark(offsets.high_watermark)
            .with_last_stable_offset(offsets.last_stable_offset)
            .with_log_start_offset(offsets.log_start_offset)
            .with_aborted_transactions(self.read_committed.then(|| aborted.collect()))
            .with_records(Some(records))
    }
}

impl WantedPartition {
    fn read(&self, node: &Node, max_bytes: usize, at_least_one: bool, read_committed: bool) -> Result<Records, ResponseError> {
        let log = self.log.as_ref().map_err(|error| *error)?;
        // Before the data, so that what is read can't be newer than what is said to be stable.
        let offsets = log.offsets();
        let below = if read_committed { offsets.last_stable_offset } else { i64::MAX };
        let slice = log.slice(self.offset, max_bytes, at_least_one, below).map_err(|error| read_error(log, &error))?;
        let Some(slice) = slice else {
            let offsets = if read_committed { offsets } else { log.offsets() };
            return Ok(Records { data: Data::Read(Bytes::new()), offsets, aborted: Vec::new() });
        };
        let end = slice.next_offset();
        let data = match node.may_hold_file(slice.bytes()) {
            Some(permit) => Data::Held(HeldSlice { slice, _permit: permit }),
            None => Data::Read(slice.read().map_err(|error| read_error(log, &error.into()))?),
        };
        if !read_committed {
            return Ok(Records { data, offsets: log.offsets(), aborted: Vec::new() });
        }
        let aborted = log.aborted_transactions(self.offset..end).map_err(|error| read_error(log, &error))?;
        Ok(Records { data, offsets, aborted })
    }
}
