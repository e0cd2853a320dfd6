//! Output: aligned tables for people, JSON Lines for programs, both on stdout; everything else goes to stderr.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write},
};

use serde::Serialize;

use super::numbers::grouped;

/// Rows between two looks at the widths: a table of more is written in parts, so that memory stays bounded.
const TABLE_ROWS_MAX: usize = 10_000;
/// A cell that is wider does not widen its column for all the others; its text is still printed whole.
const CELL_WIDTH_MAX: usize = 60;

/// One field of a row's JSON, for help and for the test that holds help to the truth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// As it stands in the JSON.
    pub(crate) name: &'static str,
    /// What it says.
    pub(crate) meaning: &'static str,
}

/// On which side a column's texts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// One column of a table for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// The heading.
    pub(crate) title: &'static str,
    /// Where its texts stand.
    pub(crate) align: Align,
}

/// What a command prints one of per line.
pub(crate) trait Row: Serialize {
    /// The fields of the JSON object, in order. A public format: names stay.
    const FIELDS: &'static [Field];
    /// The columns for people.
    const COLUMNS: &'static [Column];

    /// The texts of the columns.
    fn cells(&self) -> Vec<String>;
}

/// A text column.
pub(crate) const fn text(title: &'static str) -> Column {
    Column { title, align: Align::Left }
}

/// A number column.
pub(crate) const fn number(title: &'static str) -> Column {
    Column { title, align: Align::Right }
}

/// A number for people, or Kafka's sign for none.
pub(crate) fn cell(number: Option<impl Into<i128>>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| grouped(number.into()))
}

/// Where a command's result goes.
#[derive(Debug)]
pub(crate) struct Output<W> {
    to: W,
    is_json: bool,
}

impl Output<io::BufWriter<io::StdoutLock<'static>>> {
    /// The standard output, as a table or as JSON Lines.
    pub(crate) fn stdout(is_json: bool) -> Self {
        Self::new(io::BufWriter::new(io::stdout().lock()), is_json)
    }
}

impl<W: Write> Output<W> {
    /// Any writer.
    pub(crate) fn new(to: W, is_json: bool) -> Self {
        Self { to, is_json }
    }

    /// All rows, then a flush.
    pub(crate) fn rows<R: Row>(&mut self, rows: &[R]) -> io::Result<()> {
        if self.is_json {
            for row in rows {
                self.json(row)?;
            }
        } else {
            for part in rows.chunks(TABLE_ROWS_MAX) {
                write_table(&mut self.to, part)?;
            }
        }
        self.to.flush()
    }

    /// One object on a line of its own.
    pub(crate) fn json(&mut self, row: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, row).map_err(io::Error::from)?;
        self.to.write_all(b"\n")
    }

    /// One line as it is.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> io::Result<()> {
        writeln!(self.to, "{line}")
    }

    /// Lets the reader see what was written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// One line on stderr, where everything goes that is not the result.
pub(crate) fn note(line: impl fmt::Display) {
    // Who closed stderr does not want to know.
    let _ = writeln!(io::stderr(), "{line}");
}

/// One line that shows how it goes: redrawn in place on a terminal, a line each elsewhere.
pub(crate) fn progress(line: impl fmt::Display) {
    let mut stderr = io::stderr();
    let _ = if stderr.is_terminal() { write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush()) } else { writeln!(stderr, "{line}") };
}

/// Ends the line that [`progress`] redraws, so that what follows stands below it.
pub(crate) fn end_progress() {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = writeln!(stderr);
    }
}

/// A text that can't move the cursor or recolour the terminal: control characters are escaped.
pub(crate) fn safe(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 8), |mut safe, c| {
        if c.is_control() {
            safe.extend(c.escape_default())
        } else {
            safe.push(c)
        }
        safe
    })
}

fn write_table<R: Row>(to: &mut impl Write, rows: &[R]) -> io::Result<()> {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.cells().iter().map(|cell| safe(cell)).collect()).collect();
    let widths: Vec<usize> = R::COLUMNS
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let widest = cells.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count().min(CELL_WIDTH_MAX)).max();
            widest.unwrap_or(0).max(column.title.chars().count())
        })
        .collect();
    let heading: Vec<String> = R::COLUMNS.iter().map(|column| column.title.to_owned()).collect();
    for row in std::iter::once(&heading).chain(&cells) {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(R::COLUMNS).zip(&widths) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            match column.align {
                Align::Left => line.push_str(&format!("{cell:<width$}")),
                Align::Right => line.push_str(&format!("{cell:>width$}")),
            }
        }
        writeln!(to, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Holds a row's documented fields to the JSON it makes, and its cells to its columns.
    pub(crate) fn check_row<R: Row>(row: &R) {
        let json = serde_json::to_value(row).unwrap();
        let mut keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let mut documented: Vec<&str> = R::FIELDS.iter().map(|field| field.name).collect();
        keys.sort_unstable();
        documented.sort_unstable();
        assert_eq!(keys, documented);
        for name in &keys {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name} is not snake_case");
        }
        assert_eq!(row.cells().len(), R::COLUMNS.len());
    }

    #[derive(Serialize)]
    struct Fruit {
        name: &'static str,
        count: Option<u64>,
    }

    impl Row for Fruit {
        const FIELDS: &'static [Field] = &[Field { name: "name", meaning: "" }, Field { name: "count", meaning: "" }];
        const COLUMNS: &'static [Column] = &[text("NAME"), number("COUNT")];

        fn cells(&self) -> Vec<String> {
            vec![self.name.to_owned(), cell(self.count)]
        }
    }

    fn written(rows: &[Fruit], is_json: bool) -> String {
        let mut bytes = Vec::new();
        Output::new(&mut bytes, is_json).rows(rows).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn tables_align_and_json_is_one_object_a_line() {
        let rows = [Fruit { name: "apple", count: Some(1_234_567) }, Fruit { name: "fig", count: None }];
        check_row(&rows[0]);
        assert_eq!(written(&rows, false), "NAME       COUNT\napple  1,234,567\nfig            -\n");
        assert_eq!(written(&rows, true), "{\"name\":\"apple\",\"count\":1234567}\n{\"name\":\"fig\",\"count\":null}\n");
    }

    #[test]
    fn nothing_found_is_an_empty_output() {
        assert_eq!(written(&[], false), "");
        assert_eq!(written(&[], true), "");
    }

    #[test]
    fn a_record_can_not_drive_the_terminal() {
        assert_eq!(safe("a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(safe("plain é"), "plain é");
    }
}
