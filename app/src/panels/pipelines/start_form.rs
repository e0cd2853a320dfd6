//! With what a pipeline is started: the fields as typed, and what they mean. Pure.

use std::{collections::BTreeMap, sync::Arc};

use weir_model::{ParamMeta, PipelineMeta, PipelineParams};
use weir_ui_kit::format;

/// Equal seeds give equal demonstrations.
const SEED: u64 = 42;
/// The rate where the pipeline names none.
const RATE_PER_S: u32 = 1_000;
/// The speed of event time where the pipeline names none.
const SPEED: u32 = 1;
/// Stream threads past which a slip of the finger is likelier than a wish.
const INSTANCES_MAX: u16 = 64;

/// The field of the stream threads, among the names of parameters.
pub(super) const INSTANCES: &str = "instances";

/// The fields, as typed; what was not touched is as the pipeline says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct StartForm {
    /// Parameters by name.
    pub(super) values: BTreeMap<Arc<str>, String>,
    /// Exactly once, at least once, or as the pipeline says.
    pub(super) is_exactly_once: Option<bool>,
    /// Empty for as many stream threads as the pipeline says.
    pub(super) instances: String,
    /// What of the processing is broken on purpose.
    pub(super) sabotage: Option<Arc<str>>,
}

/// What is wrong, by field.
pub(super) type FormErrors = BTreeMap<Arc<str>, String>;

impl StartForm {
    /// The parameters to start with, or what to mend first.
    pub(super) fn check(&self, meta: &PipelineMeta) -> Result<PipelineParams, FormErrors> {
        let mut params = PipelineParams { is_exactly_once: self.is_exactly_once, sabotage: self.sabotage.clone(), ..default_params(meta) };
        let mut errors = FormErrors::new();
        for param in &meta.params {
            let Some(typed) = self.values.get(&param.name) else { continue };
            match (read(param, typed), &*param.name) {
                (Ok(value), "rate_per_s") => params.rate_per_s = value as u32,
                (Ok(value), "seed") => params.seed = value as u64,
                (Ok(value), "speed") => params.speed = value as u32,
                (Ok(value), _) if value == param.default => {}
                (Ok(value), _) => drop(params.settings.insert(Arc::clone(&param.name), value)),
                (Err(why), _) => drop(errors.insert(Arc::clone(&param.name), why)),
            }
        }
        match self.instances.trim() {
            "" => {}
            text => match text.parse() {
                Ok(instances @ 1..=INSTANCES_MAX) => params.instances = Some(instances),
                _ => drop(errors.insert(INSTANCES.into(), format!("A whole number from 1 to {INSTANCES_MAX}"))),
            },
        }
        if errors.is_empty() { Ok(params) } else { Err(errors) }
    }
}

/// The parameters a pipeline starts with unless told otherwise.
pub(crate) fn default_params(meta: &PipelineMeta) -> PipelineParams {
    let default = |name: &str| meta.params.iter().find(|param| &*param.name == name).map(|param| param.default);
    PipelineParams {
        rate_per_s: default("rate_per_s").map_or(RATE_PER_S, |rate| rate as u32),
        seed: default("seed").map_or(SEED, |seed| seed as u64),
        speed: default("speed").map_or(SPEED, |speed| speed as u32),
        ..PipelineParams::default()
    }
}

/// What a parameter can be, in words.
pub(super) fn range(param: &ParamMeta) -> String {
    let plain = |value: f64| if value.fract() == 0.0 { format::integer(value as i64) } else { value.to_string() };
    format!("{} to {}", plain(param.min), plain(param.max))
}

fn read(param: &ParamMeta, typed: &str) -> Result<f64, String> {
    let is_whole = matches!(&*param.name, "rate_per_s" | "seed" | "speed");
    let value = typed.trim().replace([',', '_', ' '], "").parse::<f64>().ok();
    let fits = |value: &f64| (param.min..=param.max).contains(value) && (!is_whole || value.fract() == 0.0);
    let kind = if is_whole { "A whole number" } else { "A number" };
    value.filter(fits).ok_or_else(|| format!("{kind} from {}", range(param)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(id: &str) -> PipelineMeta {
        weir_backend::pipelines::metas().iter().find(|meta| meta.id.as_str() == id).expect("it is in the list").clone()
    }

    fn typed(values: &[(&str, &str)]) -> StartForm {
        let values = values.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())).collect();
        StartForm { values, ..StartForm::default() }
    }

    #[test]
    fn an_untouched_form_starts_with_the_defaults() {
        for meta in weir_backend::pipelines::metas().iter() {
            assert_eq!(StartForm::default().check(meta), Ok(default_params(meta)), "{}", meta.id);
        }
    }

    #[test]
    fn what_is_typed_becomes_parameters_or_is_refused_by_field() {
        let check = |values: &[(&str, &str)], expect: Result<(u32, u64, Option<f64>), &[&str]>| {
            let checked = typed(values).check(&meta("iot"));
            let got = checked.as_ref().map(|params| (params.rate_per_s, params.seed, params.settings.get("devices").copied()));
            let wrong: Vec<&str> = checked.as_ref().err().into_iter().flatten().map(|(name, _)| &**name).collect();
            assert_eq!(got.map_err(|_| &wrong[..]), expect, "{values:?}");
        };
        check(&[("rate_per_s", "2,000"), ("seed", " 7 "), ("devices", "300")], Ok((2_000, 7, Some(300.0))));
        check(&[("devices", "240")], Ok((500, 42, None)));
        check(&[("rate_per_s", "49"), ("seed", "-1"), ("devices", "many")], Err(&["devices", "rate_per_s", "seed"]));
        check(&[("seed", "1.5")], Err(&["seed"]));
        check(&[("devices", "")], Err(&["devices"]));
        check(&[("devices", "NaN")], Err(&["devices"]));
    }

    #[test]
    fn an_error_says_what_fits() {
        let errors = typed(&[("rate_per_s", "1")]).check(&meta("iot")).expect_err("it is too slow");
        assert_eq!(errors["rate_per_s"], "A whole number from 50 to 20,000");
    }

    #[test]
    fn threads_guarantee_and_sabotage_are_taken_over() {
        let meta = meta("media");
        let sabotage = meta.sabotages.first().map(|sabotage| Arc::clone(&sabotage.id));
        assert!(sabotage.is_some());
        let form =
            StartForm { is_exactly_once: Some(false), instances: "3".to_owned(), sabotage: sabotage.clone(), ..StartForm::default() };
        let params = form.check(&meta).expect("all fits");
        assert_eq!((params.is_exactly_once, params.instances, params.sabotage), (Some(false), Some(3), sabotage));
        for wrong in ["0", "65", "two"] {
            let form = StartForm { instances: wrong.to_owned(), ..StartForm::default() };
            assert!(form.check(&meta).is_err_and(|errors| errors.contains_key(INSTANCES)), "{wrong}");
        }
    }
}
