//! Options that stand before a subcommand's name or after it: which cluster, which data folder, how much to tell.

use std::path::PathBuf;

use clap::{ArgAction, ArgMatches, Args, Command, FromArgMatches as _};
use weir_backend::{HandleConfig, connect::webhook::WebhookUrl};
use weir_model::{Cluster, ClusterProperty};

use super::{Failure, note, parse};

/// Where a local broker listens unless told otherwise.
const LOCAL_BOOTSTRAP: &str = "127.0.0.1:9092";
/// Where alerts go too. Not an option: others can read those in the list of processes, and the address often holds a token.
pub(crate) const WEBHOOK_VARIABLE: &str = "WEIR_ALERT_WEBHOOK";

/// What was said before the subcommand's name and after it, together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Globals {
    /// The cluster that was named.
    pub(crate) bootstrap: Option<String>,
    /// How to talk to it.
    pub(crate) properties: Vec<ClusterProperty>,
    /// Where an embedded broker keeps its data.
    pub(crate) data_dir: Option<PathBuf>,
    /// How much to log.
    pub(crate) verbose: u8,
}

/// Which of the options a command has a use for; it refuses the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takes {
    /// `--bootstrap` and `-X`: it talks to a cluster.
    pub(crate) cluster: bool,
    /// `--data-dir`: it may start a broker.
    pub(crate) data_dir: bool,
}

#[derive(Args)]
struct ClusterOptions {
    /// The cluster to work with, as HOST:PORT[,HOST:PORT …]
    #[arg(long, short = 'b', value_name = "HOST:PORT", value_parser = parse::bootstrap)]
    bootstrap: Option<String>,

    /// A librdkafka property, such as security.protocol=SASL_SSL; may be repeated
    // Not read by clap, whose message would repeat the value, which may be a password.
    #[arg(short = 'X', value_name = "NAME=VALUE")]
    properties: Vec<String>,
}

#[derive(Args)]
struct DataDirOption {
    /// Where the embedded broker keeps its data
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Args)]
struct LogOption {
    /// Log more to stderr (-v info, -vv debug, -vvv trace); RUST_LOG sets it in detail
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl Globals {
    /// Adds the options to a command that takes them.
    pub(crate) fn augment(command: Command, takes: Takes) -> Command {
        let command = if takes.cluster { ClusterOptions::augment_args(command) } else { command };
        let command = if takes.data_dir { DataDirOption::augment_args(command) } else { command };
        LogOption::augment_args(command)
    }

    /// What was said to a command that takes them.
    pub(crate) fn of(matches: &ArgMatches, takes: Takes) -> Result<Self, Failure> {
        let mut globals = Self { verbose: LogOption::from_arg_matches(matches)?.verbose, ..Self::default() };
        if takes.cluster {
            let ClusterOptions { bootstrap, properties } = ClusterOptions::from_arg_matches(matches)?;
            globals.bootstrap = bootstrap;
            globals.properties = properties.iter().map(|text| parse::property(text).map_err(Failure::Usage)).collect::<Result<_, _>>()?;
        }
        if takes.data_dir {
            globals.data_dir = DataDirOption::from_arg_matches(matches)?.data_dir;
        }
        Ok(globals)
    }

    /// What stood before a subcommand's name and after it, together; the latter wins.
    pub(crate) fn and(self, after: Self, takes: Takes) -> Result<Self, Failure> {
        if !takes.cluster && (self.bootstrap.is_some() || !self.properties.is_empty()) {
            return Err(Failure::Usage("--bootstrap and -X name a cluster to talk to; this command starts a broker of its own".to_owned()));
        }
        if !takes.data_dir && self.data_dir.is_some() {
            return Err(Failure::Usage("--data-dir is for commands that start a broker; this one talks to one that runs".to_owned()));
        }
        let globals = Self {
            bootstrap: after.bootstrap.or(self.bootstrap),
            properties: self.properties.into_iter().chain(after.properties).collect(),
            data_dir: after.data_dir.or(self.data_dir),
            verbose: self.verbose.saturating_add(after.verbose),
        };
        globals.check()?;
        Ok(globals)
    }

    /// Refuses what contradicts itself.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.bootstrap.is_none() && !self.properties.is_empty() {
            return Err(Failure::Usage("-X sets how to talk to a cluster of yours: name it with --bootstrap HOST:PORT".to_owned()));
        }
        if self.bootstrap.is_some() && self.data_dir.is_some() {
            return Err(Failure::Usage(
                "--data-dir is for the embedded broker, --bootstrap for a cluster of yours: give one of them".to_owned(),
            ));
        }
        Ok(())
    }

    /// How the backend is set up for who runs pipelines.
    pub(crate) fn backend(&self) -> Result<HandleConfig, Failure> {
        let webhook = std::env::var(WEBHOOK_VARIABLE).ok().filter(|url| !url.is_empty());
        let alert_webhook = webhook.map(|url| url.parse::<WebhookUrl>()).transpose()?;
        Ok(HandleConfig { data_dir: self.data_dir.clone(), alert_webhook })
    }

    /// The cluster that was named, or the embedded broker.
    pub(crate) fn cluster(&self) -> Cluster {
        match &self.bootstrap {
            Some(bootstrap) => Cluster::Remote { bootstrap: bootstrap.as_str().into(), properties: self.properties.clone() },
            None => Cluster::Local,
        }
    }

    /// The address that was given, or that of the broker which another `weir` runs on this machine.
    pub(crate) fn running_bootstrap(&self) -> &str {
        self.bootstrap.as_deref().unwrap_or_else(|| {
            note(format_args!("no --bootstrap given: asking the local broker at {LOCAL_BOOTSTRAP}"));
            LOCAL_BOOTSTRAP
        })
    }
}
