//! From a figure to the records behind it.

use weir_model::{Cell, MessageQuery, QueryId, Start, Trace, Widget};

use super::{open_source, widget::source};
use crate::panels::{Command, PanelContext, Route};

/// Records of each partition that are searched for a label.
const SEARCHED_RECORDS: u64 = 50_000;
/// Records shown.
const SHOWN_RECORDS: usize = 200;

/// Shows the records of a trace in the messages panel; nothing where there is no trace.
pub(super) fn open(trace: Option<Trace>, cx: &mut PanelContext<'_>) {
    if let Some(trace) = trace {
        cx.push(Command::Navigate(Route::Query(query(trace))));
    }
}

/// What a link says.
pub(super) fn words(trace: &Trace) -> String {
    match &trace.contains {
        Some(label) => format!("Show the records of {label} in {}", trace.topic),
        None => format!("Show the records of that time in {}", trace.topic),
    }
}

/// Shows the records of what a label names, or else where the widget's figures come from.
pub(super) fn open_of(widget: &Widget, label: &str, cx: &mut PanelContext<'_>) {
    match widget.records_with(label) {
        Some(records) => open(Some(records), cx),
        None => cx.push(open_source(&widget.source)),
    }
}

/// What a link to that says.
pub(super) fn words_of(widget: &Widget, label: &str) -> String {
    widget.records_with(label).as_ref().map_or_else(|| format!("Open {}", source(&widget.source)), words)
}

/// The records behind a row of a table: its first text is what the row is about.
pub(super) fn of_row(widget: &Widget, row: &[Cell]) -> Option<Trace> {
    let text = row.iter().find_map(|cell| if let Cell::Text(text) = cell { Some(text) } else { None });
    let time = row.iter().find_map(|cell| if let Cell::Time(at) = cell { Some(*at) } else { None });
    text.and_then(|text| widget.records_with(text)).or_else(|| widget.records_from(time?))
}

fn query(trace: Trace) -> MessageQuery {
    let newest = if trace.contains.is_some() { Start::Last(SEARCHED_RECORDS) } else { Start::Newest };
    MessageQuery {
        id: QueryId(0), // the messages panel gives it a fresh one
        topic: trace.topic,
        partitions: None,
        start: trace.from.map_or(newest, Start::Timestamp),
        limit: SHOWN_RECORDS,
        follow: false,
        contains: trace.contains.unwrap_or_else(|| "".into()),
    }
}

#[cfg(test)]
mod tests {
    use weir_model::{Source, Span, TimestampMs, WidgetBody};

    use super::*;

    #[test]
    fn a_row_leads_to_the_records_that_hold_its_name_or_its_time() {
        let widget = Widget {
            id: "w".into(),
            title: "W".into(),
            help: "".into(),
            span: Span::Half,
            source: Source::Topic("t".into()),
            body: WidgetBody::Feed { entries: Vec::new() },
        };
        let check = |row: &[Cell], expect: Option<(Start, &str)>| {
            let query = of_row(&widget, row).map(query);
            assert_eq!(query.as_ref().map(|query| (query.start, &*query.contains)), expect);
        };
        let at = Cell::Time(TimestampMs(7));
        check(&[Cell::Text("user-7".into()), at.clone()], Some((Start::Last(SEARCHED_RECORDS), "user-7")));
        check(&[at, Cell::Text("left the cart".into())], Some((Start::Timestamp(TimestampMs(7)), "")));
        check(&[Cell::Text("Too late for its window".into()), Cell::Integer(3)], None);
        let of_group = Widget { source: Source::Group("g".into()), ..widget.clone() };
        assert_eq!(of_row(&of_group, &[Cell::Text("user-7".into())]), None);
    }
}
