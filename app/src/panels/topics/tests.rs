//! What a user does with topics, click by click.

use egui::Key;
use egui_kittest::kittest::Queryable as _;
use weir_model::{ClusterSnapshot, Request, Stamped, Update};

use super::META;
use crate::panels::{
    Command, Route,
    testing::{NOW, bench, updates},
};

#[test]
fn the_filter_narrows_and_sorting_turns_around() {
    let mut harness = bench(&META, updates(), None);
    harness.get_by_label_contains("2 topics");
    harness.get_by_label("Filter topics  /").focus();
    harness.run();
    harness.get_by_label("Filter topics  /").type_text("ord");
    harness.run();
    harness.get_by_label_contains("1 of 2 topics");
    harness.get_by_label("Sort by Records/s").click();
    harness.run();
    harness.get_by_label("Topics, 1 rows");
}

#[test]
fn internal_topics_are_shown_on_demand() {
    let mut harness = bench(&META, updates(), None);
    harness.get_by_label("Topics, 2 rows");
    harness.get_by_label("Internal (1)").click();
    harness.run();
    harness.get_by_label("Topics, 3 rows");
}

#[test]
fn enter_opens_the_detail_and_asks_for_its_configuration() {
    let mut harness = bench(&META, updates(), None);
    harness.get_by_label("Topics, 2 rows").click();
    harness.run();
    harness.key_press(Key::Home);
    harness.run();
    harness.key_press(Key::Enter);
    harness.run();
    let asked =
        harness.state().requests().iter().any(|request| matches!(request, Request::LoadTopicConfigs(name) if name.as_str() == "clicks"));
    assert!(asked, "{:?}", harness.state().requests());
    harness.get_by_label_contains("Browse messages").click();
    harness.run();
    assert_eq!(harness.state().navigated(), Some(&Route::Messages("clicks".into())));
}

#[test]
fn a_topic_is_created_once_its_name_is_valid() {
    let mut harness = bench(&META, updates(), None);
    harness.get_by_label_contains("New topic").click();
    harness.run();
    harness.get_by_label("Name").type_text("my topic");
    harness.run();
    harness.get_by_label_contains("can't stand in a name");
    harness.get_by_label("Create topic").click();
    harness.run();
    assert!(harness.state().requests().is_empty());
    harness.get_by_label("Name").focus();
    harness.run();
    for _ in 0.."my topic".len() {
        harness.key_press(Key::Backspace);
        harness.run();
    }
    harness.get_by_label("Name").type_text("returns");
    harness.run();
    harness.get_by_label("Create topic").click();
    harness.run();
    let requests = harness.state().requests();
    assert!(
        matches!(requests.as_slice(), [Request::CreateTopic(topic)] if topic.name.as_str() == "returns" && topic.partitions == 1),
        "{requests:?}"
    );
}

#[test]
fn a_topic_is_deleted_only_after_its_name_is_typed() {
    let mut harness = bench(&META, updates(), Some(Route::Topic("orders".into())));
    harness.state_mut().commands.clear();
    harness.get_by_label("Delete topic").click();
    harness.run();
    harness.get_by_label_contains("1,980 records");
    harness.get_by_label("Type the topic's name to confirm").type_text("orders");
    harness.run();
    harness.get_all_by_label("Delete topic").last().expect("the dialog's button").click();
    harness.run();
    let requests = harness.state().requests();
    assert!(matches!(requests.as_slice(), [Request::DeleteTopic(topic)] if topic.as_str() == "orders"), "{requests:?}");
}

#[test]
fn an_empty_cluster_says_what_to_do() {
    let mut without_topics = updates();
    without_topics.push(Update::Cluster(Ok(Stamped { value: ClusterSnapshot::default().into(), as_of: NOW })));
    let mut harness = bench(&META, without_topics, None);
    harness.get_by_label("No topics yet");
    harness.get_by_label("kcat -b 127.0.0.1:9092 -P -t hello");
    harness.get_by_label("Copy kcat line").click();
    harness.run();
    assert!(matches!(harness.state().commands.as_slice(), [Command::Copy { text, .. }] if text.starts_with("kcat ")));
}
