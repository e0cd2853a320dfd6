//! Figures of the whole cluster. Worked out when the cluster's picture changes, not per frame.

use std::sync::Arc;

use egui::{CursorIcon, Sense, Ui};
use weir_model::{ClusterSnapshot, GroupId, GroupsSnapshot, Series, Store, TimestampMs, TopicName, Verdict};
use weir_ui_kit::{format, widgets::StatTile};

use crate::panels::{
    CONSUMERS, Command, PanelContext, PanelId, Route, TOPICS,
    grid::{LastCell, grid},
    text::counted,
};

/// Topics in the list of the busiest.
const BUSIEST_MAX: usize = 8;
/// Groups in the list of the most urgent.
const URGENT_MAX: usize = 12;
/// Points of a tile's history.
const HISTORY_POINTS: usize = 60;
/// Six tiles to a row.
const SPANS: [u8; 6] = [2; 6];

/// What the tiles and lists show.
#[derive(Default)]
pub(super) struct Figures {
    cluster: Option<Arc<ClusterSnapshot>>,
    groups: Option<Arc<GroupsSnapshot>>,
    rates_version: u64,
    tiles: [TileText; 6],
    records_history: Vec<f64>,
    bytes_history: Vec<f64>,
    /// Records per second, oldest first.
    pub(super) rate_points: Vec<(i64, f64)>,
    /// Topics by records per second, or by records while nothing is written.
    pub(super) busiest: Vec<(TopicName, f64)>,
    /// Whether `busiest` is by rate.
    pub(super) is_by_rate: bool,
    /// Groups, the most urgent first.
    pub(super) urgent: Vec<UrgentGroup>,
    /// Groups that are not in the list.
    pub(super) groups_hidden: usize,
}

/// One group of the list.
pub(super) struct UrgentGroup {
    pub(super) id: GroupId,
    pub(super) verdict: Option<Verdict>,
    pub(super) evidence: Arc<str>,
    pub(super) lag: String,
    pub(super) state: String,
}

#[derive(Default)]
struct TileText {
    value: String,
    unit: &'static str,
    note: String,
}

impl TileText {
    fn new(value: Option<String>, unit: &'static str, note: impl Into<String>) -> Self {
        Self { value: value.unwrap_or_else(|| "–".to_owned()), unit, note: note.into() }
    }
}

impl Figures {
    /// Works the figures out anew if something changed.
    pub(super) fn refresh(&mut self, store: &Store) {
        let is_same = |old: &Option<Arc<ClusterSnapshot>>, new: Option<&Arc<ClusterSnapshot>>| match (old, new) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        let cluster = store.cluster.value();
        let groups = store.groups.value();
        let same_groups = match (&self.groups, groups) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        let rates_version = store.records_per_s.version();
        if is_same(&self.cluster, cluster) && same_groups && rates_version == self.rates_version && !self.tiles[0].value.is_empty() {
            return;
        }
        (self.cluster, self.groups, self.rates_version) = (cluster.cloned(), groups.cloned(), rates_version);
        self.records_history = newest(&store.records_per_s);
        self.bytes_history = newest(&store.bytes_per_s);
        self.rate_points = store.records_per_s.points().map(|(TimestampMs(at), value)| (at, value)).collect();
        self.tiles = tiles(cluster.map(|cluster| &**cluster), groups.map(|groups| &**groups));
        self.rank_topics();
        self.rank_groups();
    }

    fn rank_topics(&mut self) {
        let topics = || self.cluster.iter().flat_map(|cluster| cluster.user_topics());
        let rate = |topic: &weir_model::Topic| topic.rates.map_or(0.0, |rates| rates.records_per_s);
        let is_by_rate = topics().any(|topic| rate(topic) > 0.0);
        let size = |topic: &weir_model::Topic| if is_by_rate { rate(topic) } else { topic.records().unwrap_or(0) as f64 };
        let mut ranked: Vec<_> = topics().map(|topic| (topic.name.clone(), size(topic))).filter(|(_, size)| *size > 0.0).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        ranked.truncate(BUSIEST_MAX);
        (self.busiest, self.is_by_rate) = (ranked, is_by_rate);
    }

    fn rank_groups(&mut self) {
        let mut groups: Vec<_> = self.groups.iter().flat_map(|groups| &groups.groups).map(|group| (group.verdict(), group)).collect();
        self.groups_hidden = groups.len().saturating_sub(URGENT_MAX);
        groups.sort_by_key(|(verdict, group)| {
            std::cmp::Reverse((verdict.map(|lag| lag.verdict), group.lag_records(), std::cmp::Reverse(&group.id)))
        });
        let row = |(verdict, group): (Option<&weir_model::LagVerdict>, &weir_model::Group)| UrgentGroup {
            id: group.id.clone(),
            verdict: verdict.map(|lag| lag.verdict),
            evidence: verdict.map(|lag| Arc::clone(&lag.evidence)).unwrap_or_else(|| "No partition is assigned or committed".into()),
            lag: group.lag_records().map_or_else(|| "–".to_owned(), format::integer),
            state: format!("{}, {}", group.state.as_str(), counted(group.members.len() as u64, "member")),
        };
        self.urgent = groups.into_iter().take(URGENT_MAX).map(row).collect();
    }

    /// Draws the tiles.
    pub(super) fn ui(&self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        const TILES: [(&str, &str, Option<PanelId>); 6] = [
            ("Records written", "Records per second written to all topics, from the offsets of two readings", None),
            ("Bytes written", "Stored bytes per second of all topics, where the cluster tells sizes", None),
            ("Topics", "Topics that users made; Kafka's own are not counted", Some(TOPICS)),
            ("Stored", "High watermark less log start offset over all partitions: an upper bound on compacted topics", Some(TOPICS)),
            ("Consumer groups", "Groups with members or committed offsets", Some(CONSUMERS)),
            ("Total lag", "Records behind the end, over all groups and all partitions with a commit", Some(CONSUMERS)),
        ];
        grid(ui, "tiles", &SPANS, LastCell::Grows, |ui, at, _height| {
            let (Some((label, help, panel)), Some(tile)) = (TILES.get(at), self.tiles.get(at)) else { return 0.0 };
            let history = match at {
                0 => &self.records_history[..],
                1 => &self.bytes_history,
                _ => &[],
            };
            let shown = StatTile { label, value: &tile.value, unit: tile.unit, note: &tile.note, history, help }.show(ui);
            if let Some(panel) = panel {
                let pressed = shown.interact(Sense::click()).on_hover_cursor(CursorIcon::PointingHand);
                pressed.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Open {label}")));
                if pressed.clicked() {
                    cx.push(Command::Navigate(Route::Panel(panel)));
                }
            }
            shown.rect.height()
        });
    }
}

fn newest(series: &Series) -> Vec<f64> {
    let skipped = series.points().len().saturating_sub(HISTORY_POINTS);
    series.points().skip(skipped).map(|(_, value)| value).collect()
}

fn tiles(cluster: Option<&ClusterSnapshot>, groups: Option<&GroupsSnapshot>) -> [TileText; 6] {
    let rates = cluster.and_then(ClusterSnapshot::rates);
    let bytes_per_s = rates.and_then(|rates| rates.bytes_per_s);
    let sum =
        |of: &dyn Fn(&weir_model::Topic) -> Option<u64>| cluster.and_then(|cluster| cluster.user_topics().map(of).sum::<Option<u64>>());
    let records = sum(&|topic| topic.records());
    let bytes = sum(&|topic| topic.bytes());
    let partitions = cluster.map(|cluster| cluster.user_topics().map(|topic| topic.partitions.len() as u64).sum::<u64>());
    let lag = groups.and_then(|groups| groups.groups.iter().filter_map(weir_model::Group::lag_records).reduce(u64::saturating_add));
    let behind = groups.map(|groups| {
        let is_behind = |group: &&weir_model::Group| group.verdict().is_some_and(|lag| lag.verdict >= Verdict::FallingBehind);
        groups.groups.iter().filter(is_behind).count() as u64
    });
    let topics = cluster.map(|cluster| cluster.user_topics().count() as u64);
    let noted = |count: Option<u64>, noun: &str| count.map(|count| counted(count, noun)).unwrap_or_default();
    [
        TileText::new(rates.map(|rates| format::si(rates.records_per_s)), "/s", ""),
        TileText::new(bytes_per_s.map(format::bytes), "/s", ""),
        TileText::new(topics.map(format::integer), "", noted(partitions, "partition")),
        TileText::new(bytes.map(|bytes| format::bytes(bytes as f64)), "", noted(records, "record")),
        TileText::new(
            groups.map(|groups| format::integer(groups.groups.len() as u64)),
            "",
            behind
                .map(|count| if count == 0 { "none needs a look".to_owned() } else { format!("{count} need a look") })
                .unwrap_or_default(),
        ),
        TileText::new(lag.map(format::integer), "", if groups.is_some() && lag.is_none() { "no commits yet" } else { "records" }),
    ]
}
