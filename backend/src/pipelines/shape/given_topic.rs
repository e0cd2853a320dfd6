//! A topic in place of a file: its records become the lines of a file that a pipeline reads as any other.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use weir_model::Problem;

use super::topics::Topics;
use crate::client::{ClientError, Connection, Reader, ReaderEvent};

/// What says that a topic is meant, where a file has its name too.
const PREFIX: &str = "topic:";
/// Bytes of records that are taken, and how long the cluster may be silent.
const BYTES_MAX: usize = 1 << 30;
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The lines of a topic; they go with it.
pub(in crate::pipelines) struct GivenTopic {
    path: PathBuf,
    mapping: String,
}

impl GivenTopic {
    /// The topic that is meant, as it stands now; `None` when a file is.
    pub(in crate::pipelines) fn fetch(connection: &Connection, input: &str, run: &str) -> Result<Option<Self>, Problem> {
        let (name, mapping) = input.split_once('?').map_or((input, String::new()), |(name, mapping)| (name, format!("?{mapping}")));
        let (name, is_named) = name.strip_prefix(PREFIX).map_or((name, false), |name| (name, true));
        if !is_named && (Path::new(input).exists() || Path::new(name).exists()) {
            return Ok(None);
        }
        let spans = Topics::new(connection, name)?.spans(name)?;
        if spans.is_empty() {
            let missing =
                || Problem::new(format!("There is no topic {name}"), "the cluster knows none of this name", "Look at the list of topics");
            return if is_named { Err(missing()) } else { Ok(None) };
        }
        // A folder of its own, as the file's name is that of the case.
        let folder = std::env::temp_dir().join(format!("weir-{run}"));
        let given = Self { path: folder.join(format!("{name}.jsonl")), mapping };
        let unreadable = || format!("Topic {name} can't be read");
        let lines = lines(connection, name, &spans).map_err(|error| error.problem(unreadable()))?;
        let mut lines = lines.map_err(|why| Problem::new(unreadable(), why, "Give a file, or a topic with less in it"))?;
        // Partitions come as they come; their time says what was first.
        lines.sort_by_key(|(timestamp_ms, partition, offset, _)| (*timestamp_ms, *partition, *offset));
        let unwritable =
            |error: std::io::Error| Problem::new(format!("Topic {name} can't be kept"), error.to_string(), "Make room for temporary files");
        fs::create_dir_all(&folder).map_err(unwritable)?;
        let mut file = BufWriter::new(File::create(&given.path).map_err(unwritable)?);
        for (.., line) in lines {
            file.write_all(&line).and_then(|()| file.write_all(b"\n")).map_err(unwritable)?;
        }
        file.flush().map_err(unwritable)?;
        Ok(Some(given))
    }

    /// As a pipeline is told of a file.
    pub(in crate::pipelines) fn input(&self) -> String {
        format!("{}{}", self.path.display(), self.mapping)
    }
}

impl Drop for GivenTopic {
    fn drop(&mut self) {
        // What can't be deleted is in the folder for temporary files.
        drop(fs::remove_file(&self.path));
        drop(self.path.parent().map(fs::remove_dir));
    }
}

type Line = (i64, i32, i64, Vec<u8>);

/// All records below the ends as lines, or why not all could be read.
fn lines(connection: &Connection, topic: &str, spans: &[(i32, i64, i64)]) -> Result<Result<Vec<Line>, &'static str>, ClientError> {
    let reader = Reader::new(connection, topic, false)?;
    let mut open: Vec<_> = spans.iter().filter(|(_, start, end)| start < end).copied().collect();
    reader.assign(open.iter().map(|(partition, start, _)| (*partition, *start)))?;
    let (mut lines, mut bytes) = (Vec::new(), 0);
    while !open.is_empty() {
        match reader.poll(SILENCE_MAX)? {
            Some(ReaderEvent::Record(record)) => {
                let (partition, offset) = (record.partition(), record.offset());
                let is_in = open.iter().any(|(known, _, end)| *known == partition && offset < *end);
                if let (true, Some(value)) = (is_in, record.value()) {
                    bytes += value.len();
                    let line = value.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
                    lines.push((record.timestamp_ms().unwrap_or(0), partition, offset, line));
                }
                open.retain(|(known, _, end)| *known != partition || offset + 1 < *end);
            }
            Some(ReaderEvent::End(partition)) => open.retain(|(known, ..)| *known != partition),
            None => return Ok(Err("the cluster fell silent")),
        }
        if bytes > BYTES_MAX {
            return Ok(Err("it has more than a gibibyte"));
        }
    }
    Ok(Ok(lines))
}
