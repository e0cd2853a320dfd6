//! Live rooms.

use std::collections::BTreeMap;

use weir_model::{Cell, Column, FeedEntry, Gauge, HeatRow, Line, Severity, Span, TimestampMs, Widget, WidgetBody};

use super::{Fold, widgets::widget};
use crate::pipelines::media::{
    records::RoomStats,
    settings::{MODERATED, ROOMS},
};

/// Windows that count as now: ten seconds.
const NOW_WINDOWS: usize = 5;

pub(super) fn all(fold: &Fold) -> Vec<Widget> {
    vec![viewers(fold), uniques(fold), emoji(fold), moods(fold), hidden(fold)]
}

fn viewers(fold: &Fold) -> Widget {
    let line = |(room, windows): (&String, &std::collections::VecDeque<RoomStats>)| Line {
        name: room.as_str().into(),
        points: windows.iter().map(|stats| (TimestampMs(stats.window_end), stats.viewers as f64)).collect(),
    };
    let body = WidgetBody::TimeSeries { unit: "viewers".into(), lines: fold.rooms.iter().map(line).collect(), bands: Vec::new() };
    widget("room_viewers", "Live rooms", "Viewers of each room, exact", Span::Half, ROOMS, body)
}

fn uniques(fold: &Fold) -> Widget {
    let integer = |count: u64| Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    let row = |(room, windows): (&String, &std::collections::VecDeque<RoomStats>)| {
        let stats = windows.back()?;
        let (exact, roughly) = (stats.unique_viewers, stats.unique_viewers_hll);
        let off = (roughly as f64 - exact as f64) * 100.0 / exact.max(1) as f64;
        Some(vec![Cell::Text(room.as_str().into()), integer(stats.viewers), integer(exact), integer(roughly), Cell::Percent(off)])
    };
    let columns = [("Room", false), ("Here now", true), ("Different, exact", true), ("By sketch", true), ("Off", true)];
    let columns = columns.map(|(title, is_number)| Column { title: title.into(), is_number }).into();
    let help = "Different viewers so far: counted one by one, and by a HyperLogLog sketch of two kilobytes";
    widget(
        "room_uniques",
        "Viewers, exact and sketched",
        help,
        Span::Half,
        ROOMS,
        WidgetBody::Table { columns, rows: fold.rooms.iter().filter_map(row).collect() },
    )
}

fn emoji(fold: &Fold) -> Widget {
    let mut rooms = Vec::new();
    let mut sums = BTreeMap::<&str, u64>::new();
    for (room, windows) in &fold.rooms {
        let mut counts = BTreeMap::<&str, u64>::new();
        for (emoji, count) in windows.iter().rev().take(NOW_WINDOWS).flat_map(|stats| &stats.emoji) {
            *counts.entry(emoji).or_default() += count;
            *sums.entry(emoji).or_default() += count;
        }
        rooms.push((counts.values().sum::<u64>(), room, counts));
    }
    rooms.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let mut emoji: Vec<_> = sums.into_iter().collect();
    emoji.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let most = rooms.iter().flat_map(|(.., counts)| counts.values()).max().copied().unwrap_or(1) as f64;
    let row = |(_, room, counts): &(u64, &String, BTreeMap<&str, u64>)| HeatRow {
        label: room.as_str().into(),
        values: emoji.iter().map(|(name, _)| counts.get(name).map(|count| *count as f64)).collect(),
        names: Vec::new(),
    };
    let body = WidgetBody::Heat {
        unit: String::new().into(),
        decimals: 0,
        columns: emoji.iter().map(|(name, _)| glyph(name).into()).collect(),
        rows: rooms.iter().map(row).collect(),
        scale: (0.0, most),
        severity: Severity::Ok,
        states: Vec::new(),
    };
    widget("emoji", "Emoji wall", "By room, the liveliest first: emoji sent within the newest ten seconds", Span::Third, ROOMS, body)
}

/// An emoji as it is drawn; one that is not known, by its name.
fn glyph(name: &str) -> &str {
    match name {
        "heart" => "❤",
        "laugh" => "😂",
        "clap" => "👏",
        "fire" => "🔥",
        "wow" => "😮",
        "sad" => "😢",
        _ => name,
    }
}

fn moods(fold: &Fold) -> Widget {
    let gauge = |(room, windows): (&String, &std::collections::VecDeque<RoomStats>)| {
        let newest = || windows.iter().rev().take(NOW_WINDOWS);
        let shown: u64 = newest().map(|stats| stats.messages - stats.hidden.min(stats.messages)).sum();
        let sum: f64 = newest().map(|stats| stats.sentiment * (stats.messages - stats.hidden.min(stats.messages)) as f64).sum();
        Gauge {
            label: room.as_str().into(),
            value: (shown > 0).then(|| sum / shown as f64),
            unit: "".into(),
            decimals: 2,
            bounds: (-1.0, 1.0),
            good: (0.0, 1.0),
        }
    };
    let body = WidgetBody::Gauges { gauges: fold.rooms.iter().map(gauge).collect() };
    widget("moods", "Mood", "The mean mood of the messages shown in the newest ten seconds, -1 to 1", Span::Third, ROOMS, body)
}

fn hidden(fold: &Fold) -> Widget {
    let entry = |(at, message): &(TimestampMs, crate::pipelines::media::records::Moderated)| FeedEntry {
        at: *at,
        severity: Severity::Warning,
        text: format!("{} in {}: {}", message.user_id, message.room, message.rules.join(", ")).into(),
    };
    let body = WidgetBody::Feed { entries: fold.hidden.iter().map(entry).collect() };
    widget(
        "hidden",
        "Hidden messages",
        "Whose messages nobody else sees, and the rules that spoke against them",
        Span::Third,
        MODERATED,
        body,
    )
}
