//! The pipeline that is started without being asked for by name, where there is nothing else to show.

use std::io;

use tempfile::TempDir;
use weir_model::{PipelineId, PipelineParams, Problem, Request, ScenarioId};

/// It shows what Kafka is good for.
pub(crate) const PIPELINE: &str = "clickstream";
/// Equal seeds give equal demonstrations.
const SEED: u64 = 42;

/// Starts a pipeline with its defaults, or by one of its scenarios.
pub(crate) fn start(
    id: &PipelineId,
    scenario: Option<&ScenarioId>,
    request: impl FnOnce(Request) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let metas = weir_backend::pipelines::metas();
    let meta = metas.iter().find(|meta| meta.id == *id);
    if let (Some(meta), Some(wanted)) = (meta, scenario)
        && meta.scenarios.iter().all(|known| known.id != *wanted)
    {
        let known: Vec<_> = meta.scenarios.iter().map(|known| known.id.as_str()).collect();
        let why = format!("{id} has no scenario {wanted}");
        return Err(Problem::new("The pipeline could not start", why, format!("Name one of {}", known.join(", "))));
    }
    let default = |name: &str| {
        let params = meta.iter().flat_map(|meta| &meta.params);
        params.filter(|param| &*param.name == name).map(|param| param.default as u32).next().unwrap_or(1)
    };
    let params = PipelineParams {
        rate_per_s: default("rate_per_s"),
        seed: SEED,
        speed: default("speed"),
        scenario: scenario.cloned(),
        ..PipelineParams::default()
    };
    request(Request::StartPipeline(id.clone(), params))
}

/// A place for data that nobody keeps.
pub(crate) fn temporary_folder(prefix: &str) -> Result<TempDir, Problem> {
    TempDir::with_prefix(prefix).map_err(|error: io::Error| {
        Problem::new(
            "There is no place for the data of this run",
            format!("a temporary folder could not be made in {}: {error}", std::env::temp_dir().display()),
            "Free some space there, set TMPDIR, or name a folder with --data-dir",
        )
    })
}
