//! Pipelines by the names that people type.

use weir_model::{Availability, PipelineMeta};

use super::Failure;

/// The pipeline of that name, if it can run.
pub(crate) fn find<'a>(metas: &'a [PipelineMeta], wanted: &str) -> Result<&'a PipelineMeta, Failure> {
    let meta = metas.iter().find(|meta| meta.id.as_str() == wanted && meta.availability == Availability::Ready);
    meta.ok_or_else(|| {
        let ready: Vec<&str> = metas.iter().filter(|meta| meta.availability == Availability::Ready).map(|meta| meta.id.as_str()).collect();
        Failure::Usage(format!("there is no pipeline {wanted:?}; there is: {}", ready.join(", ")))
    })
}
