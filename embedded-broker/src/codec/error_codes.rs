//! Where each response keeps its error codes: counted for the view from inside, set by fault switches.
//!
//! One list. A place is a path of fields, after the versions that have it if not all do; `topics(name, topic_id)` says that what lies below
//! concerns that topic.

use uuid::Uuid;

use super::messages::{self as m, TopicName};

/// A response that knows its error codes.
pub(crate) trait ErrorCodes {
    /// Visits every error code.
    fn each_error_code(&mut self, visit: &mut dyn FnMut(Place<'_>, &mut i16));
}

/// Where in a response an error code stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The topic it concerns, if it concerns one.
    pub(crate) topic: Option<TopicRef<'a>>,
    /// In how many lists: 0 is the response's own.
    pub(crate) depth: usize,
    /// The first and the last version that have the place.
    pub(crate) versions: (i16, i16),
}

/// A topic as messages name it: by name, by id, or both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicRef<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: Uuid,
}

/// Some messages leave a topic's name out.
trait AsName {
    fn as_name(&self) -> &str;
}

impl AsName for TopicName {
    fn as_name(&self) -> &str {
        self
    }
}

impl AsName for Option<TopicName> {
    fn as_name(&self) -> &str {
        self.as_ref().map_or("", |name| name)
    }
}

macro_rules! visit {
    ($of:expr, $place:expr, $visit:ident, $code:ident) => {
        $visit($place, &mut $of.$code)
    };
    ($of:expr, $place:expr, $visit:ident, $list:ident . $($rest:tt)+) => {
        for item in &mut $of.$list {
            visit!(item, Place { depth: $place.depth + 1, ..$place }, $visit, $($rest)+);
        }
    };
    ($of:expr, $place:expr, $visit:ident, $list:ident ($name:ident) . $($rest:tt)+) => {
        for item in &mut $of.$list {
            let topic = Some(TopicRef { name: item.$name.as_name(), id: Uuid::nil() });
            visit!(item, Place { depth: $place.depth + 1, topic, ..$place }, $visit, $($rest)+);
        }
    };
    ($of:expr, $place:expr, $visit:ident, $list:ident ($name:ident, $id:ident) . $($rest:tt)+) => {
        for item in &mut $of.$list {
            let topic = Some(TopicRef { name: item.$name.as_name(), id: item.$id });
            visit!(item, Place { depth: $place.depth + 1, topic, ..$place }, $visit, $($rest)+);
        }
    };
}

macro_rules! versions {
    () => {
        (0, i16::MAX)
    };
    ($first:literal, $last:literal) => {
        ($first, $last)
    };
}

macro_rules! error_codes {
    ($($response:ident { $([$(($first:literal, $last:literal))? $field:ident $($rest:tt)*])* })+) => {
        $(impl ErrorCodes for m::$response {
            fn each_error_code(&mut self, visit: &mut dyn FnMut(Place<'_>, &mut i16)) {
                $(visit!(self, Place { topic: None, depth: 0, versions: versions!($($first, $last)?) }, visit, $field $($rest)*);)*
            }
        })+
    };
}

error_codes! {
    ProduceResponse { [responses(name, topic_id).partition_responses.error_code] }
    FetchResponse { [(7, 17) error_code] [responses(topic, topic_id).partitions.error_code] }
    ListOffsetsResponse { [topics(name).partitions.error_code] }
    MetadataResponse { [(13, 13) error_code] [topics(name, topic_id).error_code] [topics(name, topic_id).partitions.error_code] }
    OffsetCommitResponse { [topics(name, topic_id).partitions.error_code] }
    OffsetFetchResponse {
        [(2, 7) error_code] [topics(name).partitions.error_code] [groups.error_code] [groups.topics(name, topic_id).partitions.error_code]
    }
    FindCoordinatorResponse { [(0, 3) error_code] [coordinators.error_code] }
    JoinGroupResponse { [error_code] }
    HeartbeatResponse { [error_code] }
    LeaveGroupResponse { [error_code] [members.error_code] }
    SyncGroupResponse { [error_code] }
    DescribeGroupsResponse { [groups.error_code] }
    ListGroupsResponse { [error_code] }
    SaslHandshakeResponse { [error_code] }
    ApiVersionsResponse { [error_code] }
    CreateTopicsResponse { [topics(name).error_code] }
    DeleteTopicsResponse { [responses(name, topic_id).error_code] }
    DeleteRecordsResponse { [topics(name).partitions.error_code] }
    InitProducerIdResponse { [error_code] }
    OffsetForLeaderEpochResponse { [topics(topic).partitions.error_code] }
    AddPartitionsToTxnResponse {
        [(4, 5) error_code]
        [results_by_transaction.topic_results(name).results_by_partition.partition_error_code]
        [results_by_topic_v3_and_below(name).results_by_partition.partition_error_code]
    }
    AddOffsetsToTxnResponse { [error_code] }
    EndTxnResponse { [error_code] }
    WriteTxnMarkersResponse { [markers.topics(name).partitions.error_code] }
    TxnOffsetCommitResponse { [topics(name).partitions.error_code] }
    DescribeAclsResponse { [error_code] }
    CreateAclsResponse { [results.error_code] }
    DeleteAclsResponse { [filter_results.error_code] }
    DescribeConfigsResponse { [results.error_code] }
    AlterConfigsResponse { [responses.error_code] }
    DescribeLogDirsResponse { [(3, 4) error_code] [results.error_code] }
    SaslAuthenticateResponse { [error_code] }
    CreatePartitionsResponse { [results(name).error_code] }
    DeleteGroupsResponse { [results.error_code] }
    ElectLeadersResponse { [(1, 2) error_code] [replica_election_results(topic).partition_result.error_code] }
    IncrementalAlterConfigsResponse { [responses.error_code] }
    AlterPartitionReassignmentsResponse { [error_code] [responses(name).partitions.error_code] }
    ListPartitionReassignmentsResponse { [error_code] }
    OffsetDeleteResponse { [error_code] [topics(name).partitions.error_code] }
    DescribeClientQuotasResponse { [error_code] }
    AlterClientQuotasResponse { [entries.error_code] }
    DescribeUserScramCredentialsResponse { [error_code] [results.error_code] }
    AlterUserScramCredentialsResponse { [results.error_code] }
    DescribeQuorumResponse { [error_code] [topics(topic_name).partitions.error_code] }
    UpdateFeaturesResponse { [error_code] [results.error_code] }
    DescribeClusterResponse { [error_code] }
    DescribeProducersResponse { [topics(name).partitions.error_code] }
    DescribeTransactionsResponse { [transaction_states.error_code] }
    ListTransactionsResponse { [error_code] }
    ConsumerGroupHeartbeatResponse { [error_code] }
    ConsumerGroupDescribeResponse { [groups.error_code] }
    GetTelemetrySubscriptionsResponse { [error_code] }
    PushTelemetryResponse { [error_code] }
    ListConfigResourcesResponse { [error_code] }
    DescribeTopicPartitionsResponse { [topics(name, topic_id).error_code] [topics(name, topic_id).partitions.error_code] }
}
