//! The broker's configs as DescribeConfigs shows them: what it was started with, and what can be changed while it runs.

use std::collections::BTreeSet;

use super::k32_describe_configs::{Config, STATIC_BROKER_CONFIG, dynamic, kind_code};
use crate::node::Node;
use crate::security::BoundListener;
use crate::topics::configs::{Kind, Source, TOPIC_CONFIGS};

/// Everything, by name.
pub(super) fn broker_configs(node: &Node) -> Vec<Config> {
    let overrides = node.topics.broker_overrides();
    let changeable = TOPIC_CONFIGS.iter().filter_map(|key| Some(dynamic(key, key.server?, overrides.server_values(key))));
    let mut configs: Vec<Config> = started_with(node).into_iter().chain(about_access(node)).chain(changeable).collect();
    configs.sort_by_key(|config| config.name);
    configs
}

/// What is set for all brokers.
pub(super) fn cluster_configs(node: &Node) -> Vec<Config> {
    let overrides = node.topics.broker_overrides();
    let set = TOPIC_CONFIGS.iter().filter(|key| key.server.is_some_and(|name| overrides.cluster.contains_key(name)));
    let here = set.filter_map(|key| {
        let values = overrides.server_values(key).filter(|(source, ..)| *source != Source::Broker);
        Some(dynamic(key, key.server?, values))
    });
    here.collect()
}

/// What it was started with.
fn started_with(node: &Node) -> Vec<Config> {
    const STRING: i8 = 2;
    let config = |name, value: String, kind, doc| Config { name, value, source: STATIC_BROKER_CONFIG, others: Vec::new(), kind, doc };
    let listeners = |place: fn(&BoundListener) -> String| {
        let listeners = node.listeners.iter().map(|listener| format!("{}://{}", listener.name, place(listener)));
        listeners.collect::<Vec<_>>().join(",")
    };
    let bool_kind = kind_code(Kind::Bool);
    let int_kind = kind_code(Kind::Int(0, 0));
    let limits = &node.config.limits;
    let groups = &node.config.groups;
    vec![
        config(
            "advertised.listeners",
            listeners(|listener| format!("{}:{}", listener.advertised.0, listener.advertised.1)),
            STRING,
            "Where clients are told to connect.",
        ),
        config(
            "auto.create.topics.enable",
            node.config.auto_create_topics.to_string(),
            bool_kind,
            "Topics come into being when a client first asks for them.",
        ),
        config("broker.id", node.config.broker_id.to_string(), int_kind, "This broker's id."),
        config(
            "connections.max.idle.ms",
            limits.max_connection_idle.as_millis().to_string(),
            kind_code(Kind::Long(0)),
            "Idle connections are closed after this long.",
        ),
        config("default.replication.factor", "1".to_owned(), int_kind, "There is one broker."),
        config("delete.topic.enable", "true".to_owned(), bool_kind, "Topics can be deleted."),
        config(
            "group.initial.rebalance.delay.ms",
            groups.initial_rebalance_delay_ms.to_string(),
            int_kind,
            "How long an empty group waits for more members before its first rebalance.",
        ),
        config(
            "group.max.session.timeout.ms",
            groups.max_session_timeout_ms.to_string(),
            int_kind,
            "The longest session a member may ask for.",
        ),
        config("group.max.size", groups.max_members.to_string(), int_kind, "Members of one group."),
        config(
            "group.min.session.timeout.ms",
            groups.min_session_timeout_ms.to_string(),
            int_kind,
            "The shortest session a member may ask for.",
        ),
        config("listeners", listeners(|listener| listener.address.to_string()), STRING, "Where the broker listens."),
        config("log.dirs", node.config.data_dir.display().to_string(), STRING, "Where the data is."),
        config(
            "log.retention.check.interval.ms",
            limits.retention_check_interval.as_millis().to_string(),
            kind_code(Kind::Long(0)),
            "How often retention is looked at.",
        ),
        config("max.connections", limits.max_connections.to_string(), int_kind, "Connections open at once."),
        config(
            "num.partitions",
            node.config.num_partitions.to_string(),
            int_kind,
            "Partitions of a topic created without saying how many.",
        ),
        config("offset.metadata.max.bytes", groups.max_offset_metadata_bytes.to_string(), int_kind, "Text stored beside an offset."),
        config(
            "offsets.retention.minutes",
            (groups.offsets_retention_ms / 60_000).to_string(),
            int_kind,
            "How long the offsets of a group without members are kept.",
        ),
        config("socket.request.max.bytes", limits.max_produce_frame_bytes.to_string(), int_kind, "The largest request."),
    ]
}

/// Who gets in, and who stands above the ACLs.
fn about_access(node: &Node) -> Vec<Config> {
    let list_kind = kind_code(Kind::Text);
    let config = |name, value: String, kind, doc| Config { name, value, source: STATIC_BROKER_CONFIG, others: Vec::new(), kind, doc };
    let protocols: Vec<String> = node.listeners.iter().map(|listener| format!("{}:{}", listener.name, listener.protocol)).collect();
    let mechanisms: BTreeSet<&str> =
        node.listeners.iter().flat_map(|listener| &listener.mechanisms).map(|mechanism| mechanism.name()).collect();
    vec![
        config(
            "connections.max.reauth.ms",
            node.security.session_lifetime_ms().unwrap_or(0).to_string(),
            kind_code(Kind::Long(0)),
            "How long a login lasts; 0: as long as the connection.",
        ),
        config("listener.security.protocol.map", protocols.join(","), list_kind, "What a client of each listener must do to be served."),
        config(
            "sasl.enabled.mechanisms",
            mechanisms.into_iter().collect::<Vec<_>>().join(","),
            list_kind,
            "How clients may log in; PLAIN over TLS only.",
        ),
        config("super.users", node.security.super_users().join(";"), list_kind, "Principals to whom no ACL applies."),
    ]
}
