//! Widgets that people act in: a queue that waits for decisions, and an editor of texts that are put in force.

use std::sync::Arc;

use egui::{Align, Key, Label, Layout, Margin, RichText, Role, TextEdit, Ui, WidgetInfo};
use weir_model::{Chooser, EditorRow, PipelineAction, PipelineId, QueueRow, Request, Trace, Verb, Widget};
use weir_ui_kit::{
    format,
    theme::{self, size},
    tokens,
    widgets::{labelled_field, link, primary_button, secondary_button, secondary_button_if, strong, subdued},
};

use super::{trace, widget::nothing};
use crate::panels::PanelContext;

/// Rows in sight; the others wait behind them.
const ROWS_SHOWN: usize = 8;
/// The width of a choice, and of the field for another.
const CHOICE_WIDTH: f32 = 116.0;

/// What waits, each with a button a verb.
pub(super) fn queue(
    ui: &mut Ui,
    (pipeline, widget): (&PipelineId, &Widget),
    (rows, waiting): (&[QueueRow], u64),
    verbs: &[Verb],
    cx: &mut PanelContext<'_>,
) {
    if rows.is_empty() {
        return nothing(ui, "Nothing waits.", &widget.help);
    }
    for row in rows.iter().take(ROWS_SHOWN) {
        ui.horizontal(|ui| {
            for verb in verbs {
                let button = secondary_button(ui, &verb.label).on_hover_text(format!("{}: {}", verb.label, row.subject));
                if button.clicked() {
                    cx.request(act(pipeline, widget, verb, &row.subject, ""));
                }
            }
            let at: String = format::timestamp_utc(row.at.0).chars().take(19).collect();
            ui.label(RichText::new(at).font(theme::mono(size::SMALL)).color(tokens(ui).text.subdued));
            named(ui, &row.title, widget.records_with(&row.subject), cx);
            let told = [&*row.detail, &*row.note].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
            ui.add(Label::new(RichText::new(&*row.detail).color(tokens(ui).text.subdued)).truncate()).on_hover_text(told);
        });
    }
    let behind = waiting.saturating_sub(rows.len().min(ROWS_SHOWN) as u64);
    if behind > 0 {
        subdued(ui, format!("{} more wait behind these.", format::integer(behind)));
    }
}

/// What is being written; kept by widget, so that nothing typed is lost when figures change.
#[derive(Clone, Default)]
struct Draft {
    subject: String,
    text: String,
}

/// What is in force, and what may be.
pub(super) fn editor(
    ui: &mut Ui,
    (pipeline, widget): (&PipelineId, &Widget),
    rows: &[EditorRow],
    (hint, answer): (&str, &str),
    verbs: &[Verb],
    cx: &mut PanelContext<'_>,
) {
    let id = ui.scope_id().with(("draft", &*widget.id));
    let mut draft: Draft = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    for row in rows {
        ui.horizontal(|ui| {
            if secondary_button(ui, "Edit").on_hover_text(format!("Edit {}", row.subject)).clicked() {
                draft = Draft { subject: row.subject.to_string(), text: row.text.to_string() };
            }
            named(ui, &row.subject, widget.records_with(&row.subject), cx);
            // The text takes what the note leaves, and is cut off before it.
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                subdued(ui, &*row.note);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(Label::new(RichText::new(&*row.text).font(theme::mono(size::BODY - 0.5))).truncate())
                });
            });
        });
    }
    ui.add_space(6.0);
    labelled_field(ui, "Name", &mut draft.subject, "name");
    labelled_field(ui, "Text", &mut draft.text, hint);
    ui.horizontal_wrapped(|ui| {
        for (at, verb) in verbs.iter().enumerate() {
            let button = if at == 0 { primary_button(ui, &verb.label) } else { secondary_button(ui, &verb.label) };
            if button.clicked() {
                cx.request(act(pipeline, widget, verb, &draft.subject, &draft.text));
            }
        }
        subdued(ui, answer);
    });
    ui.data_mut(|data| data.insert_temp(id, draft));
}

/// Which one of many is shown, and the way to another: one of those that are offered, or any that is typed.
pub(super) fn chooser(ui: &mut Ui, (pipeline, widget): (&PipelineId, &Widget), chooser: &Chooser, cx: &mut PanelContext<'_>) {
    let id = ui.scope_id().with(("choice", &*widget.id));
    let mut typed: String = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    let mut chosen: Option<Arc<str>> = None;
    ui.horizontal_wrapped(|ui| {
        let shown = if chooser.value.is_empty() { "none yet" } else { &*chooser.value };
        let what = format!("Which {}", chooser.what);
        subdued(ui, &what);
        let combo = egui::ComboBox::from_id_salt(("choice", &*widget.id)).width(CHOICE_WIDTH).selected_text(shown).show_ui(ui, |ui| {
            for option in &chooser.options {
                if ui.selectable_label(*option == chooser.value, &**option).clicked() {
                    chosen = Some(Arc::clone(option));
                }
            }
        });
        let enabled = ui.is_enabled();
        combo.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, enabled, &what));
        if !chooser.is_chosen && !chooser.value.is_empty() {
            combo.response.on_hover_text("Chosen by the pipeline, as worth a look; choose another here");
        }
        let hint = format!("another {}", chooser.what);
        let field = ui.add(TextEdit::singleline(&mut typed).hint_text(&hint).desired_width(CHOICE_WIDTH).margin(Margin::symmetric(8, 6)));
        let text = typed.clone();
        field.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::TextInput, enabled, &hint);
            info.current_text_value = Some(text.clone());
            info
        });
        let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let is_named = !typed.trim().is_empty();
        if (secondary_button_if(ui, is_named, "Show").clicked() || is_entered) && is_named {
            chosen = Some(typed.trim().into());
            typed.clear();
        }
        if chooser.is_chosen {
            let back = secondary_button(ui, "Let it choose").on_hover_text("The pipeline shows the one that is worth a look");
            if back.clicked() {
                chosen = Some("".into());
            }
        }
    });
    if let Some(subject) = chosen {
        let (widget, verb) = (Arc::clone(&widget.id), Chooser::VERB.into());
        cx.request(Request::ActOnPipeline(pipeline.clone(), PipelineAction { widget, verb, subject, text: "".into() }));
    }
    ui.data_mut(|data| data.insert_temp(id, typed));
}

/// What a row is about, as a link to the records that say so.
fn named(ui: &mut Ui, name: &str, records: Option<Trace>, cx: &mut PanelContext<'_>) {
    let Some(records) = records else { return drop(strong(ui, name)) };
    if link(ui, name).on_hover_text(trace::words(&records)).clicked() {
        trace::open(Some(records), cx);
    }
}

fn act(pipeline: &PipelineId, widget: &Widget, verb: &Verb, subject: &str, text: &str) -> Request {
    let (widget, verb) = (Arc::clone(&widget.id), Arc::clone(&verb.id));
    Request::ActOnPipeline(pipeline.clone(), PipelineAction { widget, verb, subject: subject.into(), text: text.into() })
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;
    use weir_model::{Dashboard, Source, Span, TimestampMs, Update, WidgetBody};

    use super::*;
    use crate::panels::{Command, Route, dashboard, testing};

    fn shown(body: WidgetBody) -> egui_kittest::Harness<'static, testing::Bench> {
        let metas = weir_backend::pipelines::metas();
        let meta = metas.iter().find(|meta| meta.id.as_str() == "fraud").expect("there is fraud");
        let widget =
            Widget { id: "desk".into(), title: "Desk".into(), help: "".into(), span: Span::Full, source: Source::Topic("t".into()), body };
        let shown = Dashboard { event_time: None, widgets: vec![widget] };
        let updates = vec![Update::Pipelines(metas.clone()), Update::Dashboard(meta.id.clone(), Arc::new(shown))];
        testing::bench(&dashboard::META, updates, Some(Route::Dashboard(meta.id.clone())))
    }

    fn verb(id: &str, label: &str) -> Verb {
        Verb { id: id.into(), label: label.into() }
    }

    #[test]
    fn a_click_in_the_queue_is_a_verdict() {
        let row = QueueRow { subject: "tx-7".into(), title: "12 EUR".into(), detail: "".into(), note: "".into(), at: TimestampMs(0) };
        let mut harness =
            shown(WidgetBody::Queue { rows: vec![row], waiting: 1, verbs: vec![verb("honest", "Honest"), verb("fraud", "Fraud")] });
        harness.get_by_label("Fraud").click();
        harness.run();
        let [Request::ActOnPipeline(pipeline, action)] = harness.state().requests()[..] else { panic!("{:?}", harness.state().commands) };
        assert_eq!((pipeline.as_str(), &*action.widget, &*action.verb, &*action.subject), ("fraud", "desk", "fraud", "tx-7"));
    }

    #[test]
    fn what_waits_out_of_sight_is_counted_whoever_was_told_of_it() {
        let row = |at: usize| QueueRow {
            subject: format!("tx-{at}").into(),
            title: "12 EUR".into(),
            detail: "".into(),
            note: "".into(),
            at: TimestampMs(0),
        };
        let check = |rows: usize, waiting: u64, expect: Option<&str>| {
            let harness = shown(WidgetBody::Queue { rows: (0..rows).map(row).collect(), waiting, verbs: vec![verb("honest", "Honest")] });
            let told = harness.query_by_label_contains("more wait");
            assert_eq!(told.is_some(), expect.is_some(), "{rows} of {waiting}");
            assert!(expect.is_none_or(|text| harness.query_by_label(text).is_some()), "{rows} of {waiting}");
        };
        check(3, 3, None);
        check(ROWS_SHOWN, ROWS_SHOWN as u64, None);
        check(12, 1_234, Some("1,226 more wait behind these."));
    }

    #[test]
    fn a_row_leads_to_the_records_of_what_it_is_about() {
        let row = QueueRow { subject: "tx-7".into(), title: "12 EUR".into(), detail: "".into(), note: "".into(), at: TimestampMs(0) };
        let mut harness = shown(WidgetBody::Queue { rows: vec![row], waiting: 1, verbs: vec![verb("honest", "Honest")] });
        harness.get_by_label("12 EUR").click();
        harness.run();
        let Some(Command::Navigate(Route::Query(query))) = harness.state().commands.last() else {
            panic!("{:?}", harness.state().commands)
        };
        assert_eq!((query.topic.as_str(), &*query.contains), ("t", "tx-7"));
    }

    #[test]
    fn what_is_in_force_can_be_edited_and_tried() {
        let row = EditorRow { subject: "big".into(), text: "block when amount > 9".into(), note: "".into() };
        let verbs = vec![verb("try", "Try it"), verb("put", "Put in force")];
        let mut harness = shown(WidgetBody::Editor { rows: vec![row], hint: "".into(), verbs, answer: "".into() });
        harness.get_by_label("Edit").click();
        harness.run();
        harness.get_by_label("Put in force").click();
        harness.run();
        let [Request::ActOnPipeline(_, action)] = harness.state().requests()[..] else { panic!("{:?}", harness.state().commands) };
        assert_eq!((&*action.verb, &*action.subject, &*action.text), ("put", "big", "block when amount > 9"));
    }

    fn chooser(value: &str, is_chosen: bool) -> WidgetBody {
        let options = vec!["user-1".into(), "user-2".into()];
        let chooser = Chooser { what: "user".into(), value: value.into(), is_chosen, options };
        WidgetBody::Chosen { chooser, body: Box::new(WidgetBody::Feed { entries: Vec::new() }) }
    }

    #[track_caller]
    fn assert_chosen(harness: &egui_kittest::Harness<'static, testing::Bench>, subject: &str) {
        let [Request::ActOnPipeline(_, action)] = harness.state().requests()[..] else { panic!("{:?}", harness.state().commands) };
        assert_eq!((&*action.widget, &*action.verb, &*action.subject), ("desk", Chooser::VERB, subject));
    }

    #[test]
    fn one_of_the_options_is_chosen_with_two_clicks() {
        let mut harness = shown(chooser("user-1", false));
        harness.get_by_role_and_label(egui::accesskit::Role::ComboBox, "Which user").click();
        harness.run();
        harness.get_by_label("user-2").click();
        harness.run();
        assert_chosen(&harness, "user-2");
    }

    #[test]
    fn any_name_can_be_typed() {
        let mut harness = shown(chooser("user-1", false));
        harness.get_by_label("another user").focus();
        harness.run();
        harness.event(egui::Event::Text(" user-4711 ".to_owned()));
        harness.run();
        harness.key_press(Key::Enter);
        harness.run();
        assert_chosen(&harness, "user-4711");
    }

    #[test]
    fn the_pipeline_gets_its_choice_back() {
        let mut harness = shown(chooser("user-2", true));
        harness.get_by_label("Let it choose").click();
        harness.run();
        assert_chosen(&harness, "");
    }
}
