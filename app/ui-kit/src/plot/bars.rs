//! The largest of many as bars, best first. When the order changes, rows move to their new places.

use std::{sync::Arc, time::Duration};

use egui::{Align2, FontId, Id, Rect, Sense, Ui, pos2, vec2};

use super::{label, link};
use crate::{
    format,
    theme::{self, size},
    tokens::tokens,
};

const ROW_HEIGHT: f32 = 24.0;
const ROW_GAP: f32 = 4.0;
/// How fast a row moves: after this time it has gone two thirds of its way.
const MOVE_S: f32 = 0.06;
/// A row nearer to its place than this is there, in rows.
const REST: f32 = 0.02;
/// Frames of a move: enough for the eye to follow, few enough for a machine that draws them without a GPU.
const FRAME: Duration = Duration::from_millis(33);

/// One row of a top list.
#[derive(Debug, Clone, Copy)]
pub struct BarRow<'a> {
    /// What is counted.
    pub label: &'a str,
    /// Its count.
    pub value: f64,
}

/// The largest of many as bars, best first. Gives the row that was pressed, of those that lead somewhere.
pub fn bar_list(ui: &mut Ui, rows: &[BarRow<'_>], unit: &str, leads: impl Fn(usize) -> Option<String>) -> Option<usize> {
    let tokens = tokens(ui);
    let max = rows.iter().map(|row| row.value).fold(0.0_f64, f64::max);
    let height = rows.len() as f32 * (ROW_HEIGHT + ROW_GAP) - ROW_GAP;
    let (area, _) = ui.allocate_exact_size(vec2(ui.available_width(), height.max(0.0)), Sense::hover());
    let places = moved(ui, rows);
    let mut pressed = None;
    for (at, (row, place)) in rows.iter().zip(&places).enumerate() {
        let top = area.top() + place * (ROW_HEIGHT + ROW_GAP);
        let rect = Rect::from_min_size(pos2(area.left(), top), vec2(area.width(), ROW_HEIGHT));
        let response = ui.interact(rect, ui.scope_id().with(("bar", at)), Sense::hover());
        let share = if max > 0.0 { (row.value / max) as f32 } else { 0.0 };
        let bar = Rect::from_min_size(rect.min, vec2((rect.width() * share).max(2.0), rect.height()));
        ui.painter().rect_filled(bar, 4.0, tokens.accent.soft);
        let value = format!("{} {unit}", format::integer(row.value.round() as i64));
        let value = value.trim_end();
        let value_rect =
            label(ui, rect.shrink2(vec2(8.0, 0.0)), value, theme::mono(size::BODY - 1.0), tokens.text.strong, Align2::RIGHT_CENTER);
        let name = Rect::from_min_max(rect.min + vec2(8.0, 0.0), pos2(value_rect.left() - 8.0, rect.bottom()));
        label(ui, name, row.label, FontId::proportional(size::BODY), tokens.text.normal, Align2::LEFT_CENTER);
        response.on_hover_text(format!("{}: {value}", row.label));
        if let Some(whither) = leads(at)
            && link(ui, rect, at, &whither)
        {
            pressed = Some(at);
        }
    }
    pressed
}

/// Where each row was drawn last, counted from the top, by what it is known. Only those that are in the list now, so that it stays as short.
type Places = Arc<[(Id, f32)]>;

/// The places of this frame. The first rows of all stand where they belong; one that is new comes from below.
fn moved(ui: &Ui, rows: &[BarRow<'_>]) -> Vec<f32> {
    let id = ui.scope_id().with("bar places");
    let before: Option<Places> = ui.data(|data| data.get_temp(id));
    let is_still = ui.style().animation_time <= 0.0;
    let step = if is_still { 1.0 } else { 1.0 - (-ui.input(|input| input.stable_dt) / MOVE_S).exp() };
    let after: Places = rows
        .iter()
        .enumerate()
        .map(|(at, row)| {
            // A label that stands twice is two rows.
            let twins = rows.iter().take(at).filter(|other| other.label == row.label).count();
            let (row, goal) = (id.with((row.label, twins)), at as f32);
            let was = before.as_ref().map_or(goal, |before| {
                let known = before.iter().find(|(known, _)| *known == row).map(|(_, place)| *place);
                known.unwrap_or(rows.len() as f32)
            });
            (row, toward(was, goal, step))
        })
        .collect();
    let places: Vec<f32> = after.iter().map(|(_, place)| *place).collect();
    if places.iter().enumerate().any(|(at, place)| *place != at as f32) {
        ui.ctx().request_repaint_after(FRAME);
    }
    ui.data_mut(|data| data.insert_temp(id, after));
    places
}

fn toward(was: f32, goal: f32, step: f32) -> f32 {
    let place = was + (goal - was) * step;
    if (goal - place).abs() < REST { goal } else { place }
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;

    use super::*;

    #[test]
    fn a_place_comes_nearer_and_then_to_rest() {
        let check = |was: f32, goal: f32| {
            let (mut place, mut steps) = (was, 0);
            while place != goal {
                let next = toward(place, goal, 0.4);
                assert!((goal - next).abs() < (goal - place).abs(), "{place} to {next}");
                (place, steps) = (next, steps + 1);
            }
            assert!(steps > 3, "it does not jump");
        };
        check(9.0, 0.0);
        check(0.0, 1.0);
    }

    #[test]
    fn rows_move_when_their_order_changes_and_are_still_otherwise() {
        let frame = |ui: &mut Ui, (labels, asked): &mut (Vec<&str>, bool)| {
            ui.style_mut().animation_time = 0.1; // tests have none
            let rows: Vec<_> = labels.iter().zip([9.0, 4.0, 1.0]).map(|(label, value)| BarRow { label, value }).collect();
            *asked = moved(ui, &rows) != [0.0, 1.0, 2.0];
        };
        let builder = Harness::builder().with_step_dt(0.033).with_context_setup(theme::install);
        let mut harness = builder.build_ui_state(frame, (vec!["a", "b", "b"], false));
        let mut moving = |labels: &[&'static str]| {
            harness.state_mut().0 = labels.to_vec();
            let mut steps = 0;
            loop {
                harness.step();
                if !harness.state().1 {
                    return steps;
                }
                steps += 1;
                assert!(steps < 30, "it comes to rest");
            }
        };
        assert_eq!(moving(&["a", "b", "b"]), 0);
        assert!(moving(&["b", "a", "c"]) > 3, "rows are seen on their way");
        assert_eq!(moving(&["b", "a", "c"]), 0);
    }
}
