//! librdkafka's admin calls that its safe binding lacks: listing and describing groups, offsets of many partitions at once, committed
//! offsets of any group, the cluster's id and controller; and the end of a partition as the last fetch told it, which asks nobody.
//!
//! The only `unsafe` of the workspace. Every call follows one pattern: options and queue are made, the request is queued, its one event is
//! waited for, and plain data is copied out of it before event, queue and options are destroyed, in that order, by their guards. Nothing
//! that points into librdkafka leaves this file. All calls block until their deadline at the latest; not for async workers.
#![allow(unsafe_code, reason = "the C interface of librdkafka; see the pattern above")]

use std::{
    ffi::{CStr, CString, c_char, c_int},
    ptr, slice,
    time::Duration,
};

use rdkafka::{
    client::{Client, ClientContext},
    types::{RDKafka, RDKafkaErrorCode, RDKafkaRespErr, RDKafkaTopicPartitionList},
};
use rdkafka_sys as ffi;

use super::ClientError;

/// Reports taken at once; what is left comes with the next call.
const REPORTS_MAX: usize = 1_000;

/// Which offset to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start offset.
    Earliest,
    /// The high watermark.
    Latest,
    /// The last stable offset: below it no transaction is open.
    LatestStable,
    /// The first record that is not older than this many epoch milliseconds.
    Timestamp(i64),
}

/// An offset that was looked up.
#[derive(Debug, Clone)]
pub struct ListedOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset; `None` when no record is that young.
    pub offset: Result<Option<i64>, ClientError>,
}

/// A group as ListGroups tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group_id: String,
}

/// A group as DescribeGroups tells of it.
#[derive(Debug, Clone)]
pub struct GroupDescription {
    /// Its id.
    pub group_id: String,
    /// Kafka's word for its state.
    pub state: String,
    /// `true` for KIP-848 groups, `false` for classic ones, `None` when it is not told.
    pub is_consumer_protocol: Option<bool>,
    /// The assignor; empty when there is none.
    pub assignor: String,
    /// The broker that coordinates it.
    pub coordinator_id: Option<i32>,
    /// Its members.
    pub members: Vec<MemberDescription>,
}

/// Groups by id, each described or with the reason why not.
pub type DescribedGroups = Vec<(String, Result<GroupDescription, ClientError>)>;

/// One member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// The id the coordinator gave it.
    pub member_id: String,
    /// `client.id`.
    pub client_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// The address it connects from.
    pub host: String,
    /// What it reads.
    pub assignment: Vec<(String, i32)>,
}

/// A committed offset.
#[derive(Debug, Clone)]
pub struct GroupOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset; `None` when there is no commit.
    pub offset: Result<Option<i64>, ClientError>,
}

/// What a client that nobody polls reported of its connections since the last call. An admin client has no error events; its errors
/// come as log lines of the facilities `FAIL` and `ERROR`. Its other lines go to the log.
pub(super) fn take_reports<C: ClientContext>(client: &Client<C>) -> Vec<ClientError> {
    let mut reports = Vec::new();
    // SAFETY: the client lives as long as its borrow; the queue is let go once, by its guard, and each event destroyed by its own. The
    // texts live as long as their event and are copied.
    unsafe {
        let queue = Queue(ffi::rd_kafka_queue_get_main(client.native_ptr()));
        while reports.len() < REPORTS_MAX {
            let event = Event(ffi::rd_kafka_queue_poll(queue.0, 0));
            if event.0.is_null() {
                break;
            }
            let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
            if ffi::rd_kafka_event_log(event.0, &raw mut facility, &raw mut line, &raw mut level) != 0 {
                continue; // another kind of event
            }
            match (text(facility), text(line)) {
                (facility, line) if facility == "ERROR" || facility == "FAIL" => reports.push(ClientError::of_log_line(&line)),
                (facility, line) => tracing::debug!(target: "librdkafka", "{facility} {line}"),
            }
        }
    }
    reports
}

/// The cluster's id and the node that answers controller requests.
///
/// # Errors
/// When no broker answers in time.
pub(super) fn describe_cluster<C: ClientContext>(
    client: &Client<C>,
    timeout: Duration,
) -> Result<(Option<String>, Option<i32>), ClientError> {
    let call = Call::new(client.native_ptr(), ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, timeout)?;
    // SAFETY: client, options and queue live until `call` is dropped.
    unsafe { ffi::rd_kafka_DescribeCluster(call.client, call.options, call.queue) };
    let event = call.wait()?;
    // SAFETY: the event is of the type asked for; id and controller point into it and are copied before it is destroyed.
    unsafe {
        let result = ffi::rd_kafka_event_DescribeCluster_result(event.0);
        if result.is_null() {
            return Err(unexpected());
        }
        let controller = ffi::rd_kafka_DescribeCluster_result_controller(result);
        let controller_id = if controller.is_null() { None } else { Some(ffi::rd_kafka_Node_id(controller)).filter(|id| *id >= 0) };
        Ok((optional_text(ffi::rd_kafka_DescribeCluster_result_cluster_id(result)), controller_id))
    }
}

/// All groups of all brokers. The second list holds what brokers failed to answer: the first is then incomplete.
///
/// # Errors
/// When no broker answers in time.
pub(super) fn list_groups<C: ClientContext>(
    client: &Client<C>,
    timeout: Duration,
) -> Result<(Vec<GroupListing>, Vec<ClientError>), ClientError> {
    let call = Call::new(client.native_ptr(), ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, timeout)?;
    // SAFETY: client, options and queue live until `call` is dropped.
    unsafe { ffi::rd_kafka_ListConsumerGroups(call.client, call.options, call.queue) };
    let event = call.wait()?;
    // SAFETY: the event is of the type asked for; both arrays have the length written to `count` and live as long as the event.
    unsafe {
        let result = ffi::rd_kafka_event_ListConsumerGroups_result(event.0);
        if result.is_null() {
            return Err(unexpected());
        }
        let mut count = 0;
        let listings = ffi::rd_kafka_ListConsumerGroups_result_valid(result, &raw mut count);
        let groups = items(listings, count)
            .iter()
            .map(|it| GroupListing { group_id: text(ffi::rd_kafka_ConsumerGroupListing_group_id(*it)) })
            .collect();
        let errors = ffi::rd_kafka_ListConsumerGroups_result_errors(result, &raw mut count);
        let errors = items(errors, count).iter().filter_map(|it| error_of(*it)).collect();
        Ok((groups, errors))
    }
}

/// Members, assignments and states of groups, one answer a group.
///
/// # Errors
/// When no broker answers in time.
pub(super) fn describe_groups<C: ClientContext>(
    client: &Client<C>,
    group_ids: &[String],
    timeout: Duration,
) -> Result<DescribedGroups, ClientError> {
    if group_ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = group_ids.iter().map(|id| c_text(id)).collect::<Result<Vec<_>, _>>()?;
    let mut pointers: Vec<*const c_char> = ids.iter().map(|id| id.as_ptr()).collect();
    let call = Call::new(client.native_ptr(), ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout)?;
    // SAFETY: `ids` outlives the call, which copies them; client, options and queue live until `call` is dropped.
    unsafe { ffi::rd_kafka_DescribeConsumerGroups(call.client, pointers.as_mut_ptr(), pointers.len(), call.options, call.queue) };
    let event = call.wait()?;
    // SAFETY: the event is of the type asked for; the array has the length written to `count` and lives as long as the event.
    unsafe {
        let result = ffi::rd_kafka_event_DescribeConsumerGroups_result(event.0);
        if result.is_null() {
            return Err(unexpected());
        }
        let mut count = 0;
        let groups = ffi::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        Ok(items(groups, count).iter().map(|it| group_description(*it)).collect())
    }
}

/// Looks up one offset of each partition, all in one request a broker.
///
/// # Errors
/// When no broker answers in time; errors of single partitions stand in the list.
pub(super) fn list_offsets<C: ClientContext>(
    client: &Client<C>,
    partitions: &[(String, i32)],
    spec: OffsetSpec,
    timeout: Duration,
) -> Result<Vec<ListedOffset>, ClientError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let list = PartitionList::new(partitions)?;
    let wanted = match spec {
        OffsetSpec::Earliest => ffi::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST as i64,
        OffsetSpec::Latest | OffsetSpec::LatestStable => ffi::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST as i64,
        OffsetSpec::Timestamp(timestamp_ms) => timestamp_ms.max(0),
    };
    // SAFETY: the list has `cnt` elements, all initialised by `PartitionList::new`.
    for element in unsafe { slice::from_raw_parts_mut((*list.0).elems, partitions.len()) } {
        element.offset = wanted;
    }
    let call = Call::new(client.native_ptr(), ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout)?;
    if spec == OffsetSpec::LatestStable {
        let isolation = ffi::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
        // SAFETY: the options are the call's; the error, null when there is none, is ours to destroy.
        unsafe {
            let error = ffi::rd_kafka_AdminOptions_set_isolation_level(call.options, isolation);
            if !error.is_null() {
                ffi::rd_kafka_error_destroy(error);
                return Err(ClientError::message("this librdkafka knows no isolation level for ListOffsets"));
            }
        }
    }
    // SAFETY: the call copies the list; client, options and queue live until `call` is dropped.
    unsafe { ffi::rd_kafka_ListOffsets(call.client, list.0, call.options, call.queue) };
    let event = call.wait()?;
    // SAFETY: the event is of the type asked for; infos and their partitions point into it and are copied before it is destroyed.
    unsafe {
        let result = ffi::rd_kafka_event_ListOffsets_result(event.0);
        if result.is_null() {
            return Err(unexpected());
        }
        let mut count = 0;
        let infos = ffi::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
        let listed = items(infos, count).iter().map(|info| {
            let at = &*ffi::rd_kafka_ListOffsetsResultInfo_topic_partition(*info);
            ListedOffset { topic: text(at.topic), partition: at.partition, offset: offset_of(at) }
        });
        Ok(listed.collect())
    }
}

/// The high watermark that the last fetch of a partition told; `None` before one has.
pub(super) fn fetched_end<C: ClientContext>(client: &Client<C>, topic: &str, partition: i32) -> Option<i64> {
    let topic = c_text(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client lives as long as its borrow; the name is copied, and both numbers are written before the call returns.
    let code = unsafe { ffi::rd_kafka_get_watermark_offsets(client.native_ptr(), topic.as_ptr(), partition, &raw mut low, &raw mut high) };
    (code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

/// All committed offsets of groups. The requests travel together; the answers come in the order of the groups.
///
/// # Errors
/// When a request can't be made; errors of single groups stand in the list.
pub(super) fn list_group_offsets<C: ClientContext>(
    client: &Client<C>,
    group_ids: &[String],
    timeout: Duration,
) -> Result<Vec<Result<Vec<GroupOffset>, ClientError>>, ClientError> {
    // librdkafka takes one group a call; a queue for each keeps the answers apart.
    let mut calls = Vec::with_capacity(group_ids.len());
    for group_id in group_ids {
        let id = c_text(group_id)?;
        let call = Call::new(client.native_ptr(), ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout)?;
        // SAFETY: a null list means all partitions; the request is copied by the call and destroyed after it.
        unsafe {
            let mut request = ffi::rd_kafka_ListConsumerGroupOffsets_new(id.as_ptr(), ptr::null());
            ffi::rd_kafka_ListConsumerGroupOffsets(call.client, &raw mut request, 1, call.options, call.queue);
            ffi::rd_kafka_ListConsumerGroupOffsets_destroy(request);
        }
        calls.push(call);
    }
    Ok(calls.into_iter().map(|call| call.wait().and_then(|event| group_offsets(&event))).collect())
}

fn group_offsets(event: &Event) -> Result<Vec<GroupOffset>, ClientError> {
    // SAFETY: the event is of the type asked for; groups, errors and lists point into it and are copied before it is destroyed.
    unsafe {
        let result = ffi::rd_kafka_event_ListConsumerGroupOffsets_result(event.0);
        if result.is_null() {
            return Err(unexpected());
        }
        let mut count = 0;
        let groups = ffi::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
        let Some(group) = items(groups, count).first() else { return Ok(Vec::new()) };
        if let Some(error) = error_of(ffi::rd_kafka_group_result_error(*group)) {
            return Err(error);
        }
        let partitions = ffi::rd_kafka_group_result_partitions(*group);
        let offsets =
            elements(partitions).iter().map(|at| GroupOffset { topic: text(at.topic), partition: at.partition, offset: offset_of(at) });
        Ok(offsets.collect())
    }
}

/// # Safety
/// `group` points to a description that lives as long as the call.
unsafe fn group_description(group: *const ffi::rd_kafka_ConsumerGroupDescription_t) -> (String, Result<GroupDescription, ClientError>) {
    // SAFETY: by the contract of this function; all that is reached through `group` lives as long as it.
    unsafe {
        let group_id = text(ffi::rd_kafka_ConsumerGroupDescription_group_id(group));
        if let Some(error) = error_of(ffi::rd_kafka_ConsumerGroupDescription_error(group)) {
            return (group_id, Err(error));
        }
        let coordinator = ffi::rd_kafka_ConsumerGroupDescription_coordinator(group);
        let member_count = ffi::rd_kafka_ConsumerGroupDescription_member_count(group);
        let kind = ffi::rd_kafka_ConsumerGroupDescription_type(group);
        let description = GroupDescription {
            group_id: group_id.clone(),
            state: text(ffi::rd_kafka_consumer_group_state_name(ffi::rd_kafka_ConsumerGroupDescription_state(group))),
            is_consumer_protocol: match kind {
                ffi::rd_kafka_consumer_group_type_t::RD_KAFKA_CONSUMER_GROUP_TYPE_CONSUMER => Some(true),
                ffi::rd_kafka_consumer_group_type_t::RD_KAFKA_CONSUMER_GROUP_TYPE_CLASSIC => Some(false),
                _ => None,
            },
            assignor: text(ffi::rd_kafka_ConsumerGroupDescription_partition_assignor(group)),
            coordinator_id: (!coordinator.is_null()).then(|| ffi::rd_kafka_Node_id(coordinator)),
            members: (0..member_count).map(|at| member_description(ffi::rd_kafka_ConsumerGroupDescription_member(group, at))).collect(),
        };
        (group_id, Ok(description))
    }
}

/// # Safety
/// `member` points to a description that lives as long as the call.
unsafe fn member_description(member: *const ffi::rd_kafka_MemberDescription_t) -> MemberDescription {
    // SAFETY: by the contract of this function; all that is reached through `member` lives as long as it.
    unsafe {
        let assignment = ffi::rd_kafka_MemberDescription_assignment(member);
        let partitions = if assignment.is_null() { ptr::null() } else { ffi::rd_kafka_MemberAssignment_partitions(assignment) };
        MemberDescription {
            member_id: text(ffi::rd_kafka_MemberDescription_consumer_id(member)),
            client_id: text(ffi::rd_kafka_MemberDescription_client_id(member)),
            group_instance_id: optional_text(ffi::rd_kafka_MemberDescription_group_instance_id(member)),
            host: text(ffi::rd_kafka_MemberDescription_host(member)),
            assignment: elements(partitions).iter().map(|at| (text(at.topic), at.partition)).collect(),
        }
    }
}

/// Options and a queue for one request.
struct Call {
    client: *mut RDKafka,
    options: *mut ffi::rd_kafka_AdminOptions_t,
    queue: *mut ffi::rd_kafka_queue_t,
    wait_ms: c_int,
}

impl Call {
    fn new(client: *mut RDKafka, operation: ffi::rd_kafka_admin_op_t, timeout: Duration) -> Result<Self, ClientError> {
        let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX - 1_000);
        // SAFETY: the client outlives this call, as its owner is borrowed by every public function; the buffer is as long as is said.
        let call = unsafe {
            Self {
                client,
                options: ffi::rd_kafka_AdminOptions_new(client, operation),
                queue: ffi::rd_kafka_queue_new(client),
                // The client answers by itself when the request times out; the margin is for its thread to get there.
                wait_ms: timeout_ms.saturating_add(500),
            }
        };
        let mut reason = [0; 256];
        // SAFETY: as above.
        let code = unsafe { ffi::rd_kafka_AdminOptions_set_request_timeout(call.options, timeout_ms, reason.as_mut_ptr(), reason.len()) };
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(call),
            code => Err(ClientError::of_code(code.into(), "")),
        }
    }

    /// Waits for the answer and turns an error of the whole request into one.
    fn wait(&self) -> Result<Event, ClientError> {
        // SAFETY: the queue is ours and lives; the event becomes the guard's.
        let event = Event(unsafe { ffi::rd_kafka_queue_poll(self.queue, self.wait_ms) });
        if event.0.is_null() {
            return Err(ClientError::of_code(RDKafkaErrorCode::OperationTimedOut, ""));
        }
        // SAFETY: the event is not null; the text lives as long as the event and is copied.
        let (code, detail) = unsafe { (ffi::rd_kafka_event_error(event.0), text(ffi::rd_kafka_event_error_string(event.0))) };
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(event),
            code => Err(ClientError::of_code(code.into(), &detail)),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // SAFETY: both were made by `new` and are destroyed once. An answer still on its way goes to librdkafka's own bin.
        unsafe {
            ffi::rd_kafka_queue_destroy(self.queue);
            ffi::rd_kafka_AdminOptions_destroy(self.options);
        }
    }
}

/// A reference to a queue that belongs to a client.
struct Queue(*mut ffi::rd_kafka_queue_t);

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: `rd_kafka_queue_get_main` gave a reference of our own, which is let go once.
        unsafe { ffi::rd_kafka_queue_destroy(self.0) };
    }
}

struct Event(*mut ffi::rd_kafka_event_t);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `rd_kafka_queue_poll` and is destroyed once; null is allowed.
        unsafe { ffi::rd_kafka_event_destroy(self.0) };
    }
}

/// A list of partitions in librdkafka's memory.
struct PartitionList(*mut RDKafkaTopicPartitionList);

impl PartitionList {
    fn new(partitions: &[(String, i32)]) -> Result<Self, ClientError> {
        // SAFETY: the size is only a hint.
        let list = Self(unsafe { ffi::rd_kafka_topic_partition_list_new(c_int::try_from(partitions.len()).unwrap_or(0)) });
        for (topic, partition) in partitions {
            let topic = c_text(topic)?;
            // SAFETY: the list is ours; the topic is copied.
            unsafe { ffi::rd_kafka_topic_partition_list_add(list.0, topic.as_ptr(), *partition) };
        }
        Ok(list)
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: made by `new`, destroyed once.
        unsafe { ffi::rd_kafka_topic_partition_list_destroy(self.0) };
    }
}

/// # Safety
/// `first` is null or points to `count` pointers that live as long as the result is used.
unsafe fn items<'a, T>(first: *mut *const T, count: usize) -> &'a [*const T] {
    // SAFETY: by the contract of this function.
    if first.is_null() || count == 0 { &[] } else { unsafe { slice::from_raw_parts(first, count) } }
}

/// # Safety
/// `list` is null or points to a list that lives as long as the result is used.
unsafe fn elements<'a>(list: *const RDKafkaTopicPartitionList) -> &'a [ffi::rd_kafka_topic_partition_t] {
    // SAFETY: by the contract of this function; a list has `cnt` elements.
    unsafe {
        match list.as_ref() {
            Some(list) if !list.elems.is_null() => slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or(0)),
            _ => &[],
        }
    }
}

fn offset_of(at: &ffi::rd_kafka_topic_partition_t) -> Result<Option<i64>, ClientError> {
    match at.err {
        // Negative offsets stand for "none".
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(Some(at.offset).filter(|offset| *offset >= 0)),
        code => Err(ClientError::of_code(code.into(), "")),
    }
}

/// # Safety
/// `error` is null or points to an error that lives as long as the call.
unsafe fn error_of(error: *const ffi::rd_kafka_error_t) -> Option<ClientError> {
    // SAFETY: by the contract of this function.
    unsafe {
        if error.is_null() {
            return None;
        }
        match ffi::rd_kafka_error_code(error) {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => None,
            code => Some(ClientError::of_code(code.into(), &text(ffi::rd_kafka_error_string(error)))),
        }
    }
}

/// # Safety
/// `from` is null or points to a text that ends with a zero and lives as long as the call.
unsafe fn text(from: *const c_char) -> String {
    // SAFETY: by the contract of this function.
    unsafe { optional_text(from) }.unwrap_or_default()
}

/// # Safety
/// As [`text`].
unsafe fn optional_text(from: *const c_char) -> Option<String> {
    // SAFETY: by the contract of this function.
    (!from.is_null()).then(|| unsafe { CStr::from_ptr(from) }.to_string_lossy().into_owned())
}

fn c_text(text: &str) -> Result<CString, ClientError> {
    CString::new(text).map_err(|_| ClientError::message(format!("{text:?} holds a zero byte")))
}

fn unexpected() -> ClientError {
    ClientError::message("librdkafka answered with another kind of event than was asked for")
}
