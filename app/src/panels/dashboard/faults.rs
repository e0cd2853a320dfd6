//! What can be broken on purpose: a menu that says what each fault will do and lets its knobs be set, and a badge for each that is at work.

use std::{collections::BTreeMap, sync::Arc};

use egui::{
    Align, Button, Layout, PopupCloseBehavior, Role, ScrollArea, TextEdit, TextWrapMode, Ui, WidgetInfo,
    containers::menu::{MenuButton, MenuConfig},
};
use weir_model::{FaultId, FaultMeta, KnobKind, KnobMeta, Phase, PipelineId, PipelineMeta, PipelineStatus, Request, TimestampMs};
use weir_ui_kit::{
    format, icons,
    widgets::{Tone, badge, secondary_button_if, segmented, subdued},
};

use crate::panels::{PanelContext, parts};

/// How soon the countdown of a fault moves.
const COUNTDOWN_STEP_MS: i64 = 1_000;
/// The width of the menu: lines that can be read at a glance.
const WIDTH: f32 = 460.0;
/// What stays free above and below the menu.
const AROUND: f32 = 240.0;
/// Options past which typing one is quicker than looking for it.
const OPTIONS_SHOWN_MAX: usize = 6;
const FIELD_WIDTH: f32 = 110.0;

/// The knobs that were set, by pipeline, fault and knob; the others are as the fault says.
#[derive(Default)]
pub(super) struct Faults {
    knobs: BTreeMap<(PipelineId, FaultId, Arc<str>), String>,
}

impl Faults {
    pub(super) fn ui(&mut self, ui: &mut Ui, meta: &PipelineMeta, status: &PipelineStatus, cx: &mut PanelContext<'_>) {
        if meta.faults.is_empty() {
            return;
        }
        let text = format!("{}  Break something  {}", icons::LIGHTNING, icons::CARET_DOWN);
        if status.phase == Phase::Running {
            // A click on a knob must not close it; in a row that is full it begins the next one.
            let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
            let button = Button::new(text).wrap_mode(TextWrapMode::Extend);
            MenuButton::from_button(button).config(config).ui(ui, |ui| self.menu(ui, meta, cx));
        } else {
            secondary_button_if(ui, false, &text).on_disabled_hover_text("Only while the pipeline runs");
        }
        at_work(ui, meta, status, cx);
    }

    fn menu(&mut self, ui: &mut Ui, meta: &PipelineMeta, cx: &mut PanelContext<'_>) {
        ui.set_width(WIDTH);
        let height = (ui.ctx().content_rect().height() - AROUND).max(160.0);
        // It holds buttons and text, which a menu's own style would draw as bare, justified lines.
        ui.reset_style();
        let scroll = ScrollArea::vertical().max_height(height).auto_shrink([false, true]);
        let listed = |ui: &mut Ui| {
            for (at, fault) in meta.faults.iter().enumerate() {
                if at > 0 {
                    ui.separator();
                }
                if self.fault(ui, &meta.id, fault) {
                    let set = fault.knobs.iter().filter_map(|knob| Some((&*knob.name, self.set(&meta.id, fault, knob)?)));
                    cx.request(Request::InjectFault(meta.id.clone(), fault.id.with_knobs(set)));
                    ui.close();
                }
            }
        };
        scroll.show(ui, |ui| ui.with_layout(Layout::top_down(Align::Min), listed));
    }

    /// Draws a fault with its knobs; true when it is wanted.
    fn fault(&mut self, ui: &mut Ui, pipeline: &PipelineId, fault: &FaultMeta) -> bool {
        let is_right = fault.knobs.iter().all(|knob| self.set(pipeline, fault, knob).is_none_or(|value| knob.fits(value)));
        let is_wanted = secondary_button_if(ui, is_right, &format!("{}  {}", icons::LIGHTNING, fault.label)).clicked();
        subdued(ui, &*fault.effect);
        for knob in &fault.knobs {
            let key = (pipeline.clone(), fault.id.clone(), Arc::clone(&knob.name));
            let mut value = self.knobs.remove(&key).unwrap_or_default();
            ui.horizontal(|ui| knob_ui(ui, fault, knob, &mut value));
            if !value.is_empty() {
                self.knobs.insert(key, value);
            }
        }
        is_wanted
    }

    fn set<'a>(&'a self, pipeline: &PipelineId, fault: &FaultMeta, knob: &KnobMeta) -> Option<&'a str> {
        self.knobs.get(&(pipeline.clone(), fault.id.clone(), Arc::clone(&knob.name))).map(|value| value.trim())
    }
}

/// A knob; an empty value leaves it as the fault says.
fn knob_ui(ui: &mut Ui, fault: &FaultMeta, knob: &KnobMeta, value: &mut String) {
    subdued(ui, &*knob.label);
    match &knob.kind {
        KnobKind::OneOf(options) if options.len() <= OPTIONS_SHOWN_MAX => {
            let default = options.iter().position(|option| *option == knob.default);
            let mut chosen = options.iter().position(|option| **option == **value).or(default);
            // The default is one of the options, or something else that comes first, such as `any`.
            let other = default.is_none().then_some((None, &*knob.default));
            let shown: Vec<(Option<usize>, &str)> =
                other.into_iter().chain(options.iter().enumerate().map(|(at, option)| (Some(at), &**option))).collect();
            if segmented(ui, &mut chosen, &shown) {
                let option = chosen.filter(|at| Some(*at) != default).and_then(|at| options.get(at));
                *value = option.map(ToString::to_string).unwrap_or_default();
            }
        }
        _ => {
            let name = format!("{} of {}", knob.label, fault.label);
            let typed = value.clone();
            let field = ui.add(TextEdit::singleline(value).hint_text(&*knob.default).desired_width(FIELD_WIDTH));
            field.widget_info(|| {
                let mut info = WidgetInfo::labeled(Role::TextInput, true, &name);
                info.current_text_value = Some(typed.clone());
                info
            });
            let trimmed = value.trim();
            parts::field_error(ui, (!trimmed.is_empty() && !knob.fits(trimmed)).then(|| what_fits(&knob.kind)).as_deref());
        }
    }
}

fn what_fits(kind: &KnobKind) -> String {
    match kind {
        KnobKind::Number(min, max) => format!("A whole number from {} to {}", format::integer(*min), format::integer(*max)),
        KnobKind::OneOf(options) => match (options.first(), options.last()) {
            (Some(first), Some(last)) => format!("One of {first} to {last}"),
            _ => "Nothing".to_owned(),
        },
        KnobKind::Name => "A name without , and =".to_owned(),
    }
}

/// A badge for each fault at work, with its knobs, and how long it will stay.
fn at_work(ui: &mut Ui, meta: &PipelineMeta, status: &PipelineStatus, cx: &mut PanelContext<'_>) {
    let now = cx.now;
    for (id, heals_at) in status.active_faults.iter().filter(|(_, heals_at)| *heals_at > now) {
        let Some(fault) = meta.faults.iter().find(|fault| fault.id.as_str() == id.name()) else { continue };
        let left = format::duration_ms((heals_at.0 - now.0 + 999) / 1_000 * 1_000);
        let knobs = if id.knobs().is_empty() { String::new() } else { format!(" ({})", id.knobs().replace(',', ", ")) };
        badge(ui, icons::LIGHTNING, &format!("{}{knobs}: {left}", fault.label), Tone::Warning).on_hover_text(&*fault.effect);
        cx.repaint_at(TimestampMs(now.0 + COUNTDOWN_STEP_MS));
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::{Harness, kittest::Queryable as _};
    use weir_model::Update;

    use super::*;
    use crate::panels::{Route, dashboard, testing};

    fn menu(pipeline: &str, active: &[(&str, i64)]) -> Harness<'static, testing::Bench> {
        let id = PipelineId::from(pipeline);
        let status = PipelineStatus {
            active_faults: active.iter().map(|(fault, left)| ((*fault).into(), TimestampMs(testing::NOW.0 + left))).collect(),
            ..testing::running(pipeline)
        };
        let updates = vec![Update::Pipelines(weir_backend::pipelines::metas()), Update::PipelineStatus(Arc::new(status))];
        let mut harness = testing::bench(&dashboard::META, updates, Some(Route::Dashboard(id)));
        harness.get_by_label_contains("Break something").click();
        harness.run();
        harness
    }

    fn injected(harness: &Harness<'static, testing::Bench>) -> Option<String> {
        harness.state().requests().into_iter().find_map(|request| match request {
            Request::InjectFault(_, fault) => Some(fault.to_string()),
            _ => None,
        })
    }

    #[test]
    fn a_fault_without_knobs_set_is_as_it_says() {
        let mut harness = menu("media", &[]);
        harness.get_by_label_contains("CDN down").click();
        harness.run();
        assert_eq!(injected(&harness).as_deref(), Some("cdn_down"));
    }

    #[test]
    fn knobs_are_sent_with_the_fault() {
        let mut harness = menu("media", &[]);
        harness.get_all_by_label("cdn-c").next().expect("it is an option").click();
        harness.run();
        harness.get_all_by_label("eu").next().expect("it is an option").click();
        harness.run();
        harness.get_by_label_contains("CDN down").click();
        harness.run();
        assert_eq!(injected(&harness).as_deref(), Some("cdn_down:cdn=cdn-c,region=eu"));
    }

    #[test]
    fn a_number_that_does_not_fit_is_told_and_not_sent() {
        let mut harness = menu("iot", &[]);
        let mut type_percent = |text: &str| {
            harness.get_by_label("Percent of 30 % of devices offline").focus();
            harness.run();
            harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
            harness.event(egui::Event::Text(text.to_owned()));
            harness.run();
            let has_error = harness.query_by_label_contains("A whole number from 1 to 100").is_some();
            harness.get_by_label(&format!("{}  30 % of devices offline", icons::LIGHTNING)).click();
            harness.run();
            (has_error, injected(&harness))
        };
        assert_eq!(type_percent("101"), (true, None));
        assert_eq!(type_percent("60"), (false, Some("offline_30:percent=60".to_owned())));
    }

    #[test]
    fn a_fault_at_work_shows_its_knobs_and_the_time_left() {
        let harness = menu("media", &[("cdn_down:cdn=cdn-b,region=eu", 12_400), ("peering", -1)]);
        harness.get_by_label_contains("CDN down (cdn=cdn-b, region=eu): 13.0 s");
        assert!(harness.query_by_label_contains("Peering broken:").is_none());
    }
}
