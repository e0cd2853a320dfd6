//! How a dashboard is looked at: frozen while the run goes on, and zoomed into time.

use std::sync::Arc;

use egui::{Key, KeyboardShortcut, Modifiers, Ui};
use weir_model::{Dashboard, Phase, PipelineId, TimestampMs};
use weir_ui_kit::{
    format, icons,
    widgets::{Tone, badge, secondary_button, subdued},
};

use super::widget::time_group;
use crate::panels::PanelContext;

/// Freezes, and lets go.
pub(crate) const FREEZE: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::F);
/// How soon the age of a frozen picture moves.
const AGE_STEP_MS: i64 = 1_000;

/// How the dashboard is looked at.
#[derive(Default)]
pub(super) struct View {
    frozen: Option<Frozen>,
}

/// A picture that is held while the run goes on.
struct Frozen {
    pipeline: PipelineId,
    dashboard: Arc<Dashboard>,
    at: TimestampMs,
}

impl View {
    /// What is to be drawn of the newest dashboard: itself, or the frozen one.
    pub(super) fn shown(&self, newest: &Arc<Dashboard>) -> Arc<Dashboard> {
        Arc::clone(self.frozen.as_ref().map_or(newest, |frozen| &frozen.dashboard))
    }

    /// Draws the controls.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        pipeline: &PipelineId,
        (phase, newest): (Option<&Phase>, Option<&Arc<Dashboard>>),
        cx: &mut PanelContext<'_>,
    ) {
        let group = time_group(pipeline);
        if phase == Some(&Phase::Starting) {
            // Another run: what was looked at of the last one is gone.
            group.show_all(ui);
            self.frozen = None;
        }
        self.frozen.take_if(|frozen| frozen.pipeline != *pipeline);
        let Some(newest) = newest else { return };
        let word = if self.frozen.is_some() { "Let it go on" } else { "Freeze view" };
        let icon = if self.frozen.is_some() { icons::PLAY } else { icons::PAUSE };
        let keys = ui.ctx().format_shortcut(&FREEZE);
        let told = format!("Holds this picture while the run goes on ({keys})");
        let is_clicked = !cx.is_presenting && secondary_button(ui, &format!("{icon}  {word}")).on_hover_text(told).clicked();
        if is_clicked || is_pressed(ui) {
            self.frozen = match self.frozen.take() {
                Some(_) => None,
                None => Some(Frozen { pipeline: pipeline.clone(), dashboard: Arc::clone(newest), at: cx.now }),
            };
        }
        if let Some(frozen) = &self.frozen {
            let age = cx.now.since(frozen.at) / 1_000;
            let text = format!("Frozen at {} UTC, {}: the run goes on", &format::time_utc(frozen.at.0)[..8], format::ago(age * 1_000));
            badge(ui, icons::PAUSE, &text, Tone::Warning);
            cx.repaint_at(TimestampMs(cx.now.0 + AGE_STEP_MS));
        }
        if group.is_zoomed(ui) {
            if secondary_button(ui, &format!("{}  Show all", icons::CLOCK)).clicked() {
                group.show_all(ui);
            }
            subdued(ui, "The charts show a part of time; a double click on one shows all again.");
        }
    }
}

fn is_pressed(ui: &Ui) -> bool {
    let nobody_types = ui.memory(|memory| memory.focused().is_none());
    nobody_types && ui.input_mut(|input| input.consume_shortcut(&FREEZE))
}

#[cfg(test)]
mod tests {
    use egui_kittest::{Harness, kittest::Queryable as _};
    use weir_model::{Source, Span, Update, Widget, WidgetBody};

    use super::*;
    use crate::panels::{Route, dashboard, testing};

    fn update(value: f64) -> Update {
        let body = WidgetBody::Number { value: Some(value), unit: "events".into(), decimals: 0, history: Arc::from([]) };
        let source = Source::Topic("t".into());
        let widget = Widget { id: "w".into(), title: "Events".into(), help: "".into(), span: Span::Tile, source, body };
        Update::Dashboard("fraud".into(), Arc::new(Dashboard { event_time: None, widgets: vec![widget] }))
    }

    fn shows(harness: &Harness<'static, testing::Bench>, value: u32) -> bool {
        harness.query_by_label_contains(&format!("Events: {value} events")).is_some()
    }

    #[test]
    fn a_frozen_picture_stays_while_the_store_goes_on() {
        let updates = vec![Update::Pipelines(weir_backend::pipelines::metas()), update(1.0)];
        let mut harness = testing::bench(&dashboard::META, updates, Some(Route::Dashboard("fraud".into())));
        harness.key_press(Key::F);
        harness.run();
        harness.state_mut().store.apply(update(2.0));
        harness.run();
        assert!(shows(&harness, 1) && !shows(&harness, 2));
        harness.get_by_label_contains("Frozen at 07:30:00 UTC, just now");
        harness.get_by_label_contains("Let it go on").click();
        harness.run();
        assert!(shows(&harness, 2) && harness.query_by_label_contains("Frozen").is_none());
    }
}
