//! Quality and incidents.

use std::{collections::BTreeSet, sync::Arc};

use weir_model::{Cell, Column, HeatRow, Incident as Card, Line, Severity, Source, Span, TimestampMs, TopRow, Widget, WidgetBody};

use super::{Fold, Share};
use crate::pipelines::{
    media::{
        records::{Counts, Incident, IncidentState, TitleStats},
        settings::{AB, CUBE, INCIDENTS, ROOMS, SLICES, TITLE_STATS},
    },
    shape::experiment,
};

/// Slices whose mean the grid shows: some twelve seconds.
const NOW_SLICES: usize = 3;
/// Rows of the list of titles.
const TITLES_MAX: usize = 10;
/// From this share of bad views on a cell of the grid takes on colour, and from the other on it has all of it, in percent.
const HEAT_SCALE: (f64, f64) = (3.0, 40.0);

/// The figures that come first.
pub(super) fn tiles(fold: &Fold) -> [Widget; 3] {
    [bad_views(fold), viewers(fold), open(fold)]
}

pub(super) fn all(fold: &Fold) -> Vec<Widget> {
    vec![incidents(fold), grid(fold), by_cdn(fold), starts(fold), titles(fold), trending(fold), ab(fold), retention(fold)]
}

pub(super) fn widget(id: &str, title: &str, help: &str, span: Span, topic: &str, body: WidgetBody) -> Widget {
    Widget { id: id.into(), title: title.into(), help: help.into(), span, source: Source::Topic(topic.into()), body }
}

fn bad_views(fold: &Fold) -> Widget {
    let history: Arc<[f64]> = fold.slices.values().filter_map(|quality| quality.all.percent()).collect();
    let body = WidgetBody::Number { value: history.last().copied(), unit: "%".into(), decimals: 1, history };
    widget(
        "bad_views",
        "Bad views",
        "Reports of players that failed to start, died, or waited a tenth of the time",
        Span::Tile,
        SLICES,
        body,
    )
}

fn viewers(fold: &Fold) -> Widget {
    let value: u64 = fold.rooms.values().filter_map(|windows| windows.back()).map(|stats| stats.viewers).sum();
    let value = (!fold.rooms.is_empty()).then_some(value as f64);
    let body = WidgetBody::Number { value, unit: "viewers".into(), decimals: 0, history: Arc::default() };
    widget("live_viewers", "In live rooms", "Viewers who joined and were heard of within a minute", Span::Tile, ROOMS, body)
}

fn open(fold: &Fold) -> Widget {
    let body = WidgetBody::Number { value: Some(fold.open().count() as f64), unit: "open".into(), decimals: 0, history: Arc::default() };
    widget("open_incidents", "Incidents", "Incidents that are not over", Span::Tile, INCIDENTS, body)
}

fn incidents(fold: &Fold) -> Widget {
    let help = "What fails more often than usual, and the combination of attributes that explains it best";
    let body = WidgetBody::Incidents { incidents: fold.incidents.iter().map(card).collect() };
    widget("incidents", "Incidents and their cause", help, Span::TwoThirds, INCIDENTS, body)
}

fn card(incident: &Incident) -> Card {
    let title = incident.cause.attributes.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" × ");
    let fact = |name: &str, value: String| (Arc::from(name), Arc::from(value));
    let (state, severity) = match incident.state {
        IncidentState::Open => ("to be confirmed", Severity::Critical),
        IncidentState::Ongoing => ("ongoing", Severity::Critical),
        IncidentState::Recovering => ("recovering", Severity::Warning),
        IncidentState::Closed => ("resolved", Severity::Ok),
    };
    // Given data knows no viewers.
    let audience = if incident.viewers > 0 { ("viewers now", incident.viewers) } else { ("views now", incident.views) };
    let mut facts = vec![
        fact(audience.0, audience.1.to_string()),
        fact("bad beyond the usual", format!("{:.0} %", incident.extra_share * 100.0)),
        fact("at its worst", format!("{:.0} %", incident.peak_share * 100.0)),
    ];
    if let Some(before) = incident.bad_before {
        facts.push(fact(
            "its viewers' bad views",
            format!("{:.0} % before the remedy, {:.0} % now", before * 100.0, incident.bad_now * 100.0),
        ));
    }
    if let Some(next) = incident.alternatives.first() {
        facts.push(fact("confidence", format!("{:.0} %", confidence(incident) * 100.0)));
        let name = next.attributes.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" × ");
        facts.push(fact("next best", format!("{name}, {:.0} % as good", next.score * 100.0 / incident.cause.score.max(1e-9))));
    }
    Card {
        title: title.into(),
        severity,
        state: state.into(),
        from: TimestampMs(incident.since_ms),
        to: incident.closed_ms.map(TimestampMs),
        facts,
        note: incident.remedy.clone().unwrap_or_default().into(),
        source: Source::Topic(INCIDENTS.into()),
    }
}

/// How probable the cause is among all that were looked at, if each was as likely before: scores are logarithms of likelihoods.
fn confidence(incident: &Incident) -> f64 {
    let others = incident.alternatives.iter().map(|other| (other.score - incident.cause.score).exp());
    1.0 / (1.0 + others.sum::<f64>())
}

fn grid(fold: &Fold) -> Widget {
    let newest: Vec<_> = fold.slices.values().rev().take(NOW_SLICES).collect();
    let cells = || newest.iter().flat_map(|quality| quality.by_cdn_and_region.keys());
    let (cdns, regions): (BTreeSet<_>, BTreeSet<_>) = (cells().map(|(cdn, _)| cdn).collect(), cells().map(|(_, region)| region).collect());
    let percent = |cdn: &String, region: &String| {
        let mut share = Share::default();
        for of in newest.iter().filter_map(|quality| quality.by_cdn_and_region.get(&(cdn.clone(), region.clone()))) {
            share.add(of.total, of.failures);
        }
        share.percent()
    };
    let row = |cdn: &&String| HeatRow {
        label: cdn.as_str().into(),
        values: regions.iter().map(|region| percent(cdn, region)).collect(),
        names: Vec::new(),
    };
    let body = WidgetBody::Heat {
        unit: "%".into(),
        decimals: 1,
        columns: regions.iter().map(|region| region.as_str().into()).collect(),
        rows: cdns.iter().map(row).collect(),
        scale: HEAT_SCALE,
        severity: Severity::Critical,
        states: Vec::new(),
    };
    widget("cdn_by_region", "Bad views by CDN and region", "Over the newest twelve seconds", Span::Third, SLICES, body)
}

fn by_cdn(fold: &Fold) -> Widget {
    let cdns: BTreeSet<_> = fold.slices.values().flat_map(|quality| quality.by_cdn_and_region.keys()).map(|(cdn, _)| cdn.clone()).collect();
    let line = |cdn: String| {
        let point = |(start_ms, quality): (&i64, &super::Quality)| {
            let mut share = Share::default();
            for (_, of) in quality.by_cdn_and_region.iter().filter(|((known, _), _)| *known == cdn) {
                share.add(of.total, of.failures);
            }
            Some((TimestampMs(*start_ms), share.percent()?))
        };
        let points = fold.slices.iter().filter_map(point).collect();
        Line { name: cdn.as_str().into(), points }
    };
    let body = WidgetBody::TimeSeries { unit: "% bad".into(), lines: cdns.into_iter().map(line).collect(), bands: Vec::new() };
    widget("bad_by_cdn", "Bad views by CDN", "A remedy shows as a fall: players of the sick cell have moved", Span::TwoThirds, SLICES, body)
}

/// What became of those who pressed play: of all, and by CDN.
fn starts(fold: &Fold) -> Widget {
    let mut all = Counts::default();
    fold.by_cdn.values().for_each(|counts| all.add(counts));
    let row = |(name, counts): (&str, &Counts)| {
        let percent = |count: u64| Cell::Percent(count as f64 * 100.0 / counts.attempts.max(1) as f64);
        vec![
            Cell::Text(name.into()),
            Cell::Integer(counts.attempts.cast_signed()),
            percent(counts.start_failures),
            percent(counts.exits_before_start),
        ]
    };
    let by_cdn = fold.by_cdn.iter().map(|(cdn, counts)| (cdn.as_str(), counts));
    let rows = (!fold.by_cdn.is_empty()).then_some(("all", &all)).into_iter().chain(by_cdn).map(row).collect();
    let columns = [("CDN", false), ("Starts", true), ("Failed", true), ("Left", true)];
    let columns = columns.map(|(title, is_number)| Column { title: title.into(), is_number }).into();
    let help = "Of those who pressed play within the newest whole minute: the starts that failed, and the viewers who left before the first \
                picture, because it took too long";
    widget("starts", "Starts", help, Span::Third, CUBE, WidgetBody::Table { columns, rows })
}

fn trending(fold: &Fold) -> Widget {
    let now_ms = fold.newest_ms.unwrap_or_default();
    let mut rows: Vec<_> = fold.titles.iter().map(|(title, stats)| (title, stats.recent_at(now_ms))).collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let rows = rows.into_iter().take(TITLES_MAX);
    let rows = rows.map(|(title, recent_ms)| TopRow { label: title.as_str().into(), value: recent_ms as f64 / 60_000.0 }).collect();
    let body = WidgetBody::TopK { unit: "min".into(), rows };
    widget(
        "trending",
        "Watched now",
        "Minutes watched of late, halving every two minutes; the home row follows",
        Span::Third,
        TITLE_STATS,
        body,
    )
}

fn titles(fold: &Fold) -> Widget {
    let all = most_watched(fold);
    let integer = |count: u64| Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    let rows = all.into_iter().take(TITLES_MAX).map(|(title, stats)| {
        let percent = |count: u64| Cell::Percent(count as f64 * 100.0 / stats.starts as f64);
        vec![
            Cell::Text(title.as_str().into()),
            Cell::Text(fold.catalogue.get(title.as_str()).map_or("", |title| title.genre.as_str()).into()),
            integer(stats.starts),
            integer(stats.viewers),
            Cell::Integer(stats.watched_ms / 60_000),
            percent(stats.retention[4]),
            percent(stats.completions),
            stats.stars_mean().map_or_else(|| Cell::Text("–".into()), |mean| Cell::Float((mean * 100.0).round() / 100.0)),
            integer(stats.ratings),
            Cell::Float(stats.bad_per_minute().unwrap_or(0.0)),
        ]
    });
    let columns = [
        ("Title", false),
        ("Genre", false),
        ("Plays", true),
        ("Viewers", true),
        ("Minutes", true),
        ("Saw half", true),
        ("Saw all", true),
        ("Stars", true),
        ("Ratings", true),
        ("Stalls/min", true),
    ];
    let columns = columns.map(|(title, is_number)| Column { title: title.into(), is_number }).into();
    let help = "Since the start of the run: plays, viewers, minutes watched, how many saw half of it or the whole, and the mean of the stars it was given; stalls a minute are of late. What is live \
                has no end to reach";
    widget("titles", "Titles", help, Span::Full, TITLE_STATS, WidgetBody::Table { columns, rows: rows.collect() })
}

/// How far viewers get: a curve by title, read from left to right.
fn retention(fold: &Fold) -> Widget {
    let on_demand = most_watched(fold).into_iter().filter(|(title, _)| !title.starts_with("live-")).take(TITLES_MAX);
    let row = |(title, stats): (&String, &TitleStats)| HeatRow {
        label: title.as_str().into(),
        values: stats.retention.iter().map(|count| Some(*count as f64 * 100.0 / stats.starts as f64)).collect(),
        names: Vec::new(),
    };
    let body = WidgetBody::Heat {
        unit: "%".into(),
        decimals: 0,
        columns: (1..=10).map(|tenth| (tenth * 10).to_string().into()).collect(),
        rows: on_demand.map(row).collect(),
        scale: (0.0, 100.0),
        severity: Severity::Ok,
        states: Vec::new(),
    };
    let help = "Of all plays of a title, the share that reached each tenth of it, in percent from left to right; who still watches may yet";
    widget("retention", "How far viewers get", help, Span::Third, TITLE_STATS, body)
}

fn ab(fold: &Fold) -> Widget {
    let sides: Vec<_> = fold.sides.iter().map(|(name, side)| (name.as_str(), (side.stayed, side.sessions))).collect();
    let help = "Viewers who watched for half a minute, of those who did or left before, with Wilson's 95 % interval. B tells what a title is \
                about before it starts. The difference has an always-valid interval (mixture SPRT): one may look at any time and stop";
    let body = experiment(&sides, "keeps more viewers than", "viewers who stayed or left");
    widget("ab", "A/B: who stays", help, Span::Third, AB, body)
}

fn most_watched(fold: &Fold) -> Vec<(&String, &TitleStats)> {
    let mut all: Vec<_> = fold.titles.iter().filter(|(_, stats)| stats.starts > 0).collect();
    all.sort_by(|a, b| b.1.watched_ms.cmp(&a.1.watched_ms).then_with(|| a.0.cmp(b.0)));
    all
}
