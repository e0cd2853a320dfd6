//! Payments from a file, plain or gzip, or the files of a folder by name, at a steady rate; the chargebacks of those that the file calls frauds come seven
//! days of event time later.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, Read as _},
    path::{Path, PathBuf},
};

use weir_model::Problem;

use super::{rulebook, send};
use crate::{
    pipelines::{
        fraud::{
            input::{Format, Mapping, ROW_SHOWN_MAX, Row},
            records::{Label, LabelSource, Transaction},
            settings::{CHARGEBACKS, DAY_MS, DEAD_LETTERS, LABEL_DELAY_MS, TRANSACTIONS, TRUTH},
        },
        given,
        shape::{Command, Emit, RunParams, World},
    },
    sim::{
        Schedule,
        fraud::{Scenario, Truth},
    },
};

/// Chargebacks that wait; of more frauds the oldest come early, so that memory is bounded.
const CHARGEBACKS_MAX: usize = 500_000;

/// Payments on their way: as many as a day has, and not more than these.
const WAITING_MAX: usize = 5_000;
/// Where a day has few, so many of them are days of event time between partitions, more than labels may be apart from payments: a part of a
/// day then, and not fewer than what keeps processing busy.
const FEW: usize = 400;
const PART_OF_DAY: usize = 2;
const WAITING_MIN: usize = 50;

/// The longest line that is read; what is beyond is a line of its own.
const LINE_MAX: u64 = 1 << 20;
/// Lines that the quotes of one row may hold.
const ROW_LINES_MAX: usize = 100;

/// A file that is read.
struct Source {
    reader: Box<dyn BufRead + Send>,
    format: Format,
    /// Lines that were looked at, and are still to be read.
    waiting: VecDeque<String>,
    has_header: bool,
}

impl Source {
    /// The error is why not, and what to do.
    fn open(path: &Path, mapping: &Mapping) -> Result<Self, (String, &'static str)> {
        let mut source = Self::unread(path, mapping)?;
        // A pipe can be read only once.
        let rows: Box<dyn Iterator<Item = String>> = if path.is_file() {
            let mut again = Self::unread(path, mapping)?;
            Box::new(std::iter::from_fn(move || again.next().ok().flatten().map(|(_, row)| row)))
        } else {
            Box::new(source.waiting.clone().into_iter())
        };
        let wrong = |why| (why, "Say how dates and numbers are written, like FILE?dates=dmy&decimal=comma");
        source.format = source.format.sniffed(rows).map_err(wrong)?;
        Ok(source)
    }

    /// Recognised by its first line that is not blank.
    fn unread(path: &Path, mapping: &Mapping) -> Result<Self, (String, &'static str)> {
        let wrong = |error: std::io::Error| (error.to_string(), "Give a CSV or JSONL file, a folder of them, or a topic");
        let mut reader = given::open(path).map_err(wrong)?;
        let mut first = String::new();
        while first.trim().is_empty() {
            first = line_of(&mut *reader).map_err(wrong)?.ok_or_else(|| ("it is empty".to_owned(), "Give payments"))?;
        }
        let (format, has_header) =
            Format::of(&first, mapping).map_err(|why| (why, "Name the columns as the pipeline does, or map them"))?;
        let waiting = if has_header { VecDeque::new() } else { [first].into() };
        Ok(Self { reader, format, waiting, has_header })
    }

    /// Lines before the first row.
    fn header_lines(&self) -> u64 {
        u64::from(self.has_header)
    }

    /// The next row, and how many lines it has.
    fn next(&mut self) -> std::io::Result<Option<(u64, String)>> {
        let Some(line) = self.line()? else { return Ok(None) };
        let joined = if self.format.is_unfinished(&line) { self.joined(&line)? } else { None };
        Ok(Some(joined.unwrap_or((1, line))))
    }

    /// The line with those after it that its quotes hold; `None` where a quote has just gone astray: then each is a row of its own.
    fn joined(&mut self, line: &str) -> std::io::Result<Option<(u64, String)>> {
        let (mut row, mut taken) = (line.to_owned(), Vec::new());
        while taken.len() < ROW_LINES_MAX && self.format.is_unfinished(&row) {
            let Some(next) = self.line()? else { break };
            row.push('\n');
            row.push_str(&next);
            taken.push(next);
        }
        if self.format.is_whole(&row) {
            return Ok(Some((1 + taken.len() as u64, row)));
        }
        taken.into_iter().rev().for_each(|line| self.waiting.push_front(line));
        Ok(None)
    }

    fn line(&mut self) -> std::io::Result<Option<String>> {
        self.waiting.pop_front().map_or_else(|| line_of(&mut *self.reader), |line| Ok(Some(line)))
    }
}

/// A file, or a folder of them, as a world.
pub(in crate::pipelines::fraud) struct FileWorld {
    source: Source,
    /// Files of a folder that are still to be read.
    files: VecDeque<PathBuf>,
    mapping: Mapping,
    schedule: Schedule,
    /// Chargebacks by when they are due.
    due: BTreeMap<(i64, u64), Label>,
    newest_ms: i64,
    /// When the payments of the newest day were made.
    day: VecDeque<i64>,
    row: u64,
    payments: u64,
    is_over: bool,
    /// The topic of rules has none yet.
    needs_rules: bool,
}

impl FileWorld {
    /// Opens a file, CSV or JSON by lines, or the files of a folder; behind a `?` may stand what their columns are called.
    pub(in crate::pipelines::fraud) fn open(input: &str, run: &RunParams) -> Result<Self, Problem> {
        let failed = |(why, what_to_do): (String, &str)| Problem::new(format!("{input} can't be read as payments"), why, what_to_do);
        let (path, mapping) = if Path::new(input).exists() { (input, "") } else { input.split_once('?').unwrap_or((input, "")) };
        let mapping = Mapping::parse(mapping).map_err(|why| failed((why, "Map columns like FILE?account=payer&amount=total")))?;
        let mut files = files(Path::new(path)).map_err(|error| failed((error.to_string(), "Give a folder that may be read")))?;
        let first = files.pop_front().ok_or_else(|| failed(("the folder is empty".to_owned(), "Give a folder with CSV or JSONL files")))?;
        let source = Source::open(&first, &mapping).map_err(failed)?;
        Ok(Self {
            row: source.header_lines(),
            source,
            files,
            mapping,
            schedule: Schedule::new(run.params.rate_per_s),
            due: BTreeMap::new(),
            newest_ms: i64::MIN,
            day: VecDeque::new(),
            payments: 0,
            is_over: false,
            needs_rules: !rulebook::is_kept(run),
        })
    }

    /// The next file of the folder; one that is no payments is told of, and passed over.
    fn next_file(&mut self, out: &mut Emit) {
        let Some(path) = self.files.pop_front() else {
            self.is_over = true;
            return;
        };
        match Source::open(&path, &self.mapping) {
            Ok(source) => {
                self.row += source.header_lines();
                self.source = source;
            }
            Err((why, _)) => self.dead_letter(&why, &path.display().to_string(), out),
        }
    }

    fn line(&mut self, out: &mut Emit) {
        let row = self.source.next();
        self.row += 1;
        match row {
            Ok(None) => {
                self.row -= 1;
                self.next_file(out);
            }
            Ok(Some((lines, row))) => {
                if !self.source.format.is_idle(&row) {
                    match self.source.format.row(&row, self.row) {
                        Ok(row) => self.payment(&row, out),
                        Err(why) => self.dead_letter(&why, &row, out),
                    }
                }
                self.row += lines - 1;
            }
            // A damaged archive ends here, for good; what was read before stands.
            Err(error) => {
                self.dead_letter(&format!("the file can't be read on: {error}"), "", out);
                self.next_file(out);
            }
        }
    }

    fn dead_letter(&self, why: &str, line: &str, out: &mut Emit) {
        let shown: String = line.chars().take(ROW_SHOWN_MAX).collect();
        let letter = serde_json::json!({ "error": why, "row": self.row, "line": shown });
        send(out, DEAD_LETTERS, &self.row.to_string(), &letter, self.newest_ms.max(0));
    }

    fn payment(&mut self, Row { transaction, is_fraud }: &Row, out: &mut Emit) {
        self.newest_ms = self.newest_ms.max(transaction.ts);
        self.charge_back(self.newest_ms, out);
        self.day.push_back(transaction.ts);
        while self.day.len() > WAITING_MAX || self.day.front().is_some_and(|ts| *ts < self.newest_ms - DAY_MS) {
            self.day.pop_front();
        }
        self.payments += 1;
        send(out, TRANSACTIONS, &transaction.account_id, transaction, transaction.ts);
        let Some(is_fraud) = is_fraud else { return };
        send(out, TRUTH, &transaction.transaction_id, &truth(transaction, *is_fraud), transaction.ts);
        if *is_fraud {
            self.due.insert((transaction.ts + LABEL_DELAY_MS, self.row), chargeback(transaction));
        }
    }

    fn charge_back(&mut self, until_ms: i64, out: &mut Emit) {
        while let Some(first) = self.due.first_entry() {
            let ((at_ms, _), is_full) = (*first.key(), self.due.len() > CHARGEBACKS_MAX);
            if at_ms > until_ms && !is_full {
                return;
            }
            if let Some((_, label)) = self.due.pop_first() {
                send(out, CHARGEBACKS, &label.transaction_id, &label, at_ms.min(until_ms));
            }
        }
    }
}

/// The next line, at most [`LINE_MAX`] bytes of it; what is no UTF-8 becomes a sign of that. `None` at the end.
fn line_of(reader: &mut dyn BufRead) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let bytes = reader.take(LINE_MAX).read_until(b'\n', &mut line)?;
    Ok((bytes > 0).then(|| String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned()))
}

/// The file, or those of the folder by name; hidden ones are no data.
fn files(path: &Path) -> std::io::Result<VecDeque<PathBuf>> {
    if !path.is_dir() {
        return Ok([path.to_owned()].into());
    }
    let entries = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let mut files: Vec<_> = entries.into_iter().filter(|path| path.is_file() && !is_hidden(path)).collect();
    files.sort();
    Ok(files.into())
}

/// Which crime it was the file does not tell; the first stands for any.
fn truth(payment: &Transaction, is_fraud: bool) -> Truth {
    Truth {
        transaction_id: payment.transaction_id.0.clone(),
        account_id: payment.account_id.0.clone(),
        ts: payment.ts,
        amount_minor: payment.amount_minor,
        scenario: is_fraud.then_some(Scenario::Amount),
        ring: None,
    }
}

fn chargeback(payment: &Transaction) -> Label {
    Label {
        transaction_id: payment.transaction_id.clone(),
        account_id: payment.account_id.clone(),
        terminal_id: payment.terminal_id.clone(),
        ts: payment.ts,
        amount_minor: payment.amount_minor,
        is_fraud: true,
        source: LabelSource::Chargeback,
    }
}

impl World for FileWorld {
    fn due_ns(&self) -> u128 {
        self.schedule.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        if std::mem::take(&mut self.needs_rules) {
            rulebook::write_defaults(0, out);
        }
        self.schedule.advance();
        self.line(out);
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.schedule.set_rate(rate_per_s);
    }

    fn events(&self) -> u64 {
        self.payments
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    /// Payments pass several topics, chargebacks one: no chargeback may be read days before the payments of its time.
    fn waiting_max(&self) -> Option<u64> {
        let of_day = self.day.len();
        Some(if of_day < FEW { (of_day / PART_OF_DAY).max(WAITING_MIN) } else { of_day.min(WAITING_MAX) } as u64)
    }

    fn command(&mut self, _: &Command) -> Option<i64> {
        None
    }

    fn finish(&mut self, _: &mut Emit) {}
}
