//! The file that makes a folder a topic: `topic`, a few lines of text, replaced as a whole.

use std::fmt::Write as _;

use uuid::Uuid;

use super::configs::Overrides;

/// Its name inside the topic's folder.
pub(super) const TOPIC_FILE: &str = "topic";
const FORMAT: &str = "weir topic 1";

/// What a topic is, apart from its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopicFile {
    pub(super) name: String,
    pub(super) id: Uuid,
    pub(super) partitions: i32,
    pub(super) created_ms: i64,
    pub(super) overrides: Overrides,
}

impl TopicFile {
    pub(super) fn encode(&self) -> String {
        let mut text =
            format!("{FORMAT}\nname {}\nid {}\npartitions {}\ncreated_ms {}\n", self.name, self.id, self.partitions, self.created_ms);
        for (name, value) in &self.overrides {
            // Writing to a String can't fail.
            let _ = writeln!(text, "config {name} {value}");
        }
        text
    }

    /// Reads the file back; `None` if it is not one of ours.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FORMAT {
            return None;
        }
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
        let mut file = Self {
            name: field("name")?,
            id: field("id")?.parse().ok()?,
            partitions: field("partitions")?.parse().ok()?,
            created_ms: field("created_ms")?.parse().ok()?,
            overrides: Overrides::new(),
        };
        for line in lines {
            let (name, value) = line.strip_prefix("config ")?.split_once(' ')?;
            file.overrides.insert(name.to_owned(), value.to_owned());
        }
        Some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut file =
            TopicFile { name: "a.b-c_d".into(), id: Uuid::from_u128(7), partitions: 3, created_ms: 9, overrides: Overrides::new() };
        assert_eq!(TopicFile::decode(&file.encode()), Some(file.clone()));
        file.overrides.insert("cleanup.policy".into(), "compact, delete".into());
        assert_eq!(TopicFile::decode(&file.encode()), Some(file));
        assert_eq!(TopicFile::decode("something else"), None);
    }
}
