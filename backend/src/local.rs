//! Local mode: the embedded broker, started and stopped, with its errors in words that help.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use weir_broker::{Broker, BrokerConfig, Credential, DEFAULT_PORT, FaultSpec, Listener, Secret, StartError, TlsFiles};
use weir_model::Problem;

pub use weir_broker::{Durability, SecurityProtocol, fault_help};

/// A running embedded broker. Dropping it stops it cleanly.
pub struct LocalBroker {
    broker: Broker,
    data_dir: PathBuf,
}

/// How to start one.
#[derive(Clone, Debug)]
pub struct LocalBrokerOptions {
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Take any free port when that one is in use.
    pub is_any_port_good: bool,
    /// Where its data is; `None` is the user's data folder.
    pub data_dir: Option<PathBuf>,
    /// The host clients are told to connect to; `None` is the address listened on.
    pub advertised_host: Option<String>,
    /// Kafka's `security.protocol` of the listener. Beyond loopback the broker listens with SASL_SSL only.
    pub security_protocol: SecurityProtocol,
    /// The broker's certificate chain and private key, as PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Authorities of client certificates, as a PEM file: every client must show one.
    pub client_authorities: Option<PathBuf>,
    /// The first user and the password.
    pub admin: Option<(String, weir_model::Secret)>,
    /// What an acknowledged record survives.
    pub durability: Durability,
    /// Faults to begin with, as text ([`fault_help`]).
    pub faults: Vec<String>,
}

impl LocalBrokerOptions {
    /// In the clear on that address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            is_any_port_good: false,
            data_dir: None,
            advertised_host: None,
            security_protocol: SecurityProtocol::Plaintext,
            tls: None,
            client_authorities: None,
            admin: None,
            durability: Durability::Os,
            faults: Vec::new(),
        }
    }
}

impl LocalBroker {
    /// Starts a broker exactly there, with its data in `data_dir` or else in the user's data folder. Port 0 takes any free one.
    ///
    /// # Errors
    /// When the port or the folder is taken or can't be used.
    pub fn start(listen: SocketAddr, data_dir: Option<PathBuf>) -> Result<Self, Problem> {
        Self::start_with(LocalBrokerOptions { data_dir, ..LocalBrokerOptions::new(listen) })
    }

    /// Starts a broker for the window: on port 9092 if that is free, else on any.
    ///
    /// # Errors
    /// When the data folder is taken or can't be used.
    pub fn start_anywhere(data_dir: Option<PathBuf>) -> Result<Self, Problem> {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
        Self::start_with(LocalBrokerOptions { data_dir, is_any_port_good: true, ..LocalBrokerOptions::new(listen) })
    }

    /// Starts a broker as the options say.
    ///
    /// # Errors
    /// When they contradict each other, or the port, the folder or a file can't be used.
    pub fn start_with(options: LocalBrokerOptions) -> Result<Self, Problem> {
        let faults: Vec<FaultSpec> = options.faults.iter().map(|text| parse_fault(text)).collect::<Result<_, _>>()?;
        let data_dir = match options.data_dir {
            Some(data_dir) => data_dir,
            None => default_data_dir()?,
        };
        let mut config =
            BrokerConfig { listen: options.listen, fallback_to_any_port: options.is_any_port_good, ..BrokerConfig::new(&data_dir) };
        let advertised = options.advertised_host.map(|host| (host, 0));
        config.listeners = vec![Listener { advertised, ..Listener::new(options.security_protocol, options.listen) }];
        config.durability = options.durability;
        config.security.tls = options.tls.map(|(certificate_chain, private_key)| TlsFiles {
            certificate_chain,
            private_key,
            client_authorities: options.client_authorities,
        });
        config.security.bootstrap_admin =
            options.admin.map(|(user, password)| Credential { user, password: Secret::new(password.reveal().to_owned()) });
        let broker = Broker::start(config).map_err(|error| problem_of(&error))?;
        for fault in faults {
            let too_many = |error: weir_broker::TooManyFaults| Problem::new("A fault was not set", error.to_string(), "Name fewer faults");
            broker.faults().set(fault).map_err(too_many)?;
        }
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

fn parse_fault(text: &str) -> Result<FaultSpec, Problem> {
    text.parse().map_err(|error: weir_broker::FaultSyntaxError| {
        Problem::new(format!("`{text}` is no fault"), error.to_string(), "See `weir broker --help` for the kinds and how to write them")
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
