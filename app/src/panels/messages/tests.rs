//! What a user does with messages, click by click.

use std::sync::Arc;

use egui::Key;
use egui_kittest::{Harness, kittest::Queryable as _};
use weir_model::{MessageRow, Offset, PartitionId, PartitionRange, Receipt, Request, Start, StopReason, Update};
use weir_ui_kit::icons;

use super::META;
use crate::panels::{
    Command, Route,
    testing::{Bench, bench, message, updates},
};

fn opened() -> Harness<'static, Bench> {
    let mut harness = bench(&META, updates(), Some(Route::Messages("orders".into())));
    harness.run();
    harness
}

/// Rows of the open query, as the backend would send them.
fn answer(harness: &mut Harness<'static, Bench>, rows: Vec<Arc<MessageRow>>, stopped: Option<StopReason>) {
    let query = harness.state().store.messages.query.clone().expect("a query is open");
    let to = rows.last().map_or(Offset(0), |row| Offset(row.record.offset.0 + 1));
    let range = PartitionRange { partition: PartitionId(0), from: Offset(0), to, records: rows.len() as u64 };
    let receipt = Receipt {
        ranges: vec![range],
        records_scanned: 1_234,
        records_matched: rows.len() as u64,
        bytes_scanned: 2_048,
        stopped,
        elapsed_ms: 85,
    };
    harness.state_mut().store.apply(Update::Messages { id: query.id, rows, receipt: receipt.into() });
    harness.run();
}

#[test]
fn a_link_reads_newest_first_and_follows() {
    let harness = opened();
    let query = harness.state().store.messages.query.clone().expect("a query is open");
    assert_eq!((query.topic.as_str(), query.start, query.follow), ("orders", Start::Newest, true));
    harness.get_by_label("Waiting for records on orders");
    harness.get_by_label("kcat -b 127.0.0.1:9092 -P -t orders");
}

#[test]
fn a_chosen_record_stays_chosen_while_others_arrive() {
    let mut harness = opened();
    answer(&mut harness, vec![message(0, Some("{\"id\":1}")), message(1, Some("{\"id\":9007199254740993}"))], None);
    harness.get_by_label("Messages, 2 rows").focus();
    harness.run();
    harness.key_press(Key::Home);
    harness.run();
    harness.get_by_label("Partition 0, offset 1");
    harness.get_by_label_contains("9007199254740993");
    answer(&mut harness, vec![message(2, None)], None);
    harness.get_by_label("Messages, 3 rows");
    harness.get_by_label("Partition 0, offset 1");
}

#[test]
fn a_tombstone_is_told_from_an_empty_value() {
    let mut harness = opened();
    answer(&mut harness, vec![message(0, Some("")), message(1, None)], None);
    harness.get_by_label("Messages, 2 rows").focus();
    harness.run();
    harness.key_press(Key::Home);
    harness.run();
    assert_eq!(harness.get_all_by_label("null: no bytes at all").count(), 2); // the key is null too
    harness.key_press(Key::ArrowDown);
    harness.run();
    harness.get_by_label("empty: 0 bytes, which is not null");
}

#[test]
fn the_receipt_says_why_it_stopped_and_goes_on() {
    let mut harness = opened();
    answer(&mut harness, vec![message(0, Some("a"))], Some(StopReason::Limit));
    harness.get_by_label_contains("Paused at the row limit");
    harness.get_by_label("1 of 1,234 records scanned match");
    harness.get_by_label("Resume").click();
    harness.run();
    let opened = harness.state().commands.iter().filter(|command| matches!(command, Command::OpenMessages(_))).count();
    assert_eq!(opened, 2);
}

#[test]
fn a_running_query_can_be_stopped() {
    let mut harness = opened();
    harness.get_by_label(&format!("{}  Stop", icons::STOP)).click();
    harness.run();
    assert!(matches!(harness.state().requests().as_slice(), [Request::StopMessages(_)]));
}

#[test]
fn a_filter_is_searched_with_enter() {
    let mut harness = opened();
    harness.get_by_label("Contains text  /").focus();
    harness.run();
    harness.get_by_label("Contains text  /").type_text("poison");
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    let query = harness.state().store.messages.query.clone().expect("a query is open");
    assert_eq!(&*query.contains, "poison");
}
