//! One file of given data, plain or gzip, row by row.

use std::{
    collections::VecDeque,
    io::{self, BufRead, Read},
    path::Path,
    sync::Arc,
};

use super::{Format, Line, SHOWN_MAX, mapping::Mapping};
use crate::pipelines::{
    clickstream::settings::INPUT_GRACE_MS,
    given::{self, Dialect, Sniff},
    shape::Preparation,
};

/// The longest line that is read; of a longer one the rest is passed over.
const LINE_MAX: usize = 64 * 1024;
/// Lines by which a file's format is recognised.
const FIRST_LINES: usize = 20;
/// Lines that the quotes of one row may hold.
const ROW_LINES_MAX: usize = 100;
/// Rows by which it is told whether a file is in order of time.
const LOOKED_AT_MAX: usize = 200_000;
/// Rows that are sorted, and bytes of them; a larger file is read as it is.
const SORTED_ROWS_MAX: usize = 5_000_000;
const SORTED_BYTES_MAX: usize = 1 << 30;
/// It is told when so many more are there.
const TOLD_ROWS: usize = 500_000;

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
    /// All rows that are still to be read, where they had to be sorted.
    sorted: Option<std::vec::IntoIter<Row>>,
    next: Option<Line>,
}

/// A row as it stands in the file, or why it is none and what is shown of it.
struct Row {
    number: u64,
    text: Result<String, (String, String)>,
    is_broken: bool,
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
        let mut reader = given::open(path)?;
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

    /// The file in the format that its own first lines have, nothing of it read.
    fn recognised(self, mapping: &Mapping) -> Result<OneFile, String> {
        let texts = self.texts();
        let (format, has_header) = Format::of(&texts, mapping)?;
        let blank = texts.iter().take_while(|text| text.trim().is_empty()).count();
        Ok(self.unread(format, if has_header { blank + 1 } else { 0 }))
    }

    /// The file in this format, without so many lines at its beginning.
    pub(super) fn into_file(self, format: Format, passed_over: usize) -> OneFile {
        self.unread(format, passed_over).begun()
    }

    pub(super) fn unread(mut self, format: Format, passed_over: usize) -> OneFile {
        self.lines.drain(..passed_over.min(self.lines.len()));
        let Self { name, reader, lines } = self;
        OneFile { name, reader, format, waiting: lines, failed: None, number: passed_over as u64, sorted: None, next: None }
    }
}

impl OneFile {
    /// Opens a file; `None` when there is nothing in it. Rows that are further out of order than sessions wait for, as in a table that is
    /// sorted by user, are put in order first.
    pub(super) fn open(path: &Path, mapping: &Mapping, preparation: &Preparation) -> Result<Option<Self>, String> {
        let unread = || {
            let first = FirstLines::of(path).map_err(|error| error.to_string())?;
            if first.is_empty() { Ok(None) } else { first.recognised(mapping).map(Some) }
        };
        let Some(mut file) = unread()? else { return Ok(None) };
        // A pipe can be read only once.
        if !path.is_file() {
            let texts: Vec<_> = file.waiting.iter().map(|line| text(line)).collect();
            let mut sniff = Sniff::new(mapping.dialect);
            texts.iter().for_each(|text| file.format.look(text, &mut sniff));
            return Ok(Some(file.with(sniff.dialect()?).begun()));
        }
        let mut sniff = Sniff::new(mapping.dialect);
        file.look(&mut sniff);
        let dialect = sniff.dialect()?;
        let unread = || Ok::<_, String>(unread()?.map(|file| file.with(dialect)));
        let is_out_of_order = unread()?.is_some_and(Self::runs_back);
        let sorted = match unread()? {
            Some(file) if is_out_of_order => file.sorted(preparation)?,
            _ => None,
        };
        if sorted.is_some() { Ok(sorted) } else { Ok(unread()?.map(Self::begun)) }
    }

    fn with(mut self, dialect: Dialect) -> Self {
        self.format = self.format.with(dialect);
        self
    }

    /// Looks how its first rows write dates and numbers.
    pub(super) fn look(&mut self, sniff: &mut Sniff) {
        while self.format.has_dialects() && !sniff.is_enough() {
            let Some(row) = self.next_row() else { return };
            if let Ok(text) = row.text {
                self.format.look(&text, sniff);
            }
        }
    }

    fn begun(mut self) -> Self {
        self.advance();
        self
    }

    fn runs_back(mut self) -> bool {
        let mut newest_ms = i64::MIN;
        for _ in 0..LOOKED_AT_MAX {
            let Some(row) = self.next_row() else { break };
            let Some(given) = row.text.ok().and_then(|text| self.format.read(&text).ok()) else { continue };
            newest_ms = newest_ms.max(given.timestamp);
            if given.timestamp < newest_ms - INPUT_GRACE_MS {
                return true;
            }
        }
        false
    }

    /// All rows in memory and in order of time; `None` where they are too many.
    fn sorted(mut self, preparation: &Preparation) -> Result<Option<Self>, String> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let title = format!("{} is not in order of time", self.name);
        while let Some(row) = self.next_row() {
            if preparation.is_stopping() {
                return Err("the run was ended while its rows were put in order".to_owned());
            }
            bytes += row.text.as_ref().map_or(0, String::len);
            if rows.len() >= SORTED_ROWS_MAX || bytes > SORTED_BYTES_MAX {
                preparation.tell(title, format!("{} rows are too many to sort: those that come too late are not counted", rows.len()));
                return Ok(None);
            }
            let read = row.text.as_ref().ok().and_then(|text| self.format.read(text).ok());
            rows.push((read.map_or(i64::MIN, |given| given.timestamp), row));
            if rows.len().is_multiple_of(TOLD_ROWS) {
                preparation.tell(title.as_str(), format!("{} rows read, to be sorted in memory", rows.len()));
            }
        }
        rows.sort_by_key(|(ms, _)| *ms);
        preparation.tell(title, format!("its {} rows were sorted in memory", rows.len()));
        self.sorted = Some(rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>().into_iter());
        Ok(Some(self.begun()))
    }

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

    /// Looks at the next row.
    fn advance(&mut self) {
        self.next = self.next_row().map(|Row { number, text, is_broken }| {
            let read = text.and_then(|text| self.format.read(&text).map_err(|why| (why, shown(&text))));
            Line { source: Arc::clone(&self.name), number, read, is_broken }
        });
    }

    /// The next row that is not blank.
    fn next_row(&mut self) -> Option<Row> {
        if let Some(sorted) = &mut self.sorted {
            return sorted.next();
        }
        loop {
            let line = self.line();
            self.number += 1;
            let number = self.number;
            match line {
                Ok(None) => return None,
                Ok(Some(line)) if line.trim_ascii().is_empty() => {}
                Ok(Some(line)) => match self.row(text(&line)) {
                    Ok(text) if self.format.is_idle(&text) => self.format.follow(&text),
                    text => return Some(Row { number, text: text.map(|text| self.format.laid_out(text)), is_broken: false }),
                },
                // A damaged archive ends here; what was read before stands.
                Err(error) => {
                    self.reader = Box::new(io::empty());
                    let why = (format!("the file can't be read on: {error}"), String::new());
                    return Some(Row { number, text: Err(why), is_broken: true });
                }
            }
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
    fn row(&mut self, line: String) -> Result<String, (String, String)> {
        if line.len() >= LINE_MAX {
            return Err((format!("it is longer than {LINE_MAX} bytes"), shown(&line)));
        }
        Ok(if self.format.is_unfinished(&line) { self.joined(&line).unwrap_or(line) } else { line })
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

fn shown(line: &str) -> String {
    line.chars().take(SHOWN_MAX).collect()
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
