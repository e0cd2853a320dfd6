//! The load client of `tests/speed/run`: the same client against several brokers in turns, or one broker with more and more in it.
//!
//! `speed-load compare [--quick] [--rounds N] [--recovery-gb N] WORK NAME=LAUNCHER …` prints a table with ratios: the first broker against
//! the better of the others. `speed-load scaling [--quick] [--log-gb N] WORK NAME=LAUNCHER` shows what grows with what.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program talks on standard output")]

mod compare;
mod librdkafka;
mod process;
mod raw;
mod scaling;
mod table;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use process::Launcher;

const USAGE: &str = "usage: speed-load compare|scaling [--quick] [--rounds N] [--recovery-gb N] [--log-gb N] WORK NAME=LAUNCHER …";

/// What was asked for.
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) recovery_gb: usize,
    pub(crate) log_gb: usize,
    /// Where folders may be made.
    pub(crate) work: PathBuf,
    pub(crate) launchers: Vec<Launcher>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().ok_or(USAGE)?;
    let mut options = Options { quick: false, rounds: 3, recovery_gb: 1, log_gb: 10, work: PathBuf::new(), launchers: Vec::new() };
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().ok_or(USAGE)?.parse::<usize>().map_err(|_| USAGE);
        match argument.as_str() {
            "--quick" => (options.quick, options.rounds, options.log_gb) = (true, 1, 1),
            "--rounds" => options.rounds = number()?,
            "--recovery-gb" => options.recovery_gb = number()?,
            "--log-gb" => options.log_gb = number()?,
            _ => match argument.split_once('=') {
                Some((name, program)) => {
                    let pids = options.work.join("pids");
                    options.launchers.push(Launcher { name: name.to_owned(), program: program.into(), pids });
                }
                None => options.work = argument.into(),
            },
        }
    }
    match what.as_str() {
        "compare" => compare::run(&options),
        "scaling" => scaling::run(&options),
        _ => Err(USAGE.into()),
    }
}

/// Values of this size that compress about as well as JSON does, the same at every run.
pub(crate) fn values(bytes: usize) -> Vec<Vec<u8>> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let value = |_| {
        let mut value = Vec::with_capacity(bytes + 80);
        while value.len() < bytes {
            let (id, amount) = (next(), next() % 100_000);
            value.extend(format!("{{\"id\":\"{id:016x}\",\"amount\":{amount},\"status\":\"accepted\"}},").as_bytes());
        }
        value.truncate(bytes);
        value
    };
    (0..1_024).map(value).collect()
}

/// Runs `work` so often and times each: sorted milliseconds.
pub(crate) fn timed(count: usize, mut work: impl FnMut(u64) -> Result<(), Box<dyn Error>>) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut times_ms = Vec::with_capacity(count);
    for number in 0..count as u64 {
        let start = Instant::now();
        work(number)?;
        times_ms.push(start.elapsed().as_secs_f64() * 1e3);
    }
    // What is set up by the first ones is not what is measured.
    times_ms.drain(..count / 20);
    times_ms.sort_by(f64::total_cmp);
    Ok(times_ms)
}

/// Of sorted figures.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or(f64::NAN)
}
