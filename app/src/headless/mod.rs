//! The program where there is no display: broker and pipeline run in the terminal, with a live summary in text.

mod screen;
mod summary;

use std::time::Duration;

use weir_model::{Cluster, Phase, PipelineId, Problem, Request};

use crate::cli::{Failure, Globals, ProblemText, Session, Stage, demo, note, report_line};
use screen::Screen;

/// How soon a signal is noticed while nothing else happens.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);
/// How long the pipeline may take to write its last results.
const FINISH_MAX: Duration = Duration::from_secs(10);

/// Runs until SIGINT or SIGTERM. `why` tells why there is no window.
pub(crate) fn run(globals: &Globals, why: &Problem) -> Result<(), Failure> {
    note(ProblemText(why));
    note("Weir goes on in this terminal instead. Pictures need no display: weir shot clickstream -o clickstream.png");
    let mut stage = Stage::window(globals)?;
    let is_local = matches!(globals.cluster(), Cluster::Local);
    if is_local {
        demo::start(&PipelineId::from(demo::PIPELINE), None, |request| stage.session.request(request))?;
    } else {
        // Nobody asked for topics on a cluster of theirs.
        note(format_args!("To run a pipeline there: weir run {} --bootstrap {}", demo::PIPELINE, stage.session.bootstrap()));
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

/// Stops the pipeline and tells what its checks say.
fn finish_pipeline(session: &mut Session) -> Result<(), Failure> {
    let id = PipelineId::from(demo::PIPELINE);
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
