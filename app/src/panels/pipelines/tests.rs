//! What a user does with the cards, click by click.

use egui_kittest::{Harness, kittest::Queryable as _};
use weir_model::{PipelineParams, Request, Update};

use super::{META, start_form::default_params};
use crate::panels::testing::{Bench, bench, updates};

/// The cards of a cluster that answers, with the dialog of the n-th one open.
fn dialog(card: usize) -> Harness<'static, Bench> {
    let mut all = updates();
    all.push(Update::Pipelines(weir_backend::pipelines::metas()));
    let mut harness = bench(&META, all, None);
    harness.get_all_by_label("Start with …").nth(card).expect("there is such a card").click();
    harness.run();
    harness
}

fn type_into(harness: &mut Harness<'static, Bench>, field: &str, text: &str) {
    let node = harness.get_by_label(field);
    node.focus();
    harness.run();
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    harness.event(egui::Event::Text(text.to_owned()));
    harness.run();
}

fn started(harness: &Harness<'static, Bench>) -> Option<PipelineParams> {
    harness.state().requests().into_iter().find_map(|request| match request {
        Request::StartPipeline(_, params) => Some(params.clone()),
        _ => None,
    })
}

#[test]
fn a_pipeline_starts_with_what_is_typed() {
    let mut harness = dialog(0);
    type_into(&mut harness, "Rate, events/s", "2000");
    type_into(&mut harness, "Seed", "7");
    type_into(&mut harness, "Session gap, s", "60");
    harness.get_by_label("At least once").click();
    harness.run();
    harness.get_by_label_contains("Start with these").click();
    harness.run();
    let params = started(&harness).expect("it starts");
    assert_eq!((params.rate_per_s, params.seed, params.is_exactly_once), (2_000, 7, Some(false)));
    assert_eq!(params.settings.values().copied().collect::<Vec<_>>(), [60.0]);
}

#[test]
fn a_mistake_stays_as_it_was_typed_until_it_is_mended() {
    let mut harness = dialog(0);
    type_into(&mut harness, "Rate, events/s", "2");
    harness.get_by_label_contains("A whole number from 10 to 50,000");
    harness.get_by_label_contains("Start with these").click();
    harness.run();
    assert_eq!(started(&harness), None);
    assert_eq!(harness.get_by_label("Rate, events/s").value().as_deref(), Some("2"));
    harness.key_press(egui::Key::Escape);
    harness.run();
    harness.get_all_by_label("Start with …").next().expect("it is closed").click();
    harness.run();
    assert_eq!(harness.get_by_label("Rate, events/s").value().as_deref(), Some("2"), "it is remembered");
    harness.get_by_label("Back to the defaults").click();
    harness.run();
    harness.get_by_label_contains("Start with these").click();
    harness.run();
    let metas = weir_backend::pipelines::metas();
    assert_eq!(started(&harness), metas.first().map(default_params));
}

#[test]
fn the_keyboard_is_enough_to_start() {
    let mut harness = dialog(0);
    type_into(&mut harness, "Seed", "9");
    harness.key_press(egui::Key::Enter);
    harness.run();
    assert_eq!(started(&harness).map(|params| params.seed), Some(9));
}

#[test]
fn a_sabotage_says_which_check_it_turns_red() {
    let mut harness = dialog(0);
    harness.get_by_role_and_label(egui::accesskit::Role::ComboBox, "Sabotage of the processing").scroll_to_me();
    harness.run();
    harness.get_by_role_and_label(egui::accesskit::Role::ComboBox, "Sabotage of the processing").click();
    harness.run();
    let metas = weir_backend::pipelines::metas();
    let sabotage = metas.first().and_then(|meta| meta.sabotages.first()).expect("there is one").clone();
    let told = format!("{}: turns {} red", sabotage.id.replace('_', " "), sabotage.check.replace('_', " "));
    harness.get_by_label(&told).click();
    harness.run();
    harness.get_by_label_contains("Start with these").click();
    harness.run();
    assert_eq!(started(&harness).and_then(|params| params.sabotage), Some(sabotage.id));
}
