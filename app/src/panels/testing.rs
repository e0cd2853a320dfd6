//! One panel over a recorded store, to be clicked by tests.

use std::sync::Arc;

use egui_kittest::Harness;
use weir_model::{
    Broker, BrokerId, Cluster, ClusterSnapshot, ConnectionState, DecoderName, Group, GroupKind, GroupPartition, GroupState, GroupsSnapshot,
    LagVerdict, Member, MessageRow, Offset, Partition, PartitionId, Phase, PipelineParams, PipelineStatus, Rates, Record, Request, Stamped,
    Store, TimestampMs, TimestampType, Topic, Update, Verdict,
};

use super::{Command, Panel, PanelContext, PanelMeta, Route};

/// The clock of these tests.
pub(crate) const NOW: TimestampMs = TimestampMs(1_778_311_800_000);

/// A panel, what it reads, and what it pushed.
pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) commands: Vec<Command>,
    pub(crate) is_presenting: bool,
    panel: Box<dyn Panel>,
    arrival: Option<Route>,
}

impl Bench {
    /// What the panel asked of the backend.
    pub(crate) fn requests(&self) -> Vec<&Request> {
        self.commands.iter().filter_map(|command| if let Command::Request(request) = command { Some(request) } else { None }).collect()
    }

    /// The link that was followed last.
    pub(crate) fn navigated(&self) -> Option<&Route> {
        self.commands.iter().rev().find_map(|command| if let Command::Navigate(route) = command { Some(route) } else { None })
    }
}

/// A panel as a window of 1,200 × 800 shows it.
pub(crate) fn bench(meta: &PanelMeta, updates: Vec<Update>, arrival: Option<Route>) -> Harness<'static, Bench> {
    let mut store = Store::default();
    for update in updates {
        store.apply(update);
    }
    let bench = Bench { store, commands: Vec::new(), is_presenting: false, panel: (meta.make)(), arrival };
    let mut harness = Harness::builder().with_size([1_200.0, 800.0]).with_context_setup(weir_ui_kit::theme::install).build_ui_state(
        |ui, bench: &mut Bench| {
            let mut repaint_at = None;
            let mut cx = PanelContext {
                store: &bench.store,
                now: NOW,
                commands: &mut bench.commands,
                repaint_at: &mut repaint_at,
                is_presenting: bench.is_presenting,
                arrival: bench.arrival.take(),
            };
            bench.panel.ui(ui, &mut cx);
            let opened =
                bench.commands.iter().rev().find_map(|it| if let Command::OpenMessages(query) = it { Some(query.clone()) } else { None });
            if let Some(query) = opened
                && bench.store.messages.query.as_ref().is_none_or(|open| open.id != query.id)
            {
                bench.store.messages.begin(query);
            }
        },
        bench,
    );
    harness.run();
    harness
}

/// A pipeline at work, of which nothing is known yet.
pub(crate) fn running(pipeline: &str) -> PipelineStatus {
    PipelineStatus::unmeasured(pipeline.into(), Phase::Running, PipelineParams::default())
}

/// Connected, with two topics of the user, one of Kafka's, and a group that is behind on `orders`.
pub(crate) fn updates() -> Vec<Update> {
    let partition = |id: i32| Partition {
        id: PartitionId(id),
        leader: Some(BrokerId(1)),
        replicas: vec![BrokerId(1)],
        isr: vec![BrokerId(1)],
        log_start_offset: Some(Offset(10)),
        high_watermark: Some(Offset(1_000)),
        bytes: Some(4_096),
        rates: None,
    };
    let topic = |name: &str, partitions: i32, records_per_s: f64| Topic {
        name: name.into(),
        is_internal: name.starts_with("__"),
        partitions: (0..partitions).map(partition).collect(),
        rates: Some(Rates { records_per_s, bytes_per_s: None }),
    };
    let cluster = ClusterSnapshot {
        brokers: vec![Broker { id: BrokerId(1), host: "127.0.0.1".into(), port: 9092, rack: None }],
        topics: vec![topic("__consumer_offsets", 1, 0.0), topic("clicks", 1, 250.0), topic("orders", 2, 3.0)],
        ..ClusterSnapshot::default()
    };
    let groups = GroupsSnapshot { groups: vec![group("audit", None), group("billing", Some(60))], partial: Vec::new() };
    vec![
        Update::Connection(ConnectionState::Connected { cluster: Cluster::Local, bootstrap: "127.0.0.1:9092".into(), data_dir: None }),
        Update::Cluster(Ok(Stamped { value: Arc::new(cluster), as_of: NOW })),
        Update::Groups(Ok(Stamped { value: Arc::new(groups), as_of: NOW })),
    ]
}

/// A group without members, or one with a member that is behind.
fn group(id: &str, lag_records: Option<u64>) -> Group {
    let member =
        Member { id: "m-1".into(), client_id: "rdkafka".into(), host: "/10.0.0.7".into(), group_instance_id: None, assignment: Vec::new() };
    let verdict = if lag_records.is_some() { Verdict::FallingBehind } else { Verdict::NoCommit };
    let partition = GroupPartition {
        topic: "orders".into(),
        partition: PartitionId(0),
        committed_offset: lag_records.map(|_| Offset(940)),
        log_start_offset: Some(Offset(10)),
        end_offset: Some(Offset(1_000)),
        lag_records,
        consumed_per_s: None,
        produced_per_s: None,
        member_id: None,
        verdict: LagVerdict { verdict, evidence: "the rule that fired".into() },
    };
    Group {
        id: id.into(),
        state: if lag_records.is_some() { GroupState::Stable } else { GroupState::Empty },
        kind: GroupKind::Classic,
        assignor: "range".into(),
        coordinator: Some(BrokerId(1)),
        members: lag_records.map(|_| member).into_iter().collect(),
        partitions: vec![partition],
    }
}

/// A row of `orders` with this offset and value.
pub(crate) fn message(offset: i64, value: Option<&str>) -> Arc<MessageRow> {
    let record = Record {
        topic: "orders".into(),
        partition: PartitionId(0),
        offset: Offset(offset),
        timestamp: Some(TimestampMs(NOW.0 + offset)),
        timestamp_type: TimestampType::CreateTime,
        headers: Vec::new(),
        key: None,
        value: value.map(|value| value.as_bytes().into()),
    };
    Arc::new(MessageRow {
        record: Arc::new(record),
        key_preview: "null".into(),
        value_preview: value.unwrap_or("null").into(),
        decoder: DecoderName("json"),
        decoder_notes: "".into(),
    })
}
