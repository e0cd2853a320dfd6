//! The widgets of what comes after the sessions: lanes, flows, devices, what happened, recommendations, attribution.

use std::collections::BTreeMap;

use weir_model::{Cell, FeedEntry, FlowEdge, FlowNode, Gauge, Severity, Span, TimestampMs, TopRow, Widget, WidgetBody};

use super::{
    Fold,
    widgets::{column, widget},
};
use crate::pipelines::clickstream::{
    records::DeviceCount,
    settings::{ATTRIBUTION, DEVICES, FUNNEL, OFFERS, PAIRS, SALES},
};

/// All of them, in reading order.
pub(super) fn all(fold: &Fold) -> Vec<Widget> {
    vec![
        fold.lanes.widget(fold.stream_time()),
        flows(fold),
        devices(fold),
        happened(fold),
        recommendations(fold),
        hit_rate(fold),
        attribution(fold),
        sales(fold),
    ]
}

fn flows(fold: &Fold) -> Widget {
    let funnel = fold.funnel();
    let bounced = fold.bounced().min(funnel.view.saturating_sub(funnel.add_to_cart));
    let node = |label: &str, count: u64, severity| FlowNode { label: label.into(), note: count.to_string().into(), severity };
    let around = funnel.view.saturating_sub(funnel.add_to_cart + bounced);
    let back = (fold.taken.len() as u64).min(funnel.purchase);
    let left = funnel.add_to_cart.saturating_sub(funnel.purchase);
    let nodes = vec![
        node("Came", funnel.view, Severity::Neutral),
        node("One page and gone", bounced, Severity::Warning),
        node("Looked around", around, Severity::Neutral),
        node("Filled a cart", funnel.add_to_cart, Severity::Info),
        node("Left it behind", left, Severity::Warning),
        node("Paid", funnel.purchase, Severity::Ok),
        node("Back for an offer", back, Severity::Ok),
    ];
    let edge = |from, to, value: u64| FlowEdge { from, to, value: value as f64 };
    let mut edges =
        vec![edge(0, 1, bounced), edge(0, 2, around), edge(0, 3, funnel.add_to_cart), edge(3, 4, left), edge(3, 5, funnel.purchase - back)];
    if back > 0 {
        edges.extend([edge(3, 6, back), edge(6, 5, back)]);
    }
    let help =
        "Where sessions go, open ones included; a bounce is known when its session is closed. Who left a cart may come back for an offer";
    widget("flows", "Where visitors go", help, Span::Half, FUNNEL, WidgetBody::Sankey { unit: "sessions".into(), nodes, edges })
}

fn devices(fold: &Fold) -> Widget {
    let mut sums: BTreeMap<&str, DeviceCount> = BTreeMap::new();
    for (device, count) in fold.devices.values().flat_map(|of| &of.devices) {
        let sum = sums.entry(device).or_default();
        sum.sessions += count.sessions;
        sum.bounced += count.bounced;
        sum.converted += count.converted;
    }
    let share = |part: u64, of: u64| Cell::Percent(part as f64 / of.max(1) as f64 * 100.0);
    let row = |(device, count): (&&str, &DeviceCount)| {
        let name = if device.is_empty() { "unknown" } else { device };
        let sessions = Cell::Integer(count.sessions.cast_signed());
        vec![Cell::Text(name.into()), sessions, share(count.bounced, count.sessions), share(count.converted, count.sessions)]
    };
    let columns = vec![column("Device", false), column("Sessions", true), column("One page", true), column("Paid", true)];
    let body = WidgetBody::Table { columns, rows: sums.iter().map(row).collect() };
    widget("devices", "By device", "Closed sessions: how many were one page and gone, how many paid", Span::Half, DEVICES, body)
}

fn happened(fold: &Fold) -> Widget {
    let offer = |offer: &crate::pipelines::clickstream::records::Offer| FeedEntry {
        at: TimestampMs(offer.at),
        severity: Severity::Info,
        text: format!(
            "{} left {:.2} EUR in the cart: {} % off {}",
            offer.user_id,
            offer.value_minor as f64 / 100.0,
            offer.percent,
            offer.item_id
        )
        .into(),
    };
    let bot = |bot: &crate::pipelines::clickstream::records::Bot| FeedEntry {
        at: TimestampMs(bot.at),
        severity: Severity::Warning,
        text: format!("{} is a robot: {} events in {} s", bot.user_id, bot.events, (bot.at - bot.start) / 1_000).into(),
    };
    let mut entries: Vec<_> = fold.offers.iter().map(offer).chain(fold.bots.iter().map(bot)).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    let help = "Offers to those who filled a cart and fell silent for ten minutes, and robots as they are found";
    widget("happened", "Offers and robots", help, Span::Half, OFFERS, WidgetBody::Feed { entries })
}

fn recommendations(fold: &Fold) -> Widget {
    let row = |look: &super::Look| {
        let text = |text: &str| Cell::Text(text.into());
        let outcome = if look.is_hit { "recommended" } else { "found alone" };
        vec![text(look.user_id.as_str()), text(look.from.as_str()), text(&look.shown), text(look.to.as_str()), text(outcome)]
    };
    let titles = ["User", "Looked at", "Recommended then", "Then looked at", "Outcome"];
    let columns = titles.map(|title| column(title, false)).into();
    let body = WidgetBody::Table { columns, rows: fold.looks.iter().map(row).collect() };
    let help =
        "What goes with an item, learnt from what visitors look at next (a look counts half after an hour), beside what they did look at";
    widget("recommendations", "Recommendations, and what was looked at then", help, Span::TwoThirds, PAIRS, body)
}

fn hit_rate(fold: &Fold) -> Widget {
    let (rate, popular) = fold.hit_rate.hits().rates();
    let gauge = |label: &str, value: f64, good| Gauge {
        label: label.into(),
        value: (fold.hit_rate.hits().looks > 0).then_some(value * 100.0),
        unit: "%".into(),
        decimals: 1,
        bounds: (0.0, 100.0),
        good,
    };
    let gauges = vec![gauge("Ten recommended", rate, (popular * 100.0, 100.0)), gauge("Ten most wanted", popular, (0.0, 100.0))];
    let help = "How often the next item looked at was among ten: recommended ones, against the most wanted of all";
    widget("hit_rate", "How often ten guesses hit", help, Span::Third, PAIRS, WidgetBody::Gauges { gauges })
}

fn attribution(fold: &Fold) -> Widget {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for (campaign, revenue_minor) in fold.attributed.values() {
        *sums.entry(campaign.clone()).or_default() += revenue_minor;
    }
    let rows = ranked(sums.into_iter());
    let help = "What purchases earned, by the last advertisement that each buyer followed within the hour before";
    widget("attribution", "Earned by advertisements", help, Span::Half, ATTRIBUTION, WidgetBody::TopK { unit: "EUR".into(), rows })
}

fn sales(fold: &Fold) -> Widget {
    let name = |category: &str| if category.is_empty() { "not in the catalogue".to_owned() } else { category.to_owned() };
    let rows = ranked(fold.sales.values().map(|sales| (name(&sales.category), sales.revenue_minor)));
    let help = "What purchases earned, by the category that the catalogue says; every task has the catalogue whole";
    widget("sales", "Earned by category", help, Span::Half, SALES, WidgetBody::TopK { unit: "EUR".into(), rows })
}

/// The ten that earned most.
fn ranked(sums: impl Iterator<Item = (String, i64)>) -> Vec<TopRow> {
    let mut rows: Vec<_> = sums.map(|(label, minor)| TopRow { label: label.into(), value: minor as f64 / 100.0 }).collect();
    rows.sort_by(|a, b| b.value.total_cmp(&a.value));
    rows.truncate(10);
    rows
}
