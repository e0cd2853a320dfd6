//! What `--input` names.

use std::path::Path;

/// Files or a topic, and which field means what: `FILE?user=ip&time=ts`, `topic:NAME?user=ip`, and as `FILE:user=ip,time=ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// Files with commas between them, a folder, or a topic.
    pub(super) names: &'a str,
    /// What the fields mean; empty where nothing was told.
    pub(super) mapping: &'a str,
    /// Whether a topic is meant, even where a file has its name.
    pub(super) is_topic: bool,
}

/// What says that a topic is meant.
const TOPIC: &str = "topic:";

impl<'a> Named<'a> {
    /// Takes the parts apart. What is there by the whole name has no mapping.
    pub(super) fn parse(input: &'a str) -> Self {
        let (rest, is_topic) = input.strip_prefix(TOPIC).map_or((input, false), |name| (name, true));
        let is_mapping = |(_, mapping): &(&str, &str)| mapping.contains('=');
        let parts = if !is_topic && Path::new(rest).exists() {
            None
        } else {
            rest.split_once('?').filter(is_mapping).or_else(|| rest.rsplit_once(':').filter(is_mapping))
        };
        let (names, mapping) = parts.unwrap_or((rest, ""));
        Self { names, mapping, is_topic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_are_read() {
        let check = |input: &str, names: &str, mapping: &str, is_topic: bool| {
            assert_eq!(Named::parse(input), Named { names, mapping, is_topic }, "{input}");
        };
        check("a.csv", "a.csv", "", false);
        check("a.csv?user=who&time=when", "a.csv", "user=who&time=when", false);
        check("a.csv,b.csv:user=who,time=when", "a.csv,b.csv", "user=who,time=when", false);
        check("topic:clicks", "clicks", "", true);
        check("topic:clicks?user=who", "clicks", "user=who", true);
        check("topic:clicks:user=who", "clicks", "user=who", true);
        check("clicks:v2", "clicks:v2", "", false);
        check("what?.csv", "what?.csv", "", false);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("odd?a=b.csv");
        std::fs::write(&path, "").expect("written");
        let path = path.to_str().expect("a path");
        check(path, path, "", false);
    }
}
