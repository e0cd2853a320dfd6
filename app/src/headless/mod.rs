//! The program where there is no display: broker and pipeline run in the terminal, with a live summary in text.

mod screen;
mod summary;

use std::time::Duration;

use weir_model::{Cluster, Phase, PipelineId, PipelineMeta, PipelineParams, Request};

use crate::cli::{Failure, Globals, Session, Stage, note, report_line};
use screen::Screen;

/// The pipeline that shows what Kafka is good for.
const PIPELINE: &str = "clickstream";
/// Equal seeds give equal demonstrations.
const SEED: u64 = 42;
/// How soon a signal is noticed while nothing else happens.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);
/// How long the pipeline may take to write its last results.
const FINISH_MAX: Duration = Duration::from_secs(10);

/// Runs until SIGINT or SIGTERM. `why` tells why there is no window.
pub(crate) fn run(globals: &Globals, why: &str) -> Result<(), Failure> {
    note(format_args!("{why}"));
    note("Weir goes on in this terminal. Pictures need no display: weir shot clickstream -o clickstream.png");
    let mut stage = Stage::window(globals)?;
    let is_local = matches!(globals.cluster(), Cluster::Local);
    if is_local {
        start_pipeline(&stage.session)?;
    } else {
        // Nobody asked for topics on a cluster of theirs.
        note(format_args!("To run a pipeline there: weir run {PIPELINE} --bootstrap {}", stage.session.bootstrap()));
    }
    let mut screen = Screen::new();
    while !stage.session.end.is_set() {
        stage.session.advance(SIGNAL_CHECK);
        screen.show(&stage.session.store)?;
    }
    note("ending");
    if is_local {
        finish_pipeline(&mut stage.session)?;
    }
    stage.strike()
}

fn start_pipeline(session: &Session) -> Result<(), Failure> {
    let metas = weir_backend::pipelines::metas();
    let Some(meta) = metas.iter().find(|meta| meta.id.as_str() == PIPELINE) else { return Ok(()) };
    let default = |name: &str| setting_default(meta, name);
    let params =
        PipelineParams { rate_per_s: default("rate_per_s"), seed: SEED, speed: default("speed"), start_at: None, events_max: None };
    Ok(session.request(Request::StartPipeline(meta.id.clone(), params))?)
}

fn setting_default(meta: &PipelineMeta, name: &str) -> u32 {
    meta.params.iter().find(|param| &*param.name == name).map_or(1, |param| param.default as u32)
}

/// Stops the pipeline and tells what its checks say.
fn finish_pipeline(session: &mut Session) -> Result<(), Failure> {
    let id = PipelineId::from(PIPELINE);
    let status = session.store.runs.get(&id).and_then(|view| view.status.clone());
    if !status.is_some_and(|status| status.phase.is_active()) {
        return Ok(());
    }
    session.request(Request::StopPipeline(id.clone()))?;
    let give_up = std::time::Instant::now() + FINISH_MAX;
    while std::time::Instant::now() < give_up {
        session.advance(SIGNAL_CHECK);
        let Some(view) = session.store.runs.get(&id) else { continue };
        if let Some(report) = &view.report {
            note(report_line(report));
            return Ok(());
        }
        if view.status.as_ref().is_some_and(|status| matches!(status.phase, Phase::Failed(_))) {
            return Ok(()); // the notice told why
        }
    }
    note("the pipeline did not end in time; what it had not finished is recomputed at its next start");
    Ok(())
}
