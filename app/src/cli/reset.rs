//! `weir reset`: deletes what a pipeline's runs left on a cluster, once it has been seen what that is.

use clap::Args;
use serde::Serialize;
use weir_model::{ClusterSnapshot, GroupsSnapshot, PipelineMeta, Request, Update};

use super::{
    Failure, Globals, Subcommand, note,
    output::{Column, Field, Output, Row, cell, number, text},
    support::{Example, Takes, cluster, examples, pipeline},
};

/// The arguments.
#[derive(Args)]
pub(super) struct Reset {
    /// Which pipeline, such as clickstream
    pipeline: String,

    /// Delete it; without this nothing is deleted, only shown
    #[arg(long)]
    yes: bool,

    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

impl Subcommand for Reset {
    const NAME: &'static str = "reset";
    const ABOUT: &'static str = "Delete the topics and groups that a pipeline's runs left, after showing them";
    const EXAMPLES: &'static [Example] = &[
        Example { line: "weir reset clickstream", what: "What would be deleted on the local broker" },
        Example { line: "weir reset clickstream -b kafka.example:9092 --yes", what: "Delete it on a cluster of yours" },
    ];
    const TAKES: Takes = Takes { cluster: true, data_dir: false };

    fn details() -> Option<String> {
        Some(examples::json_section(Left::FIELDS))
    }

    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let metas = weir_backend::pipelines::metas();
        let meta = pipeline::find(&metas, &self.pipeline)?;
        let (topics, groups) = (cluster::read_cluster(globals)?, cluster::read_groups(globals)?);
        let left = left(meta, &topics, &groups);
        Output::stdout(self.json).rows(&left)?;
        if !self.yes {
            if !left.is_empty() {
                note("nothing was deleted; --yes deletes all of this");
            }
            return Ok(());
        }
        let mut session = cluster::connect(globals)?;
        session.request(Request::ResetPipeline(meta.id.clone()))?;
        let done = session.wait_for_news(|update| match update {
            Update::PipelineReset { topics, groups, .. } => Some(format!("{topics} topics and {groups} groups deleted")),
            _ => None,
        })?;
        note(done);
        Ok(())
    }
}

/// What the runs left.
fn left(meta: &PipelineMeta, cluster: &ClusterSnapshot, groups: &GroupsSnapshot) -> Vec<Left> {
    let topics = cluster.topics.iter().filter(|topic| meta.owns_topic(topic.name.as_str()));
    let topics = topics.map(|topic| Left { kind: "topic", name: topic.name.to_string(), records: topic.records() });
    let groups = groups.groups.iter().filter(|group| meta.groups.contains(&group.id));
    topics.chain(groups.map(|group| Left { kind: "group", name: group.id.to_string(), records: None })).collect()
}

#[derive(Serialize)]
struct Left {
    kind: &'static str,
    name: String,
    records: Option<u64>,
}

impl Row for Left {
    const FIELDS: &'static [Field] = &[
        Field { name: "kind", meaning: "topic or group" },
        Field { name: "name", meaning: "its name" },
        Field { name: "records", meaning: "what a topic holds, as weir topics counts them; null for groups" },
    ];
    const COLUMNS: &'static [Column] = &[text("KIND"), text("NAME"), number("RECORDS")];

    fn cells(&self) -> Vec<String> {
        vec![self.kind.to_owned(), self.name.clone(), cell(self.records)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::tests::check_row;

    #[test]
    fn a_row_holds_what_its_help_says() {
        check_row(&Left { kind: "topic", name: "t".to_owned(), records: Some(1_234) });
    }
}
