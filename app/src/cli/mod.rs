//! The command line. `SUBCOMMANDS` is the one list of subcommands: dispatch, help, the README's table and the tests follow from it.

mod broker;
mod consume;
mod groups;
mod lag;
mod reset;
mod run;
mod shot;
mod support;
mod topics;
mod window;

use std::{ffi::OsString, process::ExitCode};

use clap::{ArgMatches, Command};

pub(crate) use run::{report_line, status_line};
use support::{Example, Takes, examples, logs};
pub(crate) use support::{
    Failure, Globals, demo, failure::ProblemText, note, numbers, output, session::Session, signals::EndAsked, stage::Stage, time,
};

/// Every subcommand, in the order of help.
const SUBCOMMANDS: &[Entry] = &[
    entry::<broker::Broker>(),
    entry::<run::Run>(),
    entry::<reset::Reset>(),
    entry::<topics::Topics>(),
    entry::<groups::Groups>(),
    entry::<lag::Lag>(),
    entry::<consume::Consume>(),
    entry::<shot::Shot>(),
];

const EXAMPLES: &[Example] = &[
    Example { line: "weir", what: "Open the window on the embedded broker" },
    Example { line: "weir --bootstrap kafka.example:9092", what: "Open the window on a cluster of yours" },
    Example {
        line: "weir -b kafka.example:9093 -X security.protocol=SASL_SSL -X sasl.mechanism=PLAIN -X sasl.username=me -X sasl.password=secret",
        what: "The same with TLS and SASL, in librdkafka's properties",
    },
    Example { line: "weir run clickstream --for 10s", what: "Run a pipeline on a broker of its own, without a window" },
    Example { line: "weir shot overview -o overview.png", what: "A picture of a screen, without a display" },
];

/// The window works on any cluster, the embedded one included.
const WINDOW_TAKES: Takes = Takes { cluster: true, data_dir: true };

/// One subcommand: its arguments are the fields of the type.
trait Subcommand: clap::Args {
    /// As it is typed.
    const NAME: &'static str;
    /// What it does, in one line.
    const ABOUT: &'static str;
    /// How it is used.
    const EXAMPLES: &'static [Example];
    /// Which of the common options it has a use for.
    const TAKES: Takes;

    /// More for `--help`, such as the fields of its JSON.
    fn details() -> Option<String> {
        None
    }

    /// Does it.
    fn run(self, globals: &Globals) -> Result<(), Failure>;
}

/// A subcommand without its type.
struct Entry {
    name: &'static str,
    about: &'static str,
    examples: &'static [Example],
    takes: Takes,
    details: fn() -> Option<String>,
    augment: fn(Command) -> Command,
    run: fn(&Globals, &ArgMatches) -> Result<(), Failure>,
}

const fn entry<T: Subcommand>() -> Entry {
    Entry {
        name: T::NAME,
        about: T::ABOUT,
        examples: T::EXAMPLES,
        takes: T::TAKES,
        details: T::details,
        augment: T::augment_args,
        run: |globals, matches| {
            let arguments = T::from_arg_matches(matches)?;
            arguments.run(globals)
        },
    }
}

/// Reads the arguments and does what they ask for: 0 ok, 1 failed, 2 usage.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut command = command();
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Help that can't be printed has no other place to go.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let chosen = matches.subcommand().and_then(|(name, matches)| Some((SUBCOMMANDS.iter().find(|entry| entry.name == name)?, matches)));
    let done = match chosen {
        Some((entry, after)) => run_entry(entry, &matches, after),
        None => run_window(&matches),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&usage(&mut command, chosen.map(|(entry, _)| entry.name))),
    }
}

/// Every subcommand with what it does, for the README.
pub fn subcommands() -> impl Iterator<Item = (&'static str, &'static str)> {
    SUBCOMMANDS.iter().map(|entry| (entry.name, entry.about))
}

/// Whether these arguments, the program's name first, are understood; nothing is run. For documents that quote them.
///
/// # Errors
/// What the user would be told.
pub fn check(arguments: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    command().try_get_matches_from(arguments).map(drop).map_err(|error| error.to_string())
}

fn run_window(matches: &ArgMatches) -> Result<(), Failure> {
    let globals = Globals::of(matches, WINDOW_TAKES)?;
    globals.check()?;
    logs::start(globals.verbose);
    window::run(&globals)
}

fn run_entry(entry: &Entry, before: &ArgMatches, after: &ArgMatches) -> Result<(), Failure> {
    let globals = Globals::of(before, WINDOW_TAKES)?.and(Globals::of(after, entry.takes)?, entry.takes)?;
    logs::start(globals.verbose);
    (entry.run)(&globals, after)
}

fn command() -> Command {
    let root = Command::new("weir")
        .about("A window on Apache Kafka, with a broker of its own. Without a command it opens the window")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .subcommand_value_name("COMMAND")
        .after_help(examples::section(EXAMPLES));
    Globals::augment(root, WINDOW_TAKES).subcommands(SUBCOMMANDS.iter().map(|entry| {
        let examples = examples::section(entry.examples);
        let long = (entry.details)().map_or_else(|| examples.clone(), |details| format!("{details}\n\n{examples}"));
        let subcommand = (entry.augment)(Command::new(entry.name)).about(entry.about).after_help(examples).after_long_help(long);
        Globals::augment(subcommand, entry.takes)
    }))
}

fn usage(command: &mut Command, name: Option<&str>) -> String {
    match name.and_then(|name| command.find_subcommand_mut(name)) {
        Some(subcommand) => subcommand.render_usage().to_string(),
        None => command.render_usage().to_string(),
    }
}

#[cfg(test)]
mod tests;
