//! "Start with …": every parameter of a pipeline, its guarantee, its threads, and a sabotage, in one dialog. What is typed there is kept until
//! the program ends.

use std::sync::Arc;

use egui::{Align, ComboBox, Id, Key, Layout, Response, ScrollArea, Ui};
use weir_model::{ParamMeta, PipelineId, PipelineMeta};
use weir_ui_kit::{
    icons,
    widgets::{labelled_field, primary_button, secondary_button, segmented, subdued},
};

use super::{
    card,
    start_form::{FormErrors, INSTANCES, StartForm, range},
};
use crate::panels::{PanelContext, parts};

/// What the rest of the dialog needs of the window's height.
const AROUND_FIELDS: f32 = 170.0;
/// A parameter of this unit is on or off.
const SWITCH_UNIT: &str = "0 or 1";

/// The dialog of a panel; closed at first.
#[derive(Default)]
pub(crate) struct StartDialog {
    pipeline: Option<PipelineId>,
}

impl StartDialog {
    /// Draws the button that opens it.
    pub(crate) fn button(&mut self, ui: &mut Ui, meta: &PipelineMeta) {
        let button = secondary_button(ui, "Start with …");
        if button.on_hover_text("Rate, seed and the pipeline's own settings; exactly once or not; a sabotage to see a check fail").clicked()
        {
            self.pipeline = Some(meta.id.clone());
        }
    }

    /// Draws it where it is open.
    pub(crate) fn ui(&mut self, ui: &Ui, cx: &mut PanelContext<'_>) {
        let store = cx.store;
        let Some(meta) = store.pipelines.iter().find(|meta| Some(&meta.id) == self.pipeline.as_ref()) else { return };
        let id = Id::unique(("start form", meta.id.as_str()));
        let mut form: StartForm = ui.data(|data| data.get_temp(id)).unwrap_or_default();
        let mut is_done = false;
        let wants_out = parts::dialog(ui, "start with", &format!("Start {} with …", meta.title), |ui| {
            is_done = form_ui(ui, &mut form, meta, cx);
        });
        ui.data_mut(|data| data.insert_temp(id, form));
        if wants_out || is_done {
            self.pipeline = None;
        }
    }
}

/// Draws the form; true when it is done.
fn form_ui(ui: &mut Ui, form: &mut StartForm, meta: &PipelineMeta, cx: &mut PanelContext<'_>) -> bool {
    let checked = form.check(meta);
    let errors = checked.as_ref().err().cloned().unwrap_or_default();
    let height = (ui.ctx().content_rect().height() - AROUND_FIELDS).max(120.0);
    let is_submitted = ScrollArea::vertical().max_height(height).show(ui, |ui| fields(ui, form, meta, &errors)).inner && checked.is_ok();
    ui.add_space(4.0);
    let mut is_done = false;
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let start = ui.add_enabled_ui(checked.is_ok(), |ui| primary_button(ui, &format!("{}  Start with these", icons::PLAY)).clicked());
        if let Ok(params) = checked
            && (start.inner || is_submitted)
        {
            card::start_with(meta, params, cx);
            is_done = true;
        }
        is_done |= secondary_button(ui, "Cancel").clicked();
        if *form != StartForm::default() && secondary_button(ui, "Back to the defaults").clicked() {
            *form = StartForm::default();
        }
    });
    is_done
}

/// Draws the fields; true when Enter was pressed in one.
fn fields(ui: &mut Ui, form: &mut StartForm, meta: &PipelineMeta, errors: &FormErrors) -> bool {
    let mut is_submitted = false;
    let has_choice = |param: &&ParamMeta| param.min < param.max;
    let (switches, numbers): (Vec<&ParamMeta>, Vec<&ParamMeta>) =
        meta.params.iter().filter(has_choice).partition(|param| &*param.unit == SWITCH_UNIT);
    for pair in numbers.chunks(2) {
        ui.columns(2, |columns| {
            for (ui, param) in columns.iter_mut().zip(pair) {
                let field = number(ui, form, param, errors);
                is_submitted |= submitted(ui, &field);
            }
        });
    }
    for param in switches {
        switch(ui, form, param);
    }
    ui.add_space(4.0);
    subdued(ui, "Each record counts");
    let guarantees = [(None, "As the pipeline says"), (Some(true), "Exactly once"), (Some(false), "At least once")];
    segmented(ui, &mut form.is_exactly_once, &guarantees);
    let threads = labelled_field(ui, "Stream threads of each application", &mut form.instances, "as the pipeline says");
    parts::field_error(ui, errors.get(INSTANCES).map(String::as_str));
    sabotage(ui, form, meta);
    is_submitted | submitted(ui, &threads)
}

fn number(ui: &mut Ui, form: &mut StartForm, param: &ParamMeta, errors: &FormErrors) -> Response {
    let unit = if param.unit.is_empty() { String::new() } else { format!(", {}", param.unit) };
    let default = param.default.to_string();
    let mut typed = form.values.get(&param.name).cloned().unwrap_or_else(|| default.clone());
    let field = labelled_field(ui, &format!("{}{unit}", param.label), &mut typed, &default);
    if typed == default {
        form.values.remove(&param.name);
    } else {
        form.values.insert(Arc::clone(&param.name), typed);
    }
    match errors.get(&param.name) {
        Some(error) => parts::field_error(ui, Some(error)),
        None => drop(subdued(ui, range(param))),
    }
    field
}

fn switch(ui: &mut Ui, form: &mut StartForm, param: &ParamMeta) {
    let is_on_by_default = param.default > 0.0;
    let mut is_on = form.values.get(&param.name).map_or(is_on_by_default, |typed| typed == "1");
    if ui.checkbox(&mut is_on, &*param.label).changed() {
        form.values.remove(&param.name);
        if is_on != is_on_by_default {
            form.values.insert(Arc::clone(&param.name), u8::from(is_on).to_string());
        }
    }
}

/// One of the ways to break the processing, or none.
fn sabotage(ui: &mut Ui, form: &mut StartForm, meta: &PipelineMeta) {
    if meta.sabotages.is_empty() {
        return;
    }
    const NONE: &str = "none: every check must pass";
    let words = |text: &str| text.replace('_', " ");
    let told = |sabotage: &weir_model::SabotageMeta| format!("{}: turns {} red", words(&sabotage.id), words(&sabotage.check));
    let chosen = meta.sabotages.iter().find(|sabotage| Some(&sabotage.id) == form.sabotage.as_ref());
    subdued(ui, "Sabotage of the processing");
    let combo = ComboBox::from_id_salt("sabotage").width(ui.available_width()).selected_text(chosen.map_or(NONE.to_owned(), told));
    let shown = combo.show_ui(ui, |ui| {
        ui.selectable_value(&mut form.sabotage, None, NONE);
        for sabotage in &meta.sabotages {
            ui.selectable_value(&mut form.sabotage, Some(Arc::clone(&sabotage.id)), told(sabotage));
        }
    });
    shown.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Sabotage of the processing"));
}

fn submitted(ui: &Ui, field: &Response) -> bool {
    field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}
