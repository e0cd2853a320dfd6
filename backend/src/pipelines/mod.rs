//! The pipelines: the classic uses of Kafka, each a real program over real topics.
//!
//! `ALL` is the list; cards, the command line and tests are derived from it. A pipeline's generator, processors and dashboard meet
//! only in topics, so that each works alone.

pub mod clickstream;
pub mod fraud;
pub mod media;
mod planned;
mod running;
pub mod shape;

use std::sync::Arc;

use weir_model::{PipelineId, PipelineMeta, PipelineParams, Problem};

use crate::{client::Connection, updates::Updates};

pub use running::RunningPipeline;

/// Starts a run.
type Start = fn(PipelineParams, Connection, Updates) -> Result<RunningPipeline, Problem>;

/// A pipeline: what its card shows, and how it starts; `None` while it is planned.
struct Pipeline {
    meta: fn() -> PipelineMeta,
    start: Option<Start>,
}

/// Every pipeline, in the order of the cards.
const ALL: &[Pipeline] = &[
    Pipeline { meta: clickstream::meta, start: Some(clickstream::start) },
    Pipeline { meta: planned::log_aggregation, start: None },
    Pipeline { meta: planned::change_data_capture, start: None },
    Pipeline { meta: planned::event_driven_microservices, start: None },
    Pipeline { meta: planned::real_time_machine_learning, start: None },
    Pipeline { meta: planned::iot, start: None },
    Pipeline { meta: planned::payments, start: None },
    Pipeline { meta: planned::stateful_stream_processing, start: None },
    Pipeline { meta: fraud::meta, start: Some(fraud::start) },
    Pipeline { meta: media::meta, start: Some(media::start) },
];

/// What the cards show.
pub fn metas() -> Arc<[PipelineMeta]> {
    ALL.iter().map(|pipeline| (pipeline.meta)()).collect()
}

/// Starts a pipeline; from then on it speaks through `updates`, and ends with a report.
///
/// # Errors
/// When there is no such pipeline yet, or a parameter is outside of its range.
pub fn start(id: &PipelineId, params: PipelineParams, connection: Connection, updates: Updates) -> Result<RunningPipeline, Problem> {
    let pipeline = ALL.iter().find(|pipeline| (pipeline.meta)().id == *id);
    match pipeline.map(|pipeline| (pipeline.start, (pipeline.meta)())) {
        Some((Some(start), meta)) => {
            check_params(&meta, &params)?;
            start(params, connection, updates)
        }
        Some((None, meta)) => Err(Problem::new(
            format!("{} can't be started", meta.title),
            "this pipeline is planned, not built",
            "Start clickstream, which is",
        )),
        None => {
            let known: Vec<_> =
                ALL.iter().filter(|pipeline| pipeline.start.is_some()).map(|pipeline| (pipeline.meta)().id.to_string()).collect();
            Err(Problem::new(
                format!("There is no pipeline {id}"),
                "the name is not in the list",
                format!("Try one of: {}", known.join(", ")),
            ))
        }
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use weir_model::Availability;

    use super::*;

    #[test]
    fn every_card_says_what_it_is() {
        let metas = metas();
        assert_eq!(metas.len(), 10);
        let ids: BTreeSet<_> = metas.iter().map(|meta| meta.id.clone()).collect();
        assert_eq!(ids.len(), metas.len(), "names are unique");
        for (meta, pipeline) in metas.iter().zip(ALL) {
            assert_eq!(meta.availability == Availability::Ready, pipeline.start.is_some(), "{}", meta.id);
            assert!(!meta.title.is_empty() && !meta.story.is_empty() && !meta.story.contains('\n'), "{}", meta.id);
            assert!(meta.id.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", meta.id);
            assert!(meta.params.iter().all(|param| (param.min..=param.max).contains(&param.default)), "{}", meta.id);
            assert_eq!(meta.availability == Availability::Ready, !meta.topics.is_empty(), "{}", meta.id);
        }
    }

    #[test]
    fn what_cant_start_says_why() {
        let params = PipelineParams { rate_per_s: 10, seed: 1, speed: 60, start_at: None, events_max: None, ..PipelineParams::default() };
        let start = |id: &str, params| {
            let (updates, _reader) = crate::updates::channel(|| {});
            start(&id.into(), params, Connection::new("127.0.0.1:1", []), updates).expect_err("it can't start")
        };
        assert!(start("nonsense", params.clone()).what_to_do.contains("clickstream"));
        assert!(start("payments", params.clone()).why.contains("planned"));
        assert!(start("clickstream", PipelineParams { rate_per_s: 9, ..params.clone() }).why.contains("10 to 50000"));
        assert!(start("clickstream", PipelineParams { speed: 0, ..params }).why.contains("1 to 1000"));
    }
}
