//! The pipelines: the classic uses of Kafka, each a real program over real topics.
//!
//! `ALL` is the list; cards, the command line and tests are derived from it. A pipeline's generator, processors and dashboard meet
//! only in topics, so that each works alone.

pub mod alert;
#[cfg(test)]
mod altered;
mod card;
pub mod clickstream;
pub mod fraud;
mod given;
pub mod iot;
pub mod media;
mod planned;
mod reset;
mod running;
pub mod shape;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use weir_model::{CheckMeta, PipelineId, PipelineMeta, PipelineParams, Problem, SabotageMeta};

use crate::{client::Connection, updates::Updates};
use shape::Shape;

pub(crate) use reset::reset;
pub use running::RunningPipeline;

/// A pipeline: what its card shows, and what it is; `None` while it is planned.
struct Pipeline {
    meta: fn() -> PipelineMeta,
    shape: Option<fn() -> Box<dyn Shape>>,
}

/// Every pipeline, in the order of the cards.
const ALL: &[Pipeline] = &[
    Pipeline { meta: clickstream::meta, shape: Some(clickstream::shape) },
    Pipeline { meta: planned::log_aggregation, shape: None },
    Pipeline { meta: planned::change_data_capture, shape: None },
    Pipeline { meta: planned::event_driven_microservices, shape: None },
    Pipeline { meta: planned::real_time_machine_learning, shape: None },
    Pipeline { meta: iot::meta, shape: Some(iot::shape) },
    Pipeline { meta: planned::payments, shape: None },
    Pipeline { meta: planned::stateful_stream_processing, shape: None },
    Pipeline { meta: fraud::meta, shape: Some(fraud::shape) },
    Pipeline { meta: media::meta, shape: Some(media::shape) },
];

/// What the cards show.
pub fn metas() -> Arc<[PipelineMeta]> {
    let sabotage = |(id, check): &(&str, &str)| SabotageMeta { id: (*id).into(), check: (*check).into() };
    let check = |(id, topic): &(&str, &str)| CheckMeta { id: (*id).into(), topic: (*topic).into() };
    let made = |pipeline: &Pipeline| {
        let meta = (pipeline.meta)();
        let Some(shape) = pipeline.shape.map(|shape| shape()) else { return meta };
        let sabotages = shape.sabotages().iter().map(sabotage).collect();
        PipelineMeta { sabotages, checks: shape.judged().iter().map(check).collect(), ..meta }
    };
    ALL.iter().map(made).collect()
}

/// What the card of a pipeline shows.
///
/// # Errors
/// When there is no pipeline of that name.
pub fn meta(id: &PipelineId) -> Result<PipelineMeta, Problem> {
    ALL.iter().map(|pipeline| (pipeline.meta)()).find(|meta| meta.id == *id).ok_or_else(|| unknown(id))
}

/// Ways to break a pipeline's processing on purpose, each with the check that turns red.
pub fn sabotages(id: &PipelineId) -> &'static [(&'static str, &'static str)] {
    let shape = ALL.iter().find(|pipeline| (pipeline.meta)().id == *id).and_then(|pipeline| pipeline.shape);
    shape.map_or(&[], |shape| shape().sabotages())
}

/// Starts a pipeline; from then on it speaks through `updates`, and ends with a report.
///
/// # Errors
/// When there is no such pipeline yet, or a parameter is outside of its range.
pub fn start(id: &PipelineId, params: PipelineParams, connection: Connection, updates: Updates) -> Result<RunningPipeline, Problem> {
    let pipeline = ALL.iter().find(|pipeline| (pipeline.meta)().id == *id);
    match pipeline.map(|pipeline| (pipeline.shape, (pipeline.meta)())) {
        Some((Some(shape), meta)) => {
            check_params(&meta, &params)
                .and_then(|()| check_scenario(&meta, &params))
                .and_then(|()| check_sabotage(&meta, &params))
                // Who follows the run learns that there is none, and need not wait.
                .inspect_err(|problem| shape::failed(&updates, meta.id.clone(), params.clone(), problem.clone()))?;
            shape::start(shape(), params, connection, updates)
        }
        Some((None, meta)) => Err(Problem::new(
            format!("{} can't be started", meta.title),
            "this pipeline is planned, not built",
            "Start clickstream, which is",
        )),
        None => Err(unknown(id)),
    }
}

fn unknown(id: &PipelineId) -> Problem {
    let ready = ALL.iter().filter(|pipeline| pipeline.shape.is_some());
    let known: Vec<_> = ready.map(|pipeline| (pipeline.meta)().id.to_string()).collect();
    Problem::new(format!("There is no pipeline {id}"), "the name is not in the list", format!("Try one of: {}", known.join(", ")))
}

fn check_params(meta: &PipelineMeta, params: &PipelineParams) -> Result<(), Problem> {
    let values = [("rate_per_s", f64::from(params.rate_per_s)), ("speed", f64::from(params.speed))];
    for (name, value) in values {
        let Some(param) = meta.params.iter().find(|param| &*param.name == name) else { continue };
        if !(param.min..=param.max).contains(&value) {
            return Err(Problem::new(
                format!("{} can't be {value}", param.label),
                format!("it goes from {} to {} {}", param.min, param.max, param.unit),
                "Choose a value in this range",
            ));
        }
    }
    for (name, value) in &params.settings {
        let param = meta.params.iter().find(|param| param.name == *name);
        let range = param.map(|param| param.min..=param.max);
        if !range.as_ref().is_some_and(|range| range.contains(value)) {
            let known: Vec<_> = meta.params.iter().map(|param| format!("{} from {} to {}", param.name, param.min, param.max)).collect();
            return Err(Problem::new(
                format!("{} can't run with {name}={value}", meta.title),
                "there is no such setting, or the value is outside of its range",
                format!("Try one of: {}", known.join(", ")),
            ));
        }
    }
    Ok(())
}

fn check_scenario(meta: &PipelineMeta, params: &PipelineParams) -> Result<(), Problem> {
    let Some(wanted) = params.scenario.as_ref().filter(|wanted| !meta.scenarios.iter().any(|scenario| scenario.id == **wanted)) else {
        return Ok(());
    };
    let known: Vec<_> = meta.scenarios.iter().map(|scenario| format!("{} ({})", scenario.id, scenario.title)).collect();
    Err(Problem::new(
        format!("{} has no scenario {wanted}", meta.title),
        "the name is not in the list",
        if known.is_empty() { "Start it without one".to_owned() } else { format!("Try one of: {}", known.join(", ")) },
    ))
}

fn check_sabotage(meta: &PipelineMeta, params: &PipelineParams) -> Result<(), Problem> {
    let known = sabotages(&meta.id);
    let Some(wanted) = params.sabotage.as_ref().filter(|wanted| !known.iter().any(|(name, _)| *name == &***wanted)) else {
        return check_has_input(meta, params);
    };
    let known: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    Err(Problem::new(
        format!("{} can't be sabotaged by {wanted}", meta.title),
        "the name is not in the list",
        format!("Try one of: {}", known.join(", ")),
    ))
}

fn check_has_input(meta: &PipelineMeta, params: &PipelineParams) -> Result<(), Problem> {
    let shape = ALL.iter().find(|pipeline| (pipeline.meta)().id == meta.id).and_then(|pipeline| pipeline.shape);
    match &params.sabotage {
        Some(wanted) if params.input.is_none() && shape.is_some_and(|shape| shape().needs_input(wanted)) => Err(Problem::new(
            format!("{wanted} would not be seen"),
            "it breaks what is said of labelled incidents, and the generator's are judged otherwise",
            "Give labelled data with --input, or choose another sabotage",
        )),
        _ => Ok(()),
    }
}
