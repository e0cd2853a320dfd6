//! Guided demos: the menu that starts one, and the card that tells the audience what happens, and whether what was promised was seen.

use egui::{Align2, CornerRadius, FontId, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use weir_model::{CheckVerdict, PipelineMeta, ScenarioView};
use weir_ui_kit::{
    format, icons,
    theme::size,
    tokens,
    widgets::{Tone, badge, card, secondary_button, strong, subdued},
};

use crate::panels::{PanelContext, pipelines::start_demo};

/// Height of the bar, and of its marks.
const BAR_HEIGHT: f32 = 4.0;
const MARK_RADIUS: f32 = 5.0;
/// Room under the bar for the marks' times.
const TIMES_HEIGHT: f32 = 16.0;
/// Times nearer to each other than this would run into one another.
const TIME_WIDTH: f32 = 44.0;

/// A button a demo, with its story on hover; nothing for a pipeline without any.
pub(crate) fn buttons(ui: &mut Ui, meta: &PipelineMeta, cx: &mut PanelContext<'_>) {
    for scenario in &meta.scenarios {
        let button = secondary_button(ui, &format!("{}  Demo: {}", icons::EYE, scenario.title));
        let story = format!("{}. Takes {}, then ends with a report.", scenario.story, format::duration_ms(scenario.length_ms as i64));
        if button.on_hover_text(story).clicked() {
            start_demo(meta, &scenario.id, cx);
        }
    }
}

/// How far a demo is.
pub(super) fn progress(ui: &mut Ui, view: &ScenarioView) {
    card(ui, "", |ui| {
        ui.horizontal_wrapped(|ui| {
            subdued(ui, format!("{}  Guided demo", icons::EYE));
            strong(ui, &*view.title);
            let (at, length) = (view.at_ms.min(view.length_ms), view.length_ms);
            subdued(ui, format!("{} of {}", clock(at), clock(length)));
        });
        let says = view.current().map_or("The generator starts.", |(_, step)| &*step.says);
        ui.label(egui::RichText::new(says).size(size::HEADING).color(tokens(ui).text.strong));
        ui.add_space(6.0);
        bar(ui, view);
        ui.horizontal_wrapped(|ui| expectations(ui, view));
    });
    ui.add_space(4.0);
}

/// What was promised so far, and whether it was seen.
fn expectations(ui: &mut Ui, view: &ScenarioView) {
    let due = view.steps.iter().filter(|step| step.at_ms <= view.at_ms);
    for check in due.filter_map(|step| step.expects.as_ref()) {
        let (icon, tone, word) = match check.verdict {
            CheckVerdict::Pass => (icons::CHECK_CIRCLE, Tone::Ok, "seen"),
            CheckVerdict::Fail => (icons::WARNING_CIRCLE, Tone::Danger, "missed"),
            CheckVerdict::Pending => (icons::CLOCK, Tone::Info, "waiting"),
        };
        badge(ui, icon, &format!("{}: {word}", check.id.replace('_', " ")), tone).on_hover_text(&*check.evidence);
    }
}

/// A bar over the whole demo with a mark for each step.
fn bar(ui: &mut Ui, view: &ScenarioView) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 2.0 * MARK_RADIUS + TIMES_HEIGHT), Sense::hover());
    let tokens = tokens(ui);
    let part = |at_ms: u64| (at_ms as f32 / view.length_ms.max(1) as f32).clamp(0.0, 1.0);
    let (left, width, y) = (rect.left() + MARK_RADIUS, rect.width() - 2.0 * MARK_RADIUS, rect.top() + MARK_RADIUS);
    let x = |at_ms: u64| left + width * part(at_ms);
    let line = |to: f32| Rect::from_min_max(pos2(left, y - BAR_HEIGHT / 2.0), pos2(to, y + BAR_HEIGHT / 2.0));
    ui.painter().rect_filled(line(left + width), CornerRadius::same(2), tokens.background.raised);
    ui.painter().rect_filled(line(x(view.at_ms)), CornerRadius::same(2), tokens.accent.main);
    let mut free_from = f32::MIN;
    for step in &view.steps {
        let (at, is_due) = (pos2(x(step.at_ms), y), step.at_ms <= view.at_ms);
        ui.painter().circle_filled(at, MARK_RADIUS, if is_due { tokens.accent.main } else { tokens.line.separator });
        if at.x >= free_from {
            let anchor = if at.x < left + TIME_WIDTH / 2.0 { Align2::LEFT_BOTTOM } else { Align2::CENTER_BOTTOM };
            let color = tokens.text.subdued;
            ui.painter().text(pos2(at.x, rect.bottom()), anchor, clock(step.at_ms), FontId::proportional(size::SMALL), color);
            free_from = at.x + TIME_WIDTH;
        }
    }
    let label = format!("Guided demo: {} of {}", clock(view.at_ms), clock(view.length_ms));
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, &label));
    let steps: Vec<_> = view.steps.iter().map(|step| format!("{}  {}", clock(step.at_ms), step.says)).collect();
    response.on_hover_text(steps.join("\n"));
}

/// Minutes and seconds, as on a film.
fn clock(ms: u64) -> String {
    format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60)
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn times_read_as_on_a_film() {
        assert_eq!((clock(0).as_str(), clock(9_999).as_str(), clock(75_000).as_str()), ("0:00", "0:09", "1:15"));
    }
}
