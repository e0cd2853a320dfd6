//! Recorded updates that put every screen into every state, and the interface over them.

use std::{collections::BTreeMap, sync::Arc};

use weir::{
    panels::{Command, MESSAGES, PanelId, Route},
    shell::{Recorded, Weir, settings::Settings},
};
use weir_model::*;

/// The clock of all tests: 2026-05-09 07:30 UTC.
pub(crate) const NOW: TimestampMs = TimestampMs(1_778_311_800_000);

/// A state that every panel has to be able to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    NotAsked,
    Loading,
    Ready,
    Running,
    Failed,
    Partial,
    Empty,
    Big,
}

impl State {
    pub(crate) const ALL: [Self; 8] =
        [Self::NotAsked, Self::Loading, Self::Ready, Self::Running, Self::Failed, Self::Partial, Self::Empty, Self::Big];

    /// The news that lead there.
    pub(crate) fn updates(self) -> Vec<Update> {
        let mut updates = vec![Update::Pipelines(weir_backend::pipelines::metas())];
        let connected = || Update::Connection(connected());
        let cluster =
            |snapshot: ClusterSnapshot, at: i64| Update::Cluster(Ok(Stamped { value: Arc::new(snapshot), as_of: TimestampMs(NOW.0 - at) }));
        let groups = |snapshot: GroupsSnapshot| Update::Groups(Ok(Stamped { value: Arc::new(snapshot), as_of: TimestampMs(NOW.0 - 800) }));
        match self {
            Self::NotAsked => return Vec::new(),
            Self::Loading => updates.push(Update::Connection(ConnectionState::Connecting(Cluster::Local))),
            Self::Ready | Self::Running => {
                updates.push(connected());
                updates.extend((0..120).map(|at| {
                    let wave = 1.0 + 0.3 * (f64::from(at) / 9.0).sin();
                    cluster(a_cluster(3, 6, wave), i64::from(120 - at) * 1_000)
                }));
                updates.push(groups(a_groups_snapshot(6, 6)));
                if self == Self::Running {
                    updates.extend(run());
                }
            }
            Self::Failed => {
                updates.extend([connected(), cluster(a_cluster(2, 3, 1.0), 60_000), groups(a_groups_snapshot(2, 3))]);
                updates.extend([
                    Update::Cluster(Err(problem())),
                    Update::Groups(Err(problem())),
                    Update::Connection(ConnectionState::Failed { cluster: Cluster::Local, problem: problem() }),
                ]);
            }
            Self::Partial => {
                let partial = ClusterSnapshot { partial: vec![problem(), problem()], ..a_cluster(2, 3, 1.0) };
                let some = GroupsSnapshot { partial: vec![problem()], ..a_groups_snapshot(2, 3) };
                updates.extend([connected(), cluster(partial, 500), groups(some)]);
            }
            Self::Empty => updates.extend([connected(), cluster(a_cluster(0, 0, 0.0), 500), groups(GroupsSnapshot::default())]),
            Self::Big => updates.extend([connected(), cluster(a_cluster(100, 100, 1.0), 500), groups(a_groups_snapshot(1_000, 10))]),
        }
        updates
    }
}

/// The interface in a state, showing a panel.
pub(crate) fn weir(state: State, panel: PanelId, settings: Settings) -> Weir<Recorded> {
    let mut weir = Weir::without_disk(Recorded, settings).with_clock(|| NOW);
    for update in state.updates() {
        weir.apply(update);
    }
    weir.push(Command::Navigate(match (panel, state) {
        (MESSAGES, State::Ready | State::Running | State::Partial) => Route::Messages(topic_name(0)),
        _ => Route::Panel(panel),
    }));
    weir
}

/// Answers the message query that is open, as the backend would.
pub(crate) fn answer_messages(weir: &mut Weir<Recorded>) {
    if let Some(query) = weir.store().messages.query.clone()
        && weir.store().messages.receipt.is_none()
    {
        let rows: Vec<Arc<MessageRow>> = (0..200).map(|at| Arc::new(message(at))).collect();
        let receipt = Receipt {
            ranges: vec![PartitionRange { partition: PartitionId(0), from: Offset(0), to: Offset(200), records: 200 }],
            records_scanned: 200,
            records_matched: 200,
            bytes_scanned: 12_345,
            stopped: Some(StopReason::Limit),
            elapsed_ms: 12,
        };
        weir.apply(Update::Messages { id: query.id, rows, receipt: Arc::new(receipt) });
    }
}

fn connected() -> ConnectionState {
    ConnectionState::Connected {
        cluster: Cluster::Local,
        bootstrap: "127.0.0.1:9092".into(),
        data_dir: Some("/home/ada/.local/share/weir/broker".into()),
    }
}

fn problem() -> Problem {
    Problem::new("Broker 2 did not answer", "the connection to 10.0.0.2:9092 timed out after 5 s", "Check that it runs and can be reached")
}

/// The name of the n-th topic.
pub(crate) fn topic_name(at: usize) -> TopicName {
    const NAMES: [&str; 4] =
        ["user_activity", "orders", "payments.settled", "a-topic-with-a-name-that-is-longer-than-most-columns-are-wide"];
    NAMES.get(at).map_or_else(|| TopicName::from(format!("topic-{at:04}")), |name| TopicName::from(*name))
}

fn a_cluster(topics: usize, partitions: usize, wave: f64) -> ClusterSnapshot {
    let partition = |topic: usize, at: usize| Partition {
        id: PartitionId(at as i32),
        leader: (at != 1 || topic != 1).then_some(BrokerId(1)),
        replicas: vec![BrokerId(1)],
        isr: if topic == 2 { Vec::new() } else { vec![BrokerId(1)] },
        log_start_offset: Some(Offset(0)),
        high_watermark: Some(Offset((1_234_567 / (topic as i64 + 1)) + at as i64)),
        bytes: Some(98_765_432 / (topic as u64 + 1)),
        rates: Some(rates(topic, wave / partitions as f64)),
    };
    let mut all: Vec<Topic> = (0..topics)
        .map(|topic| Topic {
            name: topic_name(topic),
            is_internal: false,
            partitions: (0..partitions).map(|at| partition(topic, at)).collect(),
            rates: Some(rates(topic, wave)),
        })
        .collect();
    all.push(Topic { name: "__consumer_offsets".into(), is_internal: true, partitions: vec![partition(9, 0)], rates: None });
    all.sort_by(|a, b| a.name.cmp(&b.name));
    ClusterSnapshot {
        cluster_id: Some("weir-local".into()),
        controller: Some(BrokerId(1)),
        brokers: vec![Broker { id: BrokerId(1), host: "127.0.0.1".into(), port: 9092, rack: None }],
        topics: all,
        partial: Vec::new(),
    }
}

fn rates(topic: usize, wave: f64) -> Rates {
    let records_per_s = 1_800.0 * wave / (topic as f64 + 1.0);
    Rates { records_per_s, bytes_per_s: Some(records_per_s * 240.0) }
}

fn a_groups_snapshot(groups: usize, partitions: usize) -> GroupsSnapshot {
    const VERDICTS: [(Verdict, &str); 7] = [
        (Verdict::CaughtUp, "lag is 0 on the last reading"),
        (Verdict::FallingBehind, "lag grew from 1,200 to 48,000 in 60 s"),
        (Verdict::Keeping, "lag held at about 120 over 60 s"),
        (Verdict::Stalled, "48,210 behind and no commit for 92 s while records arrive"),
        (Verdict::NoCommit, "assigned, no offset committed"),
        (Verdict::DataLost, "committed 120 is below the log start 4,000: 3,880 records were lost to this group"),
        (Verdict::Unknown, "one reading so far"),
    ];
    let group = |at: usize| {
        let (verdict, evidence) = VERDICTS[at % VERDICTS.len()];
        let lag = match verdict {
            Verdict::CaughtUp => Some(0),
            Verdict::NoCommit => None,
            _ => Some(8_035 * (at as u64 + 1)),
        };
        let member = MemberId::from(format!("consumer-{at}-3f2b1c"));
        let partition = |number: usize| GroupPartition {
            topic: topic_name(at % 3),
            partition: PartitionId(number as i32),
            committed_offset: lag.map(|lag| Offset(1_000_000 - lag as i64)),
            log_start_offset: Some(Offset(0)),
            end_offset: Some(Offset(1_000_000)),
            lag_records: lag,
            consumed_per_s: Some(120.5),
            produced_per_s: Some(300.0),
            member_id: Some(member.clone()),
            verdict: LagVerdict { verdict, evidence: evidence.into() },
        };
        Group {
            id: format!("group-{at:04}").into(),
            state: if at % 5 == 4 { GroupState::Empty } else { GroupState::Stable },
            kind: GroupKind::Classic,
            assignor: "range".into(),
            coordinator: Some(BrokerId(1)),
            members: vec![Member {
                id: member.clone(),
                client_id: "rdkafka".into(),
                host: "/127.0.0.1".into(),
                group_instance_id: None,
                assignment: (0..partitions)
                    .map(|number| TopicPartition { topic: topic_name(at % 3), partition: PartitionId(number as i32) })
                    .collect(),
            }],
            partitions: (0..partitions).map(partition).collect(),
        }
    };
    GroupsSnapshot { groups: (0..groups).map(group).collect(), partial: Vec::new() }
}

fn message(at: i64) -> MessageRow {
    let value = format!(r#"{{"user_id":"u-{:05}","action_type":"view","item_id":{at},"big":9007199254740993}}"#, at * 7);
    let record = Record {
        topic: topic_name(0),
        partition: PartitionId((at % 6) as i32),
        offset: Offset(at),
        timestamp: Some(TimestampMs(NOW.0 - at * 250)),
        timestamp_type: TimestampType::CreateTime,
        headers: vec![RecordHeader { name: "trace".into(), value: Some(b"abc"[..].into()) }],
        key: (at % 9 != 8).then(|| format!("u-{at:05}").into_bytes().into()),
        value: (at % 17 != 16).then(|| value.clone().into_bytes().into()),
    };
    MessageRow {
        record: Arc::new(record),
        key_preview: format!("u-{at:05}").into(),
        value_preview: value.into(),
        decoder: DecoderName("json"),
        decoder_notes: "".into(),
    }
}

fn run() -> Vec<Update> {
    let metas = weir_backend::pipelines::metas();
    let meta = &metas[0];
    let check = |id: &str, verdict, evidence: &str| Check { id: id.into(), verdict, evidence: evidence.into() };
    let status = PipelineStatus {
        id: meta.id.clone(),
        phase: Phase::Running,
        params: PipelineParams { rate_per_s: 1_000, seed: 42, speed: 60, start_at: None, events_max: None, ..PipelineParams::default() },
        produced_per_s: 1_002.0,
        processed_per_s: 998.0,
        counts: BTreeMap::from([("events".to_owned(), 123_456)]),
        latency: Latency { p50: 3.2, p99: 11.8 },
        checks: vec![
            check("nothing_lost", CheckVerdict::Pass, "123,456 produced, 123,456 processed"),
            check("sessions_equal", CheckVerdict::Pending, "compared when the run ends"),
            check("funnel_equal", CheckVerdict::Fail, "4 sessions differ"),
        ],
        active_faults: vec![(meta.faults[0].id.clone(), TimestampMs(NOW.0 + 12_400))],
        scenario: Some(Arc::new(demo())),
    };
    vec![
        Update::PipelineStatus(Arc::new(status)),
        Update::Dashboard(meta.id.clone(), Arc::new(dashboard())),
        Update::Streams(meta.id.clone(), Arc::new(streams())),
        Update::StoreEntries(meta.id.clone(), Arc::new(store_entries())),
        Update::Alerts { alerts: alerts(), passed_over: 12 },
    ]
}

fn streams() -> StreamsView {
    let node = |name: &str, kind, topic: Option<&str>, records_per_s: f64| StreamsNode {
        name: name.into(),
        kind,
        topic: topic.map(Into::into),
        stores: if kind == StreamsNodeKind::Stateful { vec!["sessions".into()] } else { Vec::new() },
        records: 123_456,
        records_per_s,
    };
    let task = |number: i32, phase| StreamsTask {
        id: format!("0_{number}").into(),
        thread: number as usize % 2,
        phase,
        stream_time: Some(NOW),
        queued: 12,
        dropped: (3, 0, 7),
    };
    let window = |minutes: i64| StreamsWindow {
        key: None,
        start: TimestampMs(NOW.0 - minutes * 60_000),
        end: TimestampMs(NOW.0 - (minutes - 1) * 60_000),
        closes_at: TimestampMs(NOW.0 - (minutes - 1) * 60_000 + 10_000),
        entries: 1_234,
    };
    let store = |task: &str, windows: Vec<StreamsWindow>| StreamsStore {
        task: task.into(),
        name: "sessions".into(),
        changelog: Some(("clickstream-processor-sessions-changelog".into(), 0, Some(123_456))),
        entries: 98_765,
        entries_in_memory: 98_765,
        bytes: 12_345_678,
        is_persistent: false,
        windows_open: windows.len() as u64,
        windows,
    };
    let event = |level, what: &str| StreamsEvent { at: NOW, thread: 1, what: what.into(), level };
    let app = StreamsApp {
        group: "clickstream-processor".into(),
        nodes: vec![
            node("user_activity", StreamsNodeKind::Source, Some("user_activity"), 1_002.0),
            node("filter-1", StreamsNodeKind::Stateless, None, 990.0),
            node("sessions-2", StreamsNodeKind::Stateful, None, 33.0),
            node("clickstream.sessions", StreamsNodeKind::Sink, Some("clickstream.sessions"), 33.0),
            node("a.topic.with.a.name.that.is.much.too.long", StreamsNodeKind::Sink, Some("a.topic"), 0.0),
        ],
        edges: vec![(0, 1), (1, 2), (2, 3), (1, 4)],
        threads: vec![
            StreamsThread {
                phase: "Running".into(),
                replaced: 1,
                transaction_age_ms: Some(42),
                last_problem: Some("it was killed".into()),
            },
            StreamsThread { phase: "Restoring".into(), replaced: 0, transaction_age_ms: None, last_problem: None },
        ],
        tasks: vec![
            task(0, StreamsTaskPhase::Running),
            task(1, StreamsTaskPhase::Restoring { done: 400, total: 1_000 }),
            task(2, StreamsTaskPhase::Suspended),
        ],
        standbys: vec![StreamsStandby { task: "0_3".into(), entries: 98_700, lag_records: 12 }],
        stores: vec![store("0_0", vec![window(3), window(1)]), store("0_1", Vec::new())],
        events: vec![event(NoticeLevel::Warning, "was replaced: it was killed"), event(NoticeLevel::Info, "got the tasks 0_0, 0_1, 0_2")],
        processed_per_s: 1_002.0,
        commits: (1_234, 2),
        commit_ms: Some((48, 112)),
        rebalances: 3,
    };
    StreamsView { apps: vec![app] }
}

fn alerts() -> Vec<Alert> {
    let alert = |number: i64, severity, rule: &str| Alert {
        alert_id: format!("alert-{number}").into(),
        pipeline: "fraud".into(),
        rule: rule.into(),
        severity,
        subject: format!("customer-{number:05}").into(),
        value: 1_234.5,
        threshold: 900.0,
        evidence: vec!["1,235 km in 12 minutes".into(), "two cards at once".into()],
        at: TimestampMs(NOW.0 + number * 1_000),
    };
    vec![
        alert(1, AlertSeverity::Info, "new_device"),
        alert(2, AlertSeverity::Warning, "card_testing"),
        alert(3, AlertSeverity::Critical, "impossible_travel"),
    ]
}

fn store_entries() -> StoreEntries {
    let query = StoreQuery { group: "clickstream-processor".into(), store: "sessions".into(), filter: "u-1".into() };
    StoreEntries { query, entries: vec![("u-1".to_owned(), "{\"events\":3}".to_owned()), ("u-17".to_owned(), "{\"events\":9}".to_owned())] }
}

fn demo() -> ScenarioView {
    let promise = |verdict| Check { id: "incident_opens".into(), verdict, evidence: "an incident opens: seen after 8.0 s".into() };
    let step = |at_ms, says: &str, expects| ScenarioStep { at_ms, says: says.into(), expects };
    ScenarioView {
        id: "outage".into(),
        title: "A CDN goes down".into(),
        at_ms: 42_000,
        length_ms: 90_000,
        steps: vec![
            step(0, "All is calm.", None),
            step(20_000, "A CDN goes down in Europe: an incident opens that names it.", Some(promise(CheckVerdict::Pass))),
            step(40_000, "Players are moved to another CDN, and obey. Stalls fall.", Some(promise(CheckVerdict::Pending))),
            step(65_000, "It delivers again.", Some(promise(CheckVerdict::Pending))),
        ],
    }
}

fn queue() -> WidgetBody {
    let row = |number: i64| QueueRow {
        subject: format!("tx-{number}").into(),
        title: format!("{}.50 EUR by customer-{number:05}", 120 * number).into(),
        detail: "score 0.83; far from the last payment; a reason that is much too long to be read in one line of a window of any width"
            .into(),
        note: "score 0.83, by new_device".into(),
        at: TimestampMs(NOW.0 - number * 60_000),
    };
    let verbs = [("honest", "Honest"), ("fraud", "Fraud")].map(|(id, label)| Verb { id: id.into(), label: label.into() });
    WidgetBody::Queue { rows: (1..12).map(row).collect(), waiting: 1_234, verbs: verbs.into() }
}

fn editor() -> WidgetBody {
    let row =
        EditorRow { subject: "card-testing".into(), text: "hold when count_1m >= 4 and amount < 5".into(), note: "fired 12 times".into() };
    WidgetBody::Editor {
        rows: vec![row],
        hint: "block when amount > 2000".into(),
        verbs: vec![Verb { id: "try".into(), label: "Try on past payments".into() }],
        answer: "Of the last 20,000 payments it would have met 31 (0.16 %), 12 of the 40 known frauds among them.".into(),
    }
}

fn chosen(line: Line) -> WidgetBody {
    let options = (1..6).map(|number| format!("u-{number:05}").into()).collect();
    let chooser = Chooser { what: "user".into(), value: "u-00001".into(), is_chosen: true, options };
    WidgetBody::Chosen { chooser, body: Box::new(WidgetBody::TimeSeries { unit: "events".into(), lines: vec![line], bands: Vec::new() }) }
}

fn dashboard() -> Dashboard {
    let widget = |id: &str, title: &str, span, body| Widget {
        id: id.into(),
        title: title.into(),
        help: "What this figure means, in one line for a newcomer".into(),
        span,
        source: Source::Topic(topic_name(0)),
        body,
    };
    let tile = |id: &str, title: &str, value: f64, unit: &str, decimals| {
        let history = (0..60).map(|at| value * (1.0 + 0.2 * (f64::from(at) / 7.0).sin())).collect();
        widget(id, title, Span::Tile, WidgetBody::Number { value: Some(value), unit: unit.into(), decimals, history })
    };
    let line = |at: usize, name: &str| Line {
        name: name.into(),
        points: (0..300)
            .map(|x| (TimestampMs(NOW.0 - (300 - x) * 60_000), 400.0 / (at as f64 + 1.0) * (1.2 + (x as f64 / (20.0 + at as f64)).sin())))
            .collect(),
    };
    let band = |from: i64, to: i64, label: &str, severity| LaneSpan {
        from: TimestampMs(NOW.0 - from * 60_000),
        to: TimestampMs(NOW.0 - to * 60_000),
        label: label.into(),
        severity,
    };
    let top = ["/", "/category/shoes", "/item/1042", "/search", "/cart", "/checkout", "/item/77", "/help", "/item/9", "/account"];
    let rows = top.iter().enumerate().map(|(at, page)| TopRow { label: (*page).into(), value: 12_345.0 / (at as f64 + 1.0) }).collect();
    let stage = |label: &str, count| FunnelStage { label: label.into(), count };
    let variant = |name: &str, estimate: f64| Variant { name: name.into(), n: 4_021, estimate, low: estimate - 0.6, high: estimate + 0.6 };
    let column = |title: &str, is_number| Column { title: title.into(), is_number };
    let late = ["Sessions merged by a late event", "Too late for their window of counts, dropped", "No event at all, passed over"];
    let sessions = (0..20).map(|at| {
        vec![
            Cell::Text(format!("s-{at:06}").into()),
            Cell::Text(format!("u-{at:05}").into()),
            Cell::Time(TimestampMs(NOW.0 - at * 60_000)),
            Cell::DurationMs(65_000 + at * 1_000),
            Cell::Integer(17 + at),
            Cell::Text("/checkout".into()),
            Cell::Float(19.9 * at as f64),
        ]
    });
    Dashboard {
        event_time: Some(NOW),
        widgets: vec![
            tile("events_per_s", "Events", 1_002.0, "events/s", 0),
            tile("active_users", "Active users", 812.0, "users", 0),
            tile("sessions_closed", "Sessions closed", 23_456.0, "sessions", 0),
            tile("bounce_rate", "Bounce rate", 31.4, "%", 1),
            tile("conversion", "Conversion", 3.27, "%", 2),
            tile("revenue", "Revenue", 1_234_567.0, "EUR", 0),
            widget(
                "events_by_action",
                "Events by action",
                Span::TwoThirds,
                WidgetBody::TimeSeries {
                    unit: "events/s".into(),
                    lines: ["view", "click", "scroll", "search", "add_to_cart", "purchase"]
                        .iter()
                        .enumerate()
                        .map(|(at, name)| line(at, name))
                        .collect(),
                    bands: vec![
                        band(200, 170, "CDN-B fails in eu", Severity::Critical),
                        band(90, 80, "A label that is longer than its band", Severity::Warning),
                    ],
                },
            ),
            widget("top_pages", "Top pages", Span::Third, WidgetBody::TopK { unit: "views".into(), rows }),
            widget("user", "One user", Span::Full, chosen(line(0, "events a minute"))),
            widget("queue", "Review queue", Span::Full, queue()),
            widget("rules", "Rules in force", Span::Full, editor()),
            widget(
                "funnel",
                "Funnel",
                Span::Third,
                WidgetBody::Funnel { stages: vec![stage("View", 20_431), stage("Add to cart", 3_211), stage("Purchase", 668)] },
            ),
            widget(
                "ab",
                "A/B: conversion",
                Span::Third,
                WidgetBody::Intervals {
                    unit: "%".into(),
                    variants: vec![variant("A", 3.1), variant("B", 3.6)],
                    conclusion: "No difference can be told yet: B against A is -0.35 to +1.35 points at 95 %".into(),
                },
            ),
            widget(
                "late",
                "Late and dropped",
                Span::Third,
                WidgetBody::Table {
                    columns: vec![column("What", false), column("Count", true)],
                    rows: late.iter().zip(3..).map(|(what, count)| vec![Cell::Text((*what).into()), Cell::Integer(count)]).collect(),
                },
            ),
            widget(
                "sessions",
                "Latest sessions",
                Span::Full,
                WidgetBody::Table {
                    columns: [
                        ("Closed session", false),
                        ("User", false),
                        ("Start", true),
                        ("Length", true),
                        ("Events", true),
                        ("Exit page", false),
                        ("Revenue (EUR)", true),
                    ]
                    .map(|(title, is_number)| column(title, is_number))
                    .into(),
                    rows: sessions.collect(),
                },
            ),
        ],
    }
}
