//! The widgets, from the fold.

use std::sync::Arc;

use weir_model::{
    Cell, Column, EditorRow, FeedEntry, FlowEdge, FlowNode, Line, MapPoint, QueueRow, Severity, Source, Span, TimestampMs, Widget,
    WidgetBody, grouped,
};

use super::{Day, Fold, desk, ranking::Point, terminals::Known};
use crate::pipelines::fraud::{
    TerminalId,
    records::{Action, Case, Ring},
    rules::RuleText,
    settings::{ALERTS, CASES, CHARGEBACKS, DAY_MS, DECISIONS, EXAMPLES, RINGS, RULES, TRUTH},
};
use crate::{sim::fraud::Scenario as Crime, truth::fraud::Delay};

/// Cases shown of the queue.
const CASES_SHOWN: usize = 12;
/// Terminals shown of the risky ones.
const TERMINALS_SHOWN: usize = 10;
/// Accounts, devices and addresses drawn of a ring.
const RING_NODES_MAX: usize = 40;

/// All widgets.
pub(super) fn all(fold: &Fold, now: TimestampMs) -> Vec<Widget> {
    let mut widgets = tiles(fold, now);
    widgets.push(map(fold));
    widgets.push(feed(fold));
    widgets.push(value(fold));
    widgets.push(quality(fold));
    widgets.push(ranking(fold));
    widgets.push(queue(fold));
    widgets.push(terminals(fold));
    widgets.push(ring(fold));
    widgets.push(crimes(fold));
    widgets.push(rules(fold));
    widgets
}

fn tiles(fold: &Fold, now: TimestampMs) -> Vec<Widget> {
    let total = fold.total();
    let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64 * 100.0);
    let tile = |id, title, help, topic, unit: &str, decimals, value: Option<f64>, history: Arc<[f64]>| {
        let body = WidgetBody::Number { value, unit: unit.into(), decimals, history };
        widget(id, title, help, Span::Tile, topic, body)
    };
    // The running second is not over, and seconds without a decision are zero.
    let this_second = now.0.div_euclid(1_000);
    let per_s: Arc<[f64]> = (this_second - 30..this_second).map(|second| fold.seconds.get(&second).copied().unwrap_or(0) as f64).collect();
    let of_days = |of: &dyn Fn(&Day) -> Option<f64>| -> Arc<[f64]> { fold.days.values().filter_map(of).collect() };
    let saved = of_days(&|day| Some(day.saved_minor as f64 / 100.0));
    let recall = |day: &Day| share(day.caught, day.caught + day.missed);
    let precision = |day: &Day| share(day.caught, day.caught + day.false_alarms);
    let none: Arc<[f64]> = Arc::from([]);
    vec![
        tile(
            "decisions_per_s",
            "Decisions",
            "Payments decided in the last second of the wall clock",
            DECISIONS,
            "per s",
            0,
            per_s.last().copied(),
            per_s,
        ),
        tile(
            "recall",
            "Recall",
            "Frauds that were stopped, of those charged back until now",
            CHARGEBACKS,
            "%",
            1,
            recall(&total),
            of_days(&recall),
        ),
        tile(
            "precision",
            "Precision",
            "Stopped payments that were frauds, of those whose label is known",
            CHARGEBACKS,
            "%",
            1,
            precision(&total),
            of_days(&precision),
        ),
        tile(
            "saved",
            "Saved",
            "The amounts of frauds that were stopped, as far as charged back",
            CHARGEBACKS,
            "EUR",
            0,
            Some(total.saved_minor as f64 / 100.0),
            saved,
        ),
        tile(
            "decision_latency",
            "End to end, p99",
            "From a payment's being sent to its decision's being read here: 99 of 100 took at most this long",
            DECISIONS,
            "ms",
            0,
            fold.end_to_end.percentile_ms(99.0),
            Arc::clone(&none),
        ),
        tile(
            "deciding_latency",
            "Deciding, p99",
            "The last step of it, from a payment's arrival in the task that decides to the decision; its budget is 10 ms",
            DECISIONS,
            "ms",
            2,
            fold.deciding.percentile_ms(99.0),
            none,
        ),
    ]
}

fn map(fold: &Fold) -> Widget {
    let point = |decision: &crate::pipelines::fraud::records::Decision| {
        let (latitude, longitude) = decision.place?;
        let severity = match decision.action {
            Action::Allow => Severity::Ok,
            Action::Hold => Severity::Warning,
            Action::Block => Severity::Critical,
        };
        // Why it was stopped stands among the alerts; a sentence would cover half a continent.
        Some(MapPoint {
            label: decision.account_id.to_string().into(),
            latitude,
            longitude,
            value: decision.amount_minor as f64 / 100.0,
            severity,
        })
    };
    let body =
        WidgetBody::Map { unit: "EUR".into(), points: fold.passed_places.iter().chain(&fold.stopped_places).filter_map(point).collect() };
    widget(
        "map",
        "Payments",
        "The newest payments at their terminals: those that passed, and those that were held or blocked",
        Span::TwoThirds,
        DECISIONS,
        body,
    )
}

fn feed(fold: &Fold) -> Widget {
    let is_blocked = |alert: &crate::pipelines::alert::Alert| alert.severity == "critical";
    let entry = |alert: &crate::pipelines::alert::Alert| FeedEntry {
        at: TimestampMs(alert.ts),
        severity: if is_blocked(alert) { Severity::Critical } else { Severity::Warning },
        text: format!(
            "{} {} by {}: {}",
            alert.subject_key,
            if is_blocked(alert) { "blocked" } else { "held" },
            if alert.rule == "model" { "the model" } else { &alert.rule },
            alert.evidence.join("; ")
        )
        .into(),
    };
    // Partitions are not read in step, so that alerts don't come in the order of their time.
    let mut entries: Vec<FeedEntry> = fold.alerts.iter().map(entry).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    let body = WidgetBody::Feed { entries };
    widget("alerts", "Alerts", "Blocked and held payments with the reasons, newest first, in event time", Span::Third, ALERTS, body)
}

fn value(fold: &Fold) -> Widget {
    // Later days look as if there were no frauds, because nobody has told of them yet.
    let told = fold.days.iter().filter(|(_, day)| day.caught + day.missed + day.false_alarms > 0).map(|(day, _)| *day).max();
    let line = |name: &str, of: &dyn Fn(&Day) -> i64| Line {
        name: name.into(),
        points: told
            .into_iter()
            .flat_map(|last| fold.days.range(..=last))
            .map(|(day, figures)| (TimestampMs(day * DAY_MS), of(figures) as f64 / 100.0))
            .collect(),
    };
    let lines = vec![line("Stopped", &|day| day.saved_minor), line("Lost", &|day| day.lost_minor)];
    let help = "The value of frauds by the day they were made, as far as charged back: what was stopped, and what was not";
    widget(
        "value",
        "Value of frauds",
        help,
        Span::Third,
        CHARGEBACKS,
        WidgetBody::TimeSeries { unit: "EUR a day".into(), lines, bands: Vec::new() },
    )
}

fn quality(fold: &Fold) -> Widget {
    let line = |name: &str, of: &dyn Fn(&Day) -> (u64, u64)| {
        let point = |(day, figures): (&i64, &Day)| {
            let (part, rest) = of(figures);
            (part + rest > 0).then(|| (TimestampMs(day * DAY_MS), part as f64 / (part + rest) as f64 * 100.0))
        };
        Line { name: name.into(), points: fold.days.iter().filter_map(point).collect() }
    };
    let lines = vec![line("Recall", &|day| (day.caught, day.missed)), line("Precision", &|day| (day.caught, day.false_alarms))];
    let help = "Precision and recall of what was stopped, and from how many labelled payments the trees have learnt. By the day of the payments: the last week has no labels yet, because frauds are charged back after seven days";
    let title = match fold.model.filter(|_| !fold.is_model_off) {
        Some((.., examples, _)) => format!("Quality, learnt from {} payments", grouped(examples.into())),
        None => "Quality, by rules alone".to_owned(),
    };
    widget("quality", &title, help, Span::Third, CHARGEBACKS, WidgetBody::TimeSeries { unit: "%".into(), lines, bands: Vec::new() })
}

fn ranking(fold: &Fold) -> Widget {
    let line = |name: &str, of: fn(&Point) -> f64| Line {
        name: name.into(),
        points: fold.ranking.points.iter().map(|point| (TimestampMs(point.at_ms), of(point) * 100.0)).collect(),
    };
    let lines = vec![line("Trees", |point| point.trees), line("Online", |point| point.online)];
    let help = "Of a fraud and an honest payment, how often the fraud got the higher score, by what each model said before the label was known: the area \
                under the ROC curve over the newest labelled payments. Trees are grown anew each day, the online regression learns from every label";
    let title = match fold.ranking.examples() {
        0 => "Both models: no labels yet".to_owned(),
        examples => format!("Both models over {} labels", grouped(examples as i128)),
    };
    widget("ranking", &title, help, Span::Third, EXAMPLES, WidgetBody::TimeSeries { unit: "%".into(), lines, bands: Vec::new() })
}

/// The review queue's id.
pub(super) const QUEUE: &str = "queue";

fn queue(fold: &Fold) -> Widget {
    let row = |case: &Case| QueueRow {
        subject: case.transaction_id.0.as_str().into(),
        title: format!("{:.2} EUR by {}", case.amount_minor as f64 / 100.0, case.account_id.0).into(),
        detail: case.why.join("; ").into(),
        note: match (case.why_of.is_empty(), case.score) {
            (true, None) => String::new(),
            (true, Some(score)) => format!("score {score:.2}"),
            (false, None) => format!("by {}", case.why_of.join(", ")),
            (false, Some(score)) => format!("score {score:.2}, by {}", case.why_of.join(", ")),
        }
        .into(),
        at: TimestampMs(case.ts),
    };
    let rows = fold.cases.iter().rev().take(CASES_SHOWN).map(row).collect();
    let open = fold.cases_all.saturating_sub(fold.verdicts).max(fold.cases.len() as u64);
    let body = WidgetBody::Queue { rows, waiting: open, verbs: desk::verdict_verbs() };
    let title = format!("Review queue: {} open, {} done", grouped(open.into()), grouped(fold.verdicts.into()));
    widget(
        QUEUE,
        &title,
        "Held payments that wait for somebody to look; each verdict is a label to learn from",
        Span::TwoThirds,
        CASES,
        body,
    )
}

fn ring(fold: &Fold) -> Widget {
    let newest = fold.rings.values().max_by_key(|ring| (ring.since, &ring.ring_id));
    let body = newest.map_or(WidgetBody::Graph { unit: "".into(), nodes: Vec::new(), edges: Vec::new() }, graph);
    let title = newest.map_or_else(
        || "Rings: none found".to_owned(),
        |ring| format!("Newest of {} rings: {} accounts share {} devices", fold.rings.len(), ring.accounts.len(), ring.devices.len()),
    );
    widget("ring", &title, "Accounts connected by the devices and the network address they were used with", Span::Half, RINGS, body)
}

fn graph(ring: &Ring) -> WidgetBody {
    let devices = ring.devices.iter().map(|device| (device.as_str(), "device", Severity::Warning));
    let addresses = ring.addresses.iter().map(|address| (address.as_str(), "address", Severity::Warning));
    let accounts = ring.accounts.iter().map(|account| (account.0.as_str(), "account", Severity::Critical));
    let all: Vec<_> = devices.chain(addresses).chain(accounts).take(RING_NODES_MAX).collect();
    let node =
        |(label, note, severity): &(&str, &str, Severity)| FlowNode { label: (*label).into(), note: (*note).into(), severity: *severity };
    let place = |label: &str, note: &str| all.iter().position(|it| (it.0, it.1) == (label, note));
    let edge = |(account, shared): &(crate::pipelines::fraud::AccountId, String)| {
        Some(FlowEdge {
            from: place(shared, "device").or_else(|| place(shared, "address"))?,
            to: place(&account.0, "account")?,
            value: 1.0,
        })
    };
    let edges = ring.links.iter().filter_map(edge).collect();
    WidgetBody::Graph { unit: "".into(), nodes: all.iter().map(node).collect(), edges }
}

/// How soon each kind of crime was stopped, by what the world knows.
fn crimes(fold: &Fold) -> Widget {
    let count = |count: usize| Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    let never = || Cell::Missing("Most victims' frauds were not stopped at all: the median has no figure".into());
    let payments = |median: f64| if median.fract() == 0.0 { Cell::Integer(median as i64) } else { Cell::Float(median) };
    // The first payment was stopped: no time passed.
    let time = |median_ms: i64| if median_ms == 0 { Cell::Text("at once".into()) } else { Cell::DurationMs(median_ms) };
    let row = |(kind, delay): (Crime, Delay)| {
        vec![
            // As it stands in the truth's records.
            Cell::Text(kind.name().into()),
            count(delay.cards),
            count(delay.found),
            count(delay.missed()),
            delay.payments_median.map_or_else(never, payments),
            delay.ms_median.map_or_else(never, time),
        ]
    };
    let columns = [("Crime", false), ("Victims", true), ("Found", true), ("Missed", true), ("Payments", true), ("Time", true)];
    let body = WidgetBody::Table {
        columns: columns.map(|(title, is_number)| Column { title: title.into(), is_number }).into(),
        rows: fold.crimes.by_kind().into_iter().map(row).collect(),
    };
    let help = "By the generator's truth, in event time: payments and time until the first was stopped, as medians over all victims, those that were never \
                stopped included. A victim is a card, or a terminal that fell to thieves";
    widget("crimes", "How soon crimes are stopped", help, Span::Half, TRUTH, body)
}

/// Which terminals are risky, by what the bank knows.
fn terminals(fold: &Fold) -> Widget {
    let count = |count: usize| Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    let worst = fold.terminals.worst(fold.newest_ms.unwrap_or(0), TERMINALS_SHOWN);
    let row = |(terminal, frauds, known): (&TerminalId, usize, &Known)| {
        vec![Cell::Text(terminal.0.as_str().into()), count(frauds), Cell::Integer(known.stopped.cast_signed())]
    };
    let columns = [("Terminal", false), ("Known frauds", true), ("Stopped since", true)];
    let body = WidgetBody::Table {
        columns: columns.map(|(title, is_number)| Column { title: title.into(), is_number }).into(),
        rows: worst.into_iter().map(row).collect(),
    };
    let help = "At which several frauds of the last 14 days are known, by calls of card holders, verdicts and chargebacks; and payments \
                stopped there since the first was known";
    widget("terminals", "Risky terminals", help, Span::Third, DECISIONS, body)
}

fn rules(fold: &Fold) -> Widget {
    let row = |rule: &RuleText| {
        let fired = fold.fired.get(&rule.rule_id).copied().unwrap_or(0);
        let paused = if rule.is_paused { ", paused" } else { "" };
        EditorRow {
            subject: rule.rule_id.as_str().into(),
            text: desk::written(rule).into(),
            note: format!("fired {} {}{paused}", grouped(fired.into()), if fired == 1 { "time" } else { "times" }).into(),
        }
    };
    let body = WidgetBody::Editor {
        rows: fold.rules.values().map(row).collect(),
        hint: desk::HINT.into(),
        verbs: desk::rule_verbs(),
        answer: fold.desk.answer.as_str().into(),
    };
    widget("rules", "Rules in force", "Read from their topic: publishing a rule is deploying it", Span::Full, RULES, body)
}

fn widget(id: &str, title: &str, help: &str, span: Span, topic: &str, body: WidgetBody) -> Widget {
    Widget { id: id.into(), title: title.into(), help: help.into(), span, source: Source::Topic(topic.into()), body }
}
