//! What pipelines' cards are made of, a line for each thing that can be set or broken.

use weir_model::{FaultMeta, KnobMeta, ParamMeta};

/// A setting: name, label, unit, smallest and largest value, default, and whether it can change during a run.
pub(super) fn param(name: &str, label: &str, unit: &str, min: f64, max: f64, default: f64, is_live: bool) -> ParamMeta {
    ParamMeta { name: name.into(), label: label.into(), unit: unit.into(), min, max, default, is_live }
}

/// A fault: id, label, how long it lasts, what will be seen; and what can be chosen of it.
pub(super) fn fault((id, label, for_ms, effect): (&str, &str, i64, &str), knobs: impl Fn(&str) -> Vec<KnobMeta>) -> FaultMeta {
    FaultMeta { id: id.into(), label: label.into(), effect: effect.into(), heals_after_ms: for_ms.unsigned_abs(), knobs: knobs(id) }
}
