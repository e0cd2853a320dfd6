//! An existing topic as given data: its records from the first to what was the last one when the run began, each a line.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Format, Line, SHOWN_MAX, Source, files::parts, mapping::Mapping};
use crate::client::{Admin, ClientError, Connection, Reader, ReaderEvent};

/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Silences of [`ANSWER_MAX`] before a topic that has not ended counts as unreadable.
const SILENCES_MAX: u32 = 3;
/// Records by which the format is recognised.
const FIRST_RECORDS: usize = 20;

/// The records of a topic.
pub(in crate::pipelines::clickstream) struct Lines {
    name: Arc<str>,
    reader: Reader,
    format: Option<Format>,
    mapping: Mapping,
    waiting: std::collections::VecDeque<(u64, String)>,
    /// Partitions that have not ended.
    open: BTreeMap<i32, ()>,
    number: u64,
}

impl Lines {
    /// Opens what `--input` names.
    pub(in crate::pipelines::clickstream) fn open(input: &str, connection: &Connection) -> Result<Self, String> {
        let (name, mapping) = parts(input);
        let failed = |error: ClientError| error.to_string();
        let admin = Admin::new(connection, ANSWER_MAX).map_err(failed)?;
        let topics = admin.metadata(None).map_err(failed)?.topics;
        let topic = topics.into_iter().find(|topic| topic.name == name).ok_or("there is no file and no topic of that name")?;
        let partitions = topic.partitions.map_err(failed)?;
        let reader = Reader::new(connection, name, false).map_err(failed)?;
        reader.assign(partitions.iter().map(|partition| (partition.id, 0))).map_err(failed)?;
        let open = partitions.iter().map(|partition| (partition.id, ())).collect();
        let (name, mapping) = (name.into(), Mapping::parse(mapping)?);
        Ok(Self { name, reader, format: None, mapping, waiting: std::collections::VecDeque::new(), open, number: 0 })
    }

    /// The next record as text.
    fn text(&mut self) -> Option<(u64, String)> {
        let mut silences = 0;
        while !self.open.is_empty() && silences < SILENCES_MAX {
            match self.reader.poll(ANSWER_MAX) {
                Ok(Some(ReaderEvent::Record(record))) => {
                    self.number += 1;
                    return Some((self.number, String::from_utf8_lossy(record.value().unwrap_or_default()).trim_end().to_owned()));
                }
                Ok(Some(ReaderEvent::End(partition))) => drop(self.open.remove(&partition)),
                Ok(None) | Err(_) => silences += 1,
            }
        }
        None
    }

    fn recognise(&mut self) -> Result<(), String> {
        while self.waiting.len() < FIRST_RECORDS
            && let Some(text) = self.text()
        {
            self.waiting.push_back(text);
        }
        let first: Vec<_> = self.waiting.iter().map(|(_, text)| text.clone()).collect();
        match Format::of(&first, &self.mapping)? {
            (_, true) => Err("records with a header make no sense; give JSON, or lines of an access log".to_owned()),
            (format, false) => {
                self.format = Some(format);
                Ok(())
            }
        }
    }
}

impl Source for Lines {
    fn next(&mut self) -> Option<Line> {
        let source = Arc::clone(&self.name);
        if self.format.is_none()
            && let Err(why) = self.recognise()
        {
            let first = self.waiting.pop_front()?;
            (self.waiting, self.open) = (std::collections::VecDeque::new(), BTreeMap::new());
            return Some(Line { source, number: first.0, read: Err((why, first.1)) });
        }
        let (number, text) = self.waiting.pop_front().or_else(|| self.text())?;
        let shown = || text.chars().take(SHOWN_MAX).collect::<String>();
        let read = self.format.as_ref()?.read(&text).map_err(|why| (why, shown()));
        Some(Line { source, number, read })
    }
}
