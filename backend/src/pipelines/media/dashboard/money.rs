//! Ads: what is spent of each budget, and how many requests get an ad.

use std::sync::Arc;

use weir_model::{Cell, Column, Gauge, Line, Span, TimestampMs, Widget, WidgetBody};

use super::{AD_SLOT_MS, Fold, Watched, widgets::widget};
use crate::pipelines::media::settings::{AD_DECISIONS, AD_SESSIONS, CHARGES, SPEND};

/// Millionths in one of the currency.
const MICROS: f64 = 1e6;

/// The figures that come first.
pub(super) fn tiles(fold: &Fold) -> [Widget; 3] {
    [spent(fold), fill_rate(fold), latency(fold)]
}

pub(super) fn all(fold: &Fold) -> Vec<Widget> {
    vec![budgets(fold), pacing(fold), watched(fold), seen(fold)]
}

fn spent(fold: &Fold) -> Widget {
    let value = fold.spend.values().map(|spend| spend.spent_micros).sum::<i64>() as f64 / MICROS;
    let body = WidgetBody::Number { value: Some(value), unit: "EUR".into(), decimals: 2, history: Arc::default() };
    widget("ad_revenue", "Billed", "Impressions that were shown, each billed once", Span::Tile, SPEND, body)
}

fn fill_rate(fold: &Fold) -> Widget {
    let value = (fold.decided > 0).then(|| fold.filled as f64 * 100.0 / fold.decided as f64);
    let body = WidgetBody::Number { value, unit: "%".into(), decimals: 1, history: Arc::default() };
    widget("fill_rate", "Requests with an ad", "The rest found no campaign below its cap with budget left", Span::Tile, AD_DECISIONS, body)
}

fn latency(fold: &Fold) -> Widget {
    let body = WidgetBody::Number { value: fold.latency.percentile_ms(99.0), unit: "ms".into(), decimals: 2, history: Arc::default() };
    let help = "From a request's arrival in the task that decides to the ad: 99 of 100 took at most this long; the budget is 10 ms";
    widget("ad_latency", "Ad decision, p99", help, Span::Tile, AD_DECISIONS, body)
}

fn budgets(fold: &Fold) -> Widget {
    let gauge = |(id, campaign): (&String, &crate::sim::media::Campaign)| {
        let spent = fold.spend.get(id).map_or(0, |spend| spend.spent_micros);
        let budget = (campaign.budget_micros as f64 / MICROS).max(f64::MIN_POSITIVE);
        let planned = fold.newest_ms.map_or(campaign.budget_micros, |now_ms| campaign.planned_micros(now_ms)) as f64 / MICROS;
        Gauge {
            label: id.as_str().into(),
            value: Some(spent as f64 / MICROS),
            unit: "EUR".into(),
            decimals: 2,
            bounds: (0.0, budget),
            good: (0.0, planned.min(budget)),
        }
    };
    let body = WidgetBody::Gauges { gauges: fold.campaigns.iter().map(gauge).collect() };
    widget(
        "budgets",
        "Budgets",
        "What each campaign has spent of its budget, never a cent more; marked is what is planned by now",
        Span::Half,
        SPEND,
        body,
    )
}

/// Campaigns in the chart of paces: more lines could not be told from each other.
const PACES_SHOWN: usize = 4;

/// Planned and actual, by campaign: on its plan a campaign is at 100 %. Of many campaigns, those with the largest budgets.
fn pacing(fold: &Fold) -> Widget {
    let line = |(campaign, pace): (&String, &std::collections::BTreeMap<i64, f64>)| Line {
        name: campaign.as_str().into(),
        points: pace.iter().map(|(start_ms, percent)| (TimestampMs(*start_ms), *percent)).collect(),
    };
    let budget = |campaign: &str| fold.campaigns.get(campaign).map_or(0, |campaign| campaign.budget_micros);
    let mut shown: Vec<_> = fold.paces.iter().collect();
    shown.sort_by_key(|(campaign, _)| std::cmp::Reverse(budget(campaign)));
    shown.truncate(PACES_SHOWN);
    shown.sort_by_key(|(campaign, _)| *campaign);
    let body = WidgetBody::TimeSeries { unit: "% of plan".into(), lines: shown.into_iter().map(line).collect(), bands: Vec::new() };
    let help = "What each campaign has spent of what its plan allows by then: leases are handed out no faster than its flight goes on; below \
                100 % too few requests are for it. The largest budgets are shown";
    widget("pacing", "Pacing", help, Span::Half, SPEND, body)
}

/// How far ads are watched: a line by campaign, read from left to right.
fn watched(fold: &Fold) -> Widget {
    let columns = ["Campaign", "Shown", "A quarter", "Half", "3 quarters", "Whole", "Clicked", "Broke off"];
    let columns = columns.iter().enumerate().map(|(at, title)| Column { title: (*title).into(), is_number: at > 0 }).collect();
    let row = |(campaign, watched): (&String, &Watched)| {
        let shown = watched.reached[0].max(1) as f64;
        let percent = |count: u64| Cell::Percent(count as f64 * 100.0 / shown);
        let quarters = watched.reached[1..].iter().map(|count| percent(*count));
        let first = [Cell::Text(campaign.as_str().into()), Cell::Integer(watched.reached[0].cast_signed())];
        first.into_iter().chain(quarters).chain([percent(watched.clicked), percent(watched.broken)]).collect()
    };
    let body = WidgetBody::Table { columns, rows: fold.watched.iter().map(row).collect() };
    let help = "Of the ads that were shown, the percentage that was watched so far, clicked, or broke off; told when an ad is over or nothing is heard of it for half a minute";
    widget("ads_watched", "How ads are watched", help, Span::TwoThirds, AD_SESSIONS, body)
}

fn seen(fold: &Fold) -> Widget {
    // The newest slot is not full yet.
    let slots = || fold.ads.iter().take(fold.ads.len().saturating_sub(1));
    let per_second = |count: u64| count as f64 * 1e3 / AD_SLOT_MS as f64;
    let line = |name: &str, of: fn(&(u64, u64)) -> u64| Line {
        name: name.into(),
        points: slots().map(|(start_ms, slot)| (TimestampMs(*start_ms), per_second(of(slot)))).collect(),
    };
    let lines = vec![line("decided", |slot| slot.0), line("seen and billed", |slot| slot.1)];
    let help = "Only what is seen is paid for; when the ad server is slow, players go on without";
    widget(
        "ads_seen",
        "Ads decided and seen",
        help,
        Span::Third,
        CHARGES,
        WidgetBody::TimeSeries { unit: "ads/s".into(), lines, bands: Vec::new() },
    )
}
