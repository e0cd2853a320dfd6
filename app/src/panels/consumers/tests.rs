//! What a user does with consumer groups, click by click.

use egui::Key;
use egui_kittest::kittest::Queryable as _;
use weir_model::{Offset, PartitionId, Request, Start};

use super::META;
use crate::panels::{
    Route,
    testing::{bench, updates},
};

#[test]
fn the_most_urgent_group_is_first_and_opens() {
    let mut harness = bench(&META, updates(), None);
    harness.get_by_label_contains("1 falling behind");
    harness.get_by_label("Consumer groups, 2 rows").focus();
    harness.run();
    harness.key_press(Key::Home);
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    harness.get_by_label("Partitions of orders (1)");
    harness.get_by_label("the rule that fired");
}

#[test]
fn lag_leads_to_the_unread_records() {
    let mut harness = bench(&META, updates(), Some(Route::Group("billing".into())));
    harness.get_by_label("Partitions of the group, 1 rows").focus();
    harness.run();
    harness.key_press(Key::Home);
    harness.run();
    harness.get_by_label_contains("Show 60 unread records").click();
    harness.run();
    let Some(Route::Query(query)) = harness.state().navigated() else { panic!("{:?}", harness.state().navigated()) };
    assert_eq!((query.start, query.partitions.as_deref()), (Start::Offset(Offset(940)), Some(&[PartitionId(0)][..])));
}

#[test]
fn only_a_group_without_members_can_be_deleted() {
    let mut harness = bench(&META, updates(), Some(Route::Group("billing".into())));
    harness.get_by_label("Delete group (only once it has no members)").click();
    harness.run();
    assert!(harness.query_by_label("Cancel").is_none());
    let mut harness = bench(&META, updates(), Some(Route::Group("audit".into())));
    harness.get_by_label("Delete group").click();
    harness.run();
    harness.get_all_by_label("Delete group").last().expect("the dialog's button").click();
    harness.run();
    assert!(matches!(harness.state().requests().as_slice(), [Request::DeleteGroup(id)] if id.as_str() == "audit"));
}

#[test]
fn a_group_that_is_gone_says_so() {
    let mut harness = bench(&META, updates(), Some(Route::Group("gone".into())));
    harness.get_by_label("There is no group gone");
    harness.get_by_label("All groups").click();
    harness.run();
    harness.get_by_label("Consumer groups, 2 rows");
}
