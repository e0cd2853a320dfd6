//! One file of given data, plain or gzip, row by row.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
};

use flate2::read::MultiGzDecoder;

use super::{Format, Line, SHOWN_MAX, mapping::Mapping};

/// The longest line that is read; of a longer one the rest is passed over.
const LINE_MAX: usize = 64 * 1024;
/// Lines by which a file's format is recognised.
const FIRST_LINES: usize = 20;
/// Lines that the quotes of one row may hold.
const ROW_LINES_MAX: usize = 100;

/// A file, and the row that comes next.
pub(super) struct OneFile {
    name: Arc<str>,
    reader: Box<dyn BufRead + Send>,
    format: Format,
    /// Lines that were looked at, and are still to be read.
    waiting: VecDeque<Vec<u8>>,
    /// What went wrong behind them.
    failed: Option<io::Error>,
    number: u64,
    next: Option<Line>,
}

/// A file whose first lines were looked at.
pub(super) struct FirstLines {
    name: Arc<str>,
    reader: Box<dyn BufRead + Send>,
    lines: VecDeque<Vec<u8>>,
}

impl FirstLines {
    /// Opens a file.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let is_gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let mut reader: Box<dyn BufRead + Send> =
            if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
        let mut lines = VecDeque::new();
        while lines.len() < FIRST_LINES
            && let Some(line) = read_line(&mut *reader)?
        {
            lines.push_back(line);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self { name: name.into(), reader, lines })
    }

    /// Whether there is nothing in it, as in a log that was just rotated.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.len() < FIRST_LINES && self.lines.iter().all(|line| line.trim_ascii().is_empty())
    }

    /// The lines as texts.
    pub(super) fn texts(&self) -> Vec<String> {
        self.lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    /// The file in the format that its own first lines have.
    pub(super) fn recognised(self, mapping: &Mapping) -> Result<OneFile, String> {
        let texts = self.texts();
        let (format, has_header) = Format::of(&texts, mapping)?;
        let blank = texts.iter().take_while(|text| text.trim().is_empty()).count();
        Ok(self.into_file(format, if has_header { blank + 1 } else { 0 }))
    }

    /// The file in this format, without so many lines at its beginning.
    pub(super) fn into_file(mut self, format: Format, passed_over: usize) -> OneFile {
        self.lines.drain(..passed_over.min(self.lines.len()));
        let Self { name, reader, lines } = self;
        let mut opened = OneFile { name, reader, format, waiting: lines, failed: None, number: passed_over as u64, next: None };
        opened.advance();
        opened
    }
}

impl OneFile {
    /// The time of the next row: `None` at the end. What can't be read has no time: it goes first, so that it holds nothing up.
    pub(super) fn next_ms(&self) -> Option<i64> {
        Some(self.next.as_ref()?.read.as_ref().map_or(i64::MIN, |given| given.timestamp))
    }

    /// The next row, taken out.
    pub(super) fn take(&mut self) -> Option<Line> {
        let line = self.next.take();
        self.advance();
        line
    }

    /// Looks at the next row that is not blank.
    fn advance(&mut self) {
        loop {
            let line = self.line();
            self.number += 1;
            let (number, mut is_broken) = (self.number, false);
            let read = match line {
                Ok(None) => return,
                Ok(Some(line)) if line.trim_ascii().is_empty() => continue,
                Ok(Some(line)) => self.row(text(&line)),
                // A damaged archive ends here; what was read before stands.
                Err(error) => {
                    (self.reader, is_broken) = (Box::new(io::empty()), true);
                    Err((format!("the file can't be read on: {error}"), String::new()))
                }
            };
            self.next = Some(Line { source: Arc::clone(&self.name), number, read, is_broken });
            return;
        }
    }

    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        match (self.waiting.pop_front(), self.failed.take()) {
            (Some(line), failed) => {
                self.failed = failed;
                Ok(Some(line))
            }
            (None, Some(error)) => Err(error),
            (None, None) => read_line(&mut *self.reader),
        }
    }

    /// Reads a row that begins with this line.
    fn row(&mut self, line: String) -> Result<super::Given, (String, String)> {
        let shown = |line: &str| line.chars().take(SHOWN_MAX).collect::<String>();
        if line.len() >= LINE_MAX {
            return Err((format!("it is longer than {LINE_MAX} bytes"), shown(&line)));
        }
        let row = if self.format.is_unfinished(&line) { self.joined(&line).unwrap_or(line) } else { line };
        self.format.read(&row).map_err(|why| (why, shown(&row)))
    }

    /// The line with those after it that its quotes hold; `None` where a quote has just gone astray: then each is a row of its own.
    fn joined(&mut self, line: &str) -> Option<String> {
        let (mut row, mut taken) = (line.to_owned(), Vec::new());
        while taken.len() < ROW_LINES_MAX && row.len() < LINE_MAX && self.format.is_unfinished(&row) {
            match self.line() {
                Ok(Some(next)) => {
                    row.push('\n');
                    row.push_str(&text(&next));
                    taken.push(next);
                }
                Ok(None) => break,
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        if self.format.is_whole(&row) {
            self.number += taken.len() as u64;
            return Some(row);
        }
        taken.into_iter().rev().for_each(|line| self.waiting.push_front(line));
        None
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned()
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
