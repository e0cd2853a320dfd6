//! What requests look like on the wire, for the guard to walk.
//!
//! One line per API: `name:type` for each field, in wire order, with `@from-to` when only some versions have it. Types: `i8` to `i64`, `uuid`,
//! `str`, `bytes`, `[array]`, `{ struct }`, `?{ struct that may be null }`, `#n:` a tagged field. From the schemas in Apache Kafka's
//! `clients/src/main/resources/common/message/`. A test holds each line against the codec.

/// A request's form.
pub(super) struct Shape {
    pub(super) key: i16,
    /// The first version with compact lengths and tagged fields (KIP-482).
    pub(super) flexible_from: i16,
    pub(super) fields: &'static str,
}

const NEVER: i16 = i16::MAX;

/// The form of every request the guard can pass. An API without a line here can't be served.
pub(super) const SHAPES: &[Shape] = &[
    // Produce
    Shape {
        key: 0,
        flexible_from: 9,
        fields: "transactional_id:str acks:i16 timeout_ms:i32 topic_data:[{ name:str@0-12 topic_id:uuid@13- partition_data:[{ index:i32 \
            records:bytes }] }]",
    },
    // Fetch
    Shape {
        key: 1,
        flexible_from: 12,
        fields: "replica_id:i32@0-14 max_wait_ms:i32 min_bytes:i32 max_bytes:i32 isolation_level:i8 session_id:i32@7- \
            session_epoch:i32@7- topics:[{ topic:str@0-12 topic_id:uuid@13- partitions:[{ partition:i32 \
            current_leader_epoch:i32@9- fetch_offset:i64 last_fetched_epoch:i32@12- log_start_offset:i64@5- \
            partition_max_bytes:i32 #0:uuid@17- #1:i64@18- }] }] forgotten_topics_data:[{ topic:str@7-12 topic_id:uuid@13- \
            partitions:[i32]@7- }]@7- rack_id:str@11- #0:str #1:{ replica_id:i32@15- replica_epoch:i64@15- }@15-",
    },
    // ListOffsets
    Shape {
        key: 2,
        flexible_from: 6,
        fields: "replica_id:i32 isolation_level:i8@2- topics:[{ name:str partitions:[{ partition_index:i32 current_leader_epoch:i32@4- \
            timestamp:i64 }] }] timeout_ms:i32@10-",
    },
    // Metadata
    Shape {
        key: 3,
        flexible_from: 9,
        fields: "topics:[{ topic_id:uuid@10- name:str }] allow_auto_topic_creation:i8@4- include_cluster_authorized_operations:i8@8-10 \
            include_topic_authorized_operations:i8@8-",
    },
    // OffsetCommit
    Shape {
        key: 8,
        flexible_from: 8,
        fields: "group_id:str generation_id_or_member_epoch:i32 member_id:str group_instance_id:str@7- retention_time_ms:i64@0-4 \
            topics:[{ name:str partitions:[{ partition_index:i32 committed_offset:i64 committed_leader_epoch:i32@6- \
            committed_metadata:str }] }]",
    },
    // OffsetFetch
    Shape {
        key: 9,
        flexible_from: 6,
        fields: "group_id:str@0-7 topics:[{ name:str@0-7 partition_indexes:[i32]@0-7 }]@0-7 groups:[{ group_id:str@8- member_id:str@9- \
            member_epoch:i32@9- topics:[{ name:str@8- partition_indexes:[i32]@8- }]@8- }]@8- require_stable:i8@7-",
    },
    // FindCoordinator
    Shape { key: 10, flexible_from: 3, fields: "key:str@0-3 key_type:i8@1- coordinator_keys:[str]@4-" },
    // JoinGroup
    Shape {
        key: 11,
        flexible_from: 6,
        fields: "group_id:str session_timeout_ms:i32 rebalance_timeout_ms:i32@1- member_id:str group_instance_id:str@5- \
            protocol_type:str protocols:[{ name:str metadata:bytes }] reason:str@8-",
    },
    // Heartbeat
    Shape { key: 12, flexible_from: 4, fields: "group_id:str generation_id:i32 member_id:str group_instance_id:str@3-" },
    // LeaveGroup
    Shape {
        key: 13,
        flexible_from: 4,
        fields: "group_id:str member_id:str@0-2 members:[{ member_id:str@3- group_instance_id:str@3- reason:str@5- }]@3-",
    },
    // SyncGroup
    Shape {
        key: 14,
        flexible_from: 4,
        fields: "group_id:str generation_id:i32 member_id:str group_instance_id:str@3- protocol_type:str@5- protocol_name:str@5- \
            assignments:[{ member_id:str assignment:bytes }]",
    },
    // DescribeGroups
    Shape { key: 15, flexible_from: 5, fields: "groups:[str] include_authorized_operations:i8@3-" },
    // ListGroups
    Shape { key: 16, flexible_from: 3, fields: "states_filter:[str]@4- types_filter:[str]@5-" },
    // SaslHandshake
    Shape { key: 17, flexible_from: NEVER, fields: "mechanism:str" },
    // ApiVersions
    Shape { key: 18, flexible_from: 3, fields: "client_software_name:str@3- client_software_version:str@3-" },
    // CreateTopics
    Shape {
        key: 19,
        flexible_from: 5,
        fields: "topics:[{ name:str num_partitions:i32 replication_factor:i16 assignments:[{ partition_index:i32 broker_ids:[i32] }] \
            configs:[{ name:str value:str }] }] timeout_ms:i32 validate_only:i8",
    },
    // DeleteTopics
    Shape { key: 20, flexible_from: 4, fields: "topics:[{ name:str@6- topic_id:uuid@6- }]@6- topic_names:[str]@0-5 timeout_ms:i32" },
    // DeleteRecords
    Shape { key: 21, flexible_from: 2, fields: "topics:[{ name:str partitions:[{ partition_index:i32 offset:i64 }] }] timeout_ms:i32" },
    // InitProducerId
    Shape { key: 22, flexible_from: 2, fields: "transactional_id:str transaction_timeout_ms:i32 producer_id:i64@3- producer_epoch:i16@3-" },
    // OffsetForLeaderEpoch
    Shape {
        key: 23,
        flexible_from: 4,
        fields: "replica_id:i32@3- topics:[{ topic:str partitions:[{ partition:i32 current_leader_epoch:i32 leader_epoch:i32 }] }]",
    },
    // AddPartitionsToTxn
    Shape {
        key: 24,
        flexible_from: 3,
        fields: "transactions:[{ transactional_id:str@4- producer_id:i64@4- producer_epoch:i16@4- verify_only:i8@4- topics:[{ name:str \
            partitions:[i32] }]@4- }]@4- v3_and_below_transactional_id:str@0-3 v3_and_below_producer_id:i64@0-3 \
            v3_and_below_producer_epoch:i16@0-3 v3_and_below_topics:[{ name:str partitions:[i32] }]@0-3",
    },
    // AddOffsetsToTxn
    Shape { key: 25, flexible_from: 3, fields: "transactional_id:str producer_id:i64 producer_epoch:i16 group_id:str" },
    // EndTxn
    Shape { key: 26, flexible_from: 3, fields: "transactional_id:str producer_id:i64 producer_epoch:i16 committed:i8" },
    // TxnOffsetCommit
    Shape {
        key: 28,
        flexible_from: 3,
        fields: "transactional_id:str group_id:str producer_id:i64 producer_epoch:i16 generation_id:i32@3- member_id:str@3- \
            group_instance_id:str@3- topics:[{ name:str partitions:[{ partition_index:i32 committed_offset:i64 \
            committed_leader_epoch:i32@2- committed_metadata:str }] }]",
    },
    // DescribeAcls
    Shape {
        key: 29,
        flexible_from: 2,
        fields: "resource_type_filter:i8 resource_name_filter:str pattern_type_filter:i8 principal_filter:str host_filter:str \
            operation:i8 permission_type:i8",
    },
    // CreateAcls
    Shape {
        key: 30,
        flexible_from: 2,
        fields: "creations:[{ resource_type:i8 resource_name:str resource_pattern_type:i8 principal:str host:str operation:i8 \
            permission_type:i8 }]",
    },
    // DeleteAcls
    Shape {
        key: 31,
        flexible_from: 2,
        fields: "filters:[{ resource_type_filter:i8 resource_name_filter:str pattern_type_filter:i8 principal_filter:str \
            host_filter:str operation:i8 permission_type:i8 }]",
    },
    // DescribeConfigs
    Shape {
        key: 32,
        flexible_from: 4,
        fields: "resources:[{ resource_type:i8 resource_name:str configuration_keys:[str] }] include_synonyms:i8 \
            include_documentation:i8@3-",
    },
    // AlterConfigs
    Shape {
        key: 33,
        flexible_from: 2,
        fields: "resources:[{ resource_type:i8 resource_name:str configs:[{ name:str value:str }] }] validate_only:i8",
    },
    // DescribeLogDirs
    Shape { key: 35, flexible_from: 2, fields: "topics:[{ topic:str partitions:[i32] }]" },
    // SaslAuthenticate
    Shape { key: 36, flexible_from: 2, fields: "auth_bytes:bytes" },
    // CreatePartitions
    Shape {
        key: 37,
        flexible_from: 2,
        fields: "topics:[{ name:str count:i32 assignments:[{ broker_ids:[i32] }] }] timeout_ms:i32 validate_only:i8",
    },
    // DeleteGroups
    Shape { key: 42, flexible_from: 2, fields: "groups_names:[str]" },
    // ElectLeaders
    Shape { key: 43, flexible_from: 2, fields: "election_type:i8@1- topic_partitions:[{ topic:str partitions:[i32] }] timeout_ms:i32" },
    // IncrementalAlterConfigs
    Shape {
        key: 44,
        flexible_from: 1,
        fields: "resources:[{ resource_type:i8 resource_name:str configs:[{ name:str config_operation:i8 value:str }] }] \
            validate_only:i8",
    },
    // AlterPartitionReassignments
    Shape {
        key: 45,
        flexible_from: 0,
        fields: "timeout_ms:i32 allow_replication_factor_change:i8@1- topics:[{ name:str partitions:[{ partition_index:i32 \
            replicas:[i32] }] }]",
    },
    // ListPartitionReassignments
    Shape { key: 46, flexible_from: 0, fields: "timeout_ms:i32 topics:[{ name:str partition_indexes:[i32] }]" },
    // OffsetDelete
    Shape { key: 47, flexible_from: NEVER, fields: "group_id:str topics:[{ name:str partitions:[{ partition_index:i32 }] }]" },
    // DescribeClientQuotas
    Shape { key: 48, flexible_from: 1, fields: "components:[{ entity_type:str match_type:i8 _match:str }] strict:i8" },
    // AlterClientQuotas
    Shape {
        key: 49,
        flexible_from: 1,
        fields: "entries:[{ entity:[{ entity_type:str entity_name:str }] ops:[{ key:str value:i64 remove:i8 }] }] validate_only:i8",
    },
    // DescribeUserScramCredentials
    Shape { key: 50, flexible_from: 0, fields: "users:[{ name:str }]" },
    // AlterUserScramCredentials
    Shape {
        key: 51,
        flexible_from: 0,
        fields: "deletions:[{ name:str mechanism:i8 }] upsertions:[{ name:str mechanism:i8 iterations:i32 salt:bytes \
            salted_password:bytes }]",
    },
    // DescribeQuorum
    Shape { key: 55, flexible_from: 0, fields: "topics:[{ topic_name:str partitions:[{ partition_index:i32 }] }]" },
    // UpdateFeatures
    Shape {
        key: 57,
        flexible_from: 0,
        fields: "timeout_ms:i32 feature_updates:[{ feature:str max_version_level:i16 allow_downgrade:i8@0-0 upgrade_type:i8@1- }] \
            validate_only:i8@1-",
    },
    // DescribeCluster
    Shape {
        key: 60,
        flexible_from: 0,
        fields: "include_cluster_authorized_operations:i8 endpoint_type:i8@1- include_fenced_brokers:i8@2-",
    },
    // DescribeProducers
    Shape { key: 61, flexible_from: 0, fields: "topics:[{ name:str partition_indexes:[i32] }]" },
    // DescribeTransactions
    Shape { key: 65, flexible_from: 0, fields: "transactional_ids:[str]" },
    // ListTransactions
    Shape {
        key: 66,
        flexible_from: 0,
        fields: "state_filters:[str] producer_id_filters:[i64] duration_filter:i64@1- transactional_id_pattern:str@2-",
    },
    // ConsumerGroupHeartbeat
    Shape {
        key: 68,
        flexible_from: 0,
        fields: "group_id:str member_id:str member_epoch:i32 instance_id:str rack_id:str rebalance_timeout_ms:i32 \
            subscribed_topic_names:[str] subscribed_topic_regex:str@1- server_assignor:str topic_partitions:[{ topic_id:uuid \
            partitions:[i32] }]",
    },
    // ConsumerGroupDescribe
    Shape { key: 69, flexible_from: 0, fields: "group_ids:[str] include_authorized_operations:i8" },
    // GetTelemetrySubscriptions
    Shape { key: 71, flexible_from: 0, fields: "client_instance_id:uuid" },
    // PushTelemetry
    Shape {
        key: 72,
        flexible_from: 0,
        fields: "client_instance_id:uuid subscription_id:i32 terminating:i8 compression_type:i8 metrics:bytes",
    },
    // ListConfigResources
    Shape { key: 74, flexible_from: 0, fields: "resource_types:[i8]@1-" },
    // DescribeTopicPartitions
    Shape {
        key: 75,
        flexible_from: 0,
        fields: "topics:[{ name:str }] response_partition_limit:i32 cursor:?{ topic_name:str partition_index:i32 }",
    },
];
