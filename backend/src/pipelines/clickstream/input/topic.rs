//! An existing topic as given data: its records from the first to what was the last one when the run began, each a line.
//!
//! Partitions come as they are fetched, one far ahead of another. So each is kept in a file first, and the files are read side by side in
//! order of the times that the lines tell: together they are no more out of order than each partition is.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::PathBuf,
    time::Duration,
};

use super::{
    Line, Source,
    files::{FILES_MAX, Files},
    mapping::Mapping,
    named::Named,
};
use crate::client::{Admin, ClientError, Connection, OffsetSpec, Reader, ReaderEvent};

/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Bytes that are kept on disk at most.
const BYTES_MAX: u64 = 4 << 30;

/// The records of a topic.
pub(in crate::pipelines::clickstream) struct Lines {
    files: Files,
    /// Goes with the lines.
    _kept: Folder,
}

impl Lines {
    /// Fetches what `--input` names, all of it or nothing.
    pub(in crate::pipelines::clickstream) fn open(input: &str, connection: &Connection, run: &str) -> Result<Self, String> {
        let Named { names: topic, mapping, .. } = Named::parse(input);
        let mapping = Mapping::parse(mapping)?;
        let spans = spans(topic, connection)?;
        let folder = Folder::new(run).map_err(|error| format!("there is no room for its records: {error}"))?;
        let paths = fetch(topic, &spans, connection, &folder)?;
        Ok(Self { files: Files::parts(&paths, &mapping)?, _kept: folder })
    }
}

impl Source for Lines {
    fn next(&mut self) -> Option<Line> {
        self.files.next()
    }
}

/// Each partition that holds something, with its first and its end offset.
fn spans(topic: &str, connection: &Connection) -> Result<BTreeMap<i32, (i64, i64)>, String> {
    let failed = |error: ClientError| error.to_string();
    let admin = Admin::new(connection, ANSWER_MAX).map_err(failed)?;
    let topics = admin.metadata(None).map_err(failed)?.topics;
    let found = topics.into_iter().find(|known| known.name == topic).ok_or("there is no file and no topic of that name")?;
    let at: Vec<_> = found.partitions.map_err(failed)?.iter().map(|partition| (topic.to_owned(), partition.id)).collect();
    let mut spans = BTreeMap::<i32, (i64, i64)>::new();
    for listed in admin.list_offsets(&at, OffsetSpec::Earliest).map_err(failed)? {
        spans.entry(listed.partition).or_default().0 = listed.offset.map_err(failed)?.unwrap_or(0);
    }
    for listed in admin.list_offsets(&at, OffsetSpec::Latest).map_err(failed)? {
        spans.entry(listed.partition).or_default().1 = listed.offset.map_err(failed)?.unwrap_or(0);
    }
    spans.retain(|_, (first, end)| first < end);
    match spans.len() {
        0 => Err("it is empty".to_owned()),
        n if n > FILES_MAX => Err(format!("it has {n} partitions; it takes 1 to {FILES_MAX}")),
        _ => Ok(spans),
    }
}

/// Keeps each partition's records below its end as the lines of a file.
fn fetch(topic: &str, spans: &BTreeMap<i32, (i64, i64)>, connection: &Connection, folder: &Folder) -> Result<Vec<PathBuf>, String> {
    let failed = |error: ClientError| format!("it can't be read to its end: {error}");
    let unwritable = |error: std::io::Error| format!("there is no room for its records: {error}");
    let path = |partition: &i32| folder.0.join(format!("{topic}-{partition}"));
    let mut files = BTreeMap::new();
    for partition in spans.keys() {
        files.insert(*partition, BufWriter::new(File::create(path(partition)).map_err(unwritable)?));
    }
    let reader = Reader::new(connection, topic, false).map_err(failed)?;
    reader.assign(spans.iter().map(|(partition, (first, _))| (*partition, *first))).map_err(failed)?;
    let (mut open, mut bytes) = (spans.clone(), 0_u64);
    while !open.is_empty() {
        match reader.poll(ANSWER_MAX).map_err(failed)? {
            Some(ReaderEvent::Record(record)) => {
                let (partition, offset) = (record.partition(), record.offset());
                let Some((_, end)) = open.get(&partition).copied() else { continue };
                if let (true, Some(value), Some(file)) = (offset < end, record.value(), files.get_mut(&partition)) {
                    bytes += value.len() as u64;
                    let line: Vec<_> = value.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
                    file.write_all(&line).and_then(|()| file.write_all(b"\n")).map_err(unwritable)?;
                }
                if offset + 1 >= end {
                    open.remove(&partition);
                }
            }
            Some(ReaderEvent::End(partition)) => drop(open.remove(&partition)),
            None => {
                let why = reader.take_last_error().map_or_else(|| "the cluster fell silent".to_owned(), |error| error.to_string());
                return Err(format!("it can't be read to its end: {why}"));
            }
        }
        if bytes > BYTES_MAX {
            return Err(format!("it holds more than {} GiB", BYTES_MAX >> 30));
        }
    }
    for file in files.values_mut() {
        file.flush().map_err(unwritable)?;
    }
    Ok(spans.keys().map(path).collect())
}

/// A folder that goes when it is no longer needed.
struct Folder(PathBuf);

impl Folder {
    fn new(run: &str) -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("weir-{run}-lines"));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What can't be deleted is in the folder for temporary files.
        drop(fs::remove_dir_all(&self.0));
    }
}
