//! Local mode: the embedded broker, started and stopped, with its errors in words that help.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use weir_broker::{Broker, BrokerConfig, DEFAULT_PORT, StartError};
use weir_model::Problem;

/// A running embedded broker. Dropping it stops it cleanly.
pub struct LocalBroker {
    broker: Broker,
    data_dir: PathBuf,
}

impl LocalBroker {
    /// Starts a broker exactly there, with its data in `data_dir` or else in the user's data folder. Port 0 takes any free one.
    ///
    /// # Errors
    /// When the port or the folder is taken or can't be used.
    pub fn start(listen: SocketAddr, data_dir: Option<PathBuf>) -> Result<Self, Problem> {
        Self::start_with(listen, false, data_dir)
    }

    /// Starts a broker for the window: on port 9092 if that is free, else on any.
    ///
    /// # Errors
    /// When the data folder is taken or can't be used.
    pub fn start_anywhere(data_dir: Option<PathBuf>) -> Result<Self, Problem> {
        Self::start_with(SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)), true, data_dir)
    }

    fn start_with(listen: SocketAddr, fallback_to_any_port: bool, data_dir: Option<PathBuf>) -> Result<Self, Problem> {
        let data_dir = match data_dir {
            Some(data_dir) => data_dir,
            None => default_data_dir()?,
        };
        let config = BrokerConfig { listen, fallback_to_any_port, ..BrokerConfig::new(&data_dir) };
        let broker = Broker::start(config).map_err(|error| problem_of(&error))?;
        Ok(Self { broker, data_dir })
    }

    /// The address to give to clients.
    pub fn bootstrap(&self) -> String {
        self.broker.address().to_string()
    }

    /// Where its data is.
    pub fn data_dir(&self) -> &std::path::Path {
        &self.data_dir
    }

    /// Stops it and waits until its files are closed.
    ///
    /// # Errors
    /// None today; the signature leaves room for a flush that fails.
    pub fn stop(self) -> Result<(), Problem> {
        self.broker.shutdown();
        Ok(())
    }
}

/// The user's data folder for the embedded broker.
///
/// # Errors
/// When the system names no home for the user.
pub fn default_data_dir() -> Result<PathBuf, Problem> {
    directories::ProjectDirs::from("", "", "weir").map(|dirs| dirs.data_dir().join("broker")).ok_or_else(|| {
        Problem::new(
            "There is no folder for the broker's data",
            "the system names no home directory for this user",
            "Name one with --data-dir",
        )
    })
}

/// What, why, what to do: the broker's own sentence holds the last two.
fn problem_of(error: &StartError) -> Problem {
    let text = error.to_string();
    let (why, what_to_do) = text.rsplit_once("; ").unwrap_or((&text, "Try again"));
    let mut what_to_do = what_to_do.to_owned();
    if let Some(first) = what_to_do.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if matches!(error, StartError::Locked { .. }) {
        what_to_do.push_str(". To use that broker from here: --bootstrap and its address");
    }
    Problem::new("The embedded broker did not start", why, what_to_do)
}
