//! Files of given data, plain or gzip, read side by side in order of time.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::read::MultiGzDecoder;

use super::{Format, Given, Line, SHOWN_MAX, Source, mapping::Mapping};

/// The longest line that is read; of a longer one the rest is passed over.
const LINE_MAX: usize = 64 * 1024;
/// Lines by which a file's format is recognised.
const FIRST_LINES: usize = 20;
/// Files open at a time.
const FILES_MAX: usize = 500;

/// Several files as one. Each may be somewhat out of order; together they are no more so than each, because the line whose time is
/// smallest among the next ones comes first.
pub(in crate::pipelines::clickstream) struct Files {
    files: Vec<OneFile>,
}

struct OneFile {
    name: Arc<str>,
    reader: Box<dyn BufRead + Send>,
    format: Format,
    /// Lines that were looked at to recognise the format.
    first: std::collections::VecDeque<Vec<u8>>,
    number: u64,
    next: Option<Line>,
}

impl Files {
    /// Opens what `--input` names: files with commas between them, or folders, and after a colon which field means what.
    ///
    /// `None` when nothing of that name is there, so that it may be a topic.
    pub(in crate::pipelines::clickstream) fn open(input: &str) -> Result<Option<Self>, String> {
        let (names, mapping) = parts(input);
        let mapping = Mapping::parse(mapping)?;
        let mut paths = Vec::new();
        let given: Vec<_> = if Path::new(names).exists() { vec![names] } else { names.split(',').collect() };
        for name in given {
            let path = Path::new(name.trim());
            if !path.exists() {
                return if paths.is_empty() { Ok(None) } else { Err(format!("{name} is not there")) };
            }
            paths.extend(files_of(path).map_err(|error| format!("{name}: {error}"))?);
        }
        if paths.is_empty() || paths.len() > FILES_MAX {
            return Err(format!("{names} holds {} files; it takes 1 to {FILES_MAX}", paths.len()));
        }
        let open = |path: &PathBuf| OneFile::open(path, &mapping).map_err(|why| format!("{}: {why}", path.display()));
        Ok(Some(Self { files: paths.iter().map(open).collect::<Result<_, _>>()? }))
    }
}

impl Source for Files {
    fn next(&mut self) -> Option<Line> {
        // What can't be read has no time: it goes first, so that it holds nothing up.
        let time = |file: &OneFile| Some(file.next.as_ref()?.read.as_ref().map_or(i64::MIN, |given: &Given| given.timestamp));
        let first = self.files.iter().enumerate().filter_map(|(at, file)| Some((time(file)?, at))).min()?.1;
        let file = self.files.get_mut(first)?;
        let line = file.next.take();
        file.advance();
        line
    }
}

/// The names, and the mapping: what follows the last colon if it holds an equals sign and is no name itself.
pub(super) fn parts(input: &str) -> (&str, &str) {
    match input.rsplit_once(':') {
        Some((names, mapping)) if mapping.contains('=') && !Path::new(input).exists() => (names, mapping),
        _ => (input, ""),
    }
}

fn files_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

impl OneFile {
    fn open(path: &Path, mapping: &Mapping) -> Result<Self, String> {
        let failed = |error: io::Error| error.to_string();
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let is_gzip = file.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
        let mut reader: Box<dyn BufRead + Send> =
            if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
        let mut first = std::collections::VecDeque::new();
        while first.len() < FIRST_LINES
            && let Some(line) = read_line(&mut *reader).map_err(failed)?
        {
            first.push_back(line);
        }
        let texts: Vec<_> = first.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        let (format, has_header) = Format::of(&texts, mapping)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut opened = Self { name: name.into(), reader, format, first, number: 0, next: None };
        if has_header {
            let blank = texts.iter().take_while(|text| text.trim().is_empty()).count();
            opened.first.drain(..=blank);
            opened.number += blank as u64 + 1;
        }
        opened.advance();
        Ok(opened)
    }

    /// Looks at the next line that is not blank.
    fn advance(&mut self) {
        loop {
            let line = match self.first.pop_front() {
                Some(line) => Ok(Some(line)),
                None => read_line(&mut *self.reader),
            };
            self.number += 1;
            let read = match line {
                Ok(None) => return,
                Ok(Some(line)) if line.trim_ascii().is_empty() => continue,
                Ok(Some(line)) => {
                    let line = String::from_utf8_lossy(&line);
                    let line = line.trim_end_matches(['\n', '\r']);
                    let shown = || line.chars().take(SHOWN_MAX).collect::<String>();
                    if line.len() >= LINE_MAX {
                        Err((format!("it is longer than {LINE_MAX} bytes"), shown()))
                    } else {
                        self.format.read(line).map_err(|why| (why, shown()))
                    }
                }
                // A damaged archive ends here; what was read before stands.
                Err(error) => {
                    self.reader = Box::new(io::empty());
                    Err((format!("the file can't be read on: {error}"), String::new()))
                }
            };
            self.next = Some(Line { source: Arc::clone(&self.name), number: self.number, read });
            return;
        }
    }
}

/// A line of at most [`LINE_MAX`] bytes, its end included; `None` at the end of the file.
fn read_line(reader: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if reader.take(LINE_MAX as u64).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() == LINE_MAX && !line.ends_with(b"\n") {
        let mut rest = Vec::new();
        loop {
            rest.clear();
            let read = reader.take(LINE_MAX as u64).read_until(b'\n', &mut rest)?;
            if read == 0 || rest.ends_with(b"\n") {
                break;
            }
        }
    }
    Ok(Some(line))
}
