//! Where the summary is drawn: in place on a terminal, as a line every few seconds in a log.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use weir_model::Store;

use super::summary;

const ON_A_TERMINAL: Duration = Duration::from_millis(500);
const IN_A_LOG: Duration = Duration::from_secs(5);

/// The summary on stdout.
pub(super) struct Screen {
    is_terminal: bool,
    last: Option<Instant>,
    lines_drawn: usize,
    started: Instant,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { is_terminal: io::stdout().is_terminal(), last: None, lines_drawn: 0, started: Instant::now() }
    }

    /// Draws the summary if it is time.
    pub(super) fn show(&mut self, store: &Store) -> io::Result<()> {
        let every = if self.is_terminal { ON_A_TERMINAL } else { IN_A_LOG };
        if self.last.is_some_and(|last| last.elapsed() < every) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let up_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut out = io::stdout().lock();
        if !self.is_terminal {
            writeln!(out, "{}", summary::line(store, up_ms))?;
            return out.flush();
        }
        let lines = summary::page(store, up_ms);
        if self.lines_drawn > 0 {
            write!(out, "\x1b[{}A", self.lines_drawn)?; // to the first line of the page before
        }
        for line in &lines {
            writeln!(out, "\x1b[K{line}")?;
        }
        write!(out, "\x1b[J")?; // what a longer page left below
        self.lines_drawn = lines.len();
        out.flush()
    }
}
