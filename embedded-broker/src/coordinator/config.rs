//! What an operator may set about groups, under Kafka's names, and the limits that keep memory bounded.

/// Settings and limits of the group coordinator. Kafka's name stands beside each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members before its first rebalance. Kafka's 3000 is
    /// for fleets that start one by one; on a desk it would only be felt as a slow start.
    pub initial_rebalance_delay_ms: i64,
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.consumer.session.timeout.ms`: how long a member of the consumer protocol may be silent. It can't choose itself.
    pub consumer_session_timeout_ms: i32,
    /// `group.consumer.heartbeat.interval.ms`: how often members of the consumer protocol are told to show themselves.
    pub consumer_heartbeat_interval_ms: i32,
    /// `group.coordinator.rebalance.protocols` names `consumer`: without it members have to use the classic protocol.
    pub offers_consumer_protocol: bool,
    /// `group.consumer.migration.policy`.
    pub migration_policy: MigrationPolicy,
    /// `group.max.size` and `group.consumer.max.size`: members of one group, and as many again that were given an id but have not joined with it (KIP-394).
    pub max_members: usize,
    /// Groups on this broker, with members or with committed offsets only.
    pub max_groups: usize,
    /// Bytes of protocol metadata one member may send.
    pub max_member_metadata_bytes: usize,
    /// Bytes of protocol metadata and assignments one group may hold. One group is one record in `__consumer_offsets`, so this is also
    /// the largest such record.
    pub max_group_bytes: usize,
    /// Bytes that all groups and stored offsets together may hold in memory.
    pub max_total_bytes: usize,
    /// `offset.metadata.max.bytes`: the text a client may store beside an offset.
    pub max_offset_metadata_bytes: usize,
    /// `offsets.retention.minutes`, in ms: how long an empty group's offsets are kept.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: i64,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            initial_rebalance_delay_ms: 150,
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            consumer_session_timeout_ms: 45_000,
            consumer_heartbeat_interval_ms: 5_000,
            offers_consumer_protocol: true,
            migration_policy: MigrationPolicy::default(),
            max_members: 1_000,
            max_groups: 10_000,
            max_member_metadata_bytes: 256 * 1024,
            max_group_bytes: 8 * 1024 * 1024,
            max_total_bytes: 256 * 1024 * 1024,
            max_offset_metadata_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 10 * 60 * 1_000,
        }
    }
}

/// `group.consumer.migration.policy`: whether a group with members may move between the classic and the consumer protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// Not at all.
    Disabled,
    /// To the consumer protocol only.
    Upgrade,
    /// To the classic protocol only.
    Downgrade,
    /// Both ways, as Kafka 4 does.
    #[default]
    Bidirectional,
}

impl MigrationPolicy {
    pub(crate) fn may_upgrade(self) -> bool {
        matches!(self, Self::Upgrade | Self::Bidirectional)
    }

    pub(crate) fn may_downgrade(self) -> bool {
        matches!(self, Self::Downgrade | Self::Bidirectional)
    }
}

/// How long a first join may stay parked before its member is given up: its client has no member id to heartbeat with yet, so a
/// session timeout can't tell whether it lives (Kafka's `CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS`).
pub(crate) const NEW_MEMBER_JOIN_TIMEOUT_MS: i64 = 5 * 60 * 1_000;
