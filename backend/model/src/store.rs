//! What all panels read. [`Store::apply`] is the only place that changes it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{
    AlertLog, ClusterSnapshot, ConfigEntry, ConnectionState, Dashboard, GroupId, GroupsSnapshot, Loadable, MessageQuery, MessageRow,
    Notice, PipelineId, PipelineMeta, PipelineStatus, QueryId, Receipt, RunReport, Series, Stamped, StoreEntries, StreamsView, TopicName,
    Update,
};

/// Rows a message list keeps; beyond it the oldest make room and [`MessagesView::dropped_rows`] counts them.
pub const MESSAGES_MAX: usize = 100_000;
/// Notices kept for the history.
pub const NOTICES_MAX: usize = 200;
/// Groups whose lag history is kept.
pub const LAG_HISTORY_GROUPS_MAX: usize = 1_000;
/// Topics whose configuration is kept.
const TOPIC_CONFIGS_MAX: usize = 256;
/// Points of a history: fifteen minutes at one a second.
const HISTORY_POINTS_MAX: usize = 900;

/// The state of the program as far as the backend is concerned.
#[derive(Clone, Debug)]
pub struct Store {
    /// Which cluster, and whether it answers.
    pub connection: ConnectionState,
    /// Brokers, topics and partitions.
    pub cluster: Loadable<Arc<ClusterSnapshot>>,
    /// Groups and lag.
    pub groups: Loadable<Arc<GroupsSnapshot>>,
    /// Configurations that were asked for.
    pub topic_configs: BTreeMap<TopicName, Loadable<Arc<[ConfigEntry]>>>,
    /// Records written per second to all user topics.
    pub records_per_s: Series,
    /// Bytes written per second to all user topics, where the cluster tells sizes.
    pub bytes_per_s: Series,
    /// Total lag by group.
    pub lag_records: BTreeMap<GroupId, Series>,
    /// The open message query.
    pub messages: MessagesView,
    /// The pipelines there are.
    pub pipelines: Arc<[PipelineMeta]>,
    /// Those that ran since the start.
    pub runs: BTreeMap<PipelineId, PipelineView>,
    /// News, newest last.
    pub notices: VecDeque<Notice>,
    /// Notices ever taken in, so that a reader can tell which are new.
    pub notices_total: u64,
    /// The newest alerts of pipelines.
    pub alerts: AlertLog,
}

/// The open message query and what it found.
#[derive(Clone, Debug, Default)]
pub struct MessagesView {
    /// What was asked.
    pub query: Option<MessageQuery>,
    /// What was found, in the order to show it.
    pub rows: VecDeque<Arc<MessageRow>>,
    /// Rows that made room for newer ones.
    pub dropped_rows: u64,
    /// How far it is, or how it ended.
    pub receipt: Option<Arc<Receipt>>,
    /// Grows with every change.
    pub version: u64,
}

impl MessagesView {
    /// Begins a query: the rows of the one before go.
    pub fn begin(&mut self, query: MessageQuery) {
        *self = Self { query: Some(query), version: self.version + 1, ..Self::default() };
    }

    fn apply(&mut self, id: QueryId, rows: Vec<Arc<MessageRow>>, receipt: Arc<Receipt>) {
        if self.query.as_ref().is_none_or(|query| query.id != id) {
            return; // a late answer to a query that was replaced
        }
        self.rows.extend(rows);
        let surplus = self.rows.len().saturating_sub(MESSAGES_MAX);
        self.rows.drain(..surplus);
        self.dropped_rows += surplus as u64;
        self.receipt = Some(receipt);
        self.version += 1;
    }
}

/// What is known of a pipeline's runs.
#[derive(Clone, Debug, Default)]
pub struct PipelineView {
    /// How it goes.
    pub status: Option<Arc<PipelineStatus>>,
    /// What it shows.
    pub dashboard: Option<Arc<Dashboard>>,
    /// What its stream applications do.
    pub streams: Option<Arc<StreamsView>>,
    /// What was found in a store last.
    pub store_entries: Option<Arc<StoreEntries>>,
    /// How the last run ended.
    pub report: Option<Arc<RunReport>>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            connection: ConnectionState::Idle,
            cluster: Loadable::NotAsked,
            groups: Loadable::NotAsked,
            topic_configs: BTreeMap::new(),
            records_per_s: Series::new(HISTORY_POINTS_MAX),
            bytes_per_s: Series::new(HISTORY_POINTS_MAX),
            lag_records: BTreeMap::new(),
            messages: MessagesView::default(),
            pipelines: Arc::from([]),
            runs: BTreeMap::new(),
            notices: VecDeque::new(),
            notices_total: 0,
            alerts: AlertLog::default(),
        }
    }
}

impl Store {
    /// Takes in one piece of news. A pure fold: equal updates in equal order give equal stores.
    pub fn apply(&mut self, update: Update) {
        match update {
            Update::Connection(state) => self.apply_connection(state),
            Update::Cluster(answer) => self.apply_cluster(answer),
            Update::Groups(answer) => self.apply_groups(answer),
            Update::TopicConfigs(topic, answer) => {
                if self.topic_configs.len() >= TOPIC_CONFIGS_MAX && !self.topic_configs.contains_key(&topic) {
                    self.topic_configs.pop_first();
                }
                self.topic_configs.entry(topic).or_default().finish(answer);
            }
            Update::Messages { id, rows, receipt } => self.messages.apply(id, rows, receipt),
            Update::Pipelines(metas) => self.pipelines = metas,
            Update::PipelineStatus(status) => {
                let id = status.id.clone();
                self.runs.entry(id).or_default().status = Some(status);
            }
            Update::Dashboard(id, dashboard) => self.runs.entry(id).or_default().dashboard = Some(dashboard),
            Update::Streams(id, view) => self.runs.entry(id).or_default().streams = Some(view),
            Update::StoreEntries(id, entries) => self.runs.entry(id).or_default().store_entries = Some(entries),
            Update::PipelineReset { id, .. } => drop(self.runs.remove(&id)),
            Update::Alerts { alerts, passed_over } => self.alerts.apply(alerts, passed_over),
            Update::RunReport(report) => {
                let id = report.pipeline.clone();
                self.runs.entry(id).or_default().report = Some(report);
            }
            Update::Notice(notice) => {
                if self.notices.len() == NOTICES_MAX {
                    self.notices.pop_front();
                }
                self.notices.push_back(notice);
                self.notices_total += 1;
            }
        }
    }

    fn apply_connection(&mut self, state: ConnectionState) {
        // Another cluster's figures must not stand under this one's name.
        if self.connection.cluster().is_some_and(|old| Some(old) != state.cluster()) {
            let kept = (std::mem::take(&mut self.pipelines), std::mem::take(&mut self.notices), self.notices_total);
            *self = Self { pipelines: kept.0, notices: kept.1, notices_total: kept.2, ..Self::default() };
        }
        if matches!(state, ConnectionState::Connecting(_)) {
            self.cluster.begin();
            self.groups.begin();
        }
        self.connection = state;
    }

    fn apply_cluster(&mut self, answer: Result<Stamped<Arc<ClusterSnapshot>>, crate::Problem>) {
        if let Ok(stamped) = &answer
            && let Some(rates) = stamped.value.rates()
        {
            self.records_per_s.push(stamped.as_of, rates.records_per_s);
            if let Some(bytes_per_s) = rates.bytes_per_s {
                self.bytes_per_s.push(stamped.as_of, bytes_per_s);
            }
        }
        self.cluster.finish(answer);
    }

    fn apply_groups(&mut self, answer: Result<Stamped<Arc<GroupsSnapshot>>, crate::Problem>) {
        if let Ok(stamped) = &answer {
            self.lag_records.retain(|id, _| stamped.value.group(id).is_some());
            for group in stamped.value.groups.iter().take(LAG_HISTORY_GROUPS_MAX) {
                if let Some(lag_records) = group.lag_records() {
                    let series = self.lag_records.entry(group.id.clone()).or_insert_with(|| Series::new(HISTORY_POINTS_MAX));
                    series.push(stamped.as_of, lag_records as f64);
                }
            }
        }
        self.groups.finish(answer);
    }
}
