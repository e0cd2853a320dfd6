//! `weir broker`: the embedded broker in the foreground.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use weir_backend::{Durability, LocalBroker, LocalBrokerOptions, SecurityProtocol, fault_help};
use weir_model::{Problem, Secret};

use super::{
    EndAsked, Failure, Globals, Subcommand,
    output::Output,
    support::{Example, Takes, parse},
};

/// Where the first user's password is read from: arguments are seen by everyone on the machine.
const PASSWORD_VARIABLE: &str = "WEIR_ADMIN_PASSWORD";

/// The arguments.
#[derive(Args)]
pub(super) struct Broker {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092", value_parser = parse::listen)]
    listen: SocketAddr,
    /// What a client must do before it is served: PLAINTEXT, SSL, SASL_PLAINTEXT (SCRAM) or SASL_SSL
    #[arg(long, value_name = "PROTOCOL", default_value = "PLAINTEXT")]
    security_protocol: SecurityProtocol,
    /// The host clients are told to connect to, when it is not the address listened on
    #[arg(long, value_name = "HOST")]
    advertise: Option<String>,
    /// The broker's certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Ask every client for a certificate of these authorities, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// The first user, to whom no ACL applies; the password is read from WEIR_ADMIN_PASSWORD
    #[arg(long, value_name = "NAME")]
    admin: Option<String>,
    /// What acknowledged records survive: os, the end of this program; sync, power loss too, at the price of waiting for the disk
    #[arg(long, value_name = "MODE", default_value = "os")]
    durability: Durability,
    /// Make something go wrong on purpose; may be given several times
    #[arg(long, value_name = "FAULT")]
    fault: Vec<String>,
}

impl Subcommand for Broker {
    const NAME: &'static str = "broker";
    const ABOUT: &'static str = "Run the embedded broker in the foreground, until Ctrl-C or SIGTERM";
    const EXAMPLES: &'static [Example] = &[
        Example { line: "weir broker", what: "A broker on 127.0.0.1:9092 with its data in the user's data folder" },
        Example {
            line: "weir broker --listen 127.0.0.1:0 --data-dir /tmp/weir",
            what: "A broker on any free port; its address is the line it prints",
        },
        Example {
            line: "weir broker --listen 0.0.0.0:9093 --security-protocol SASL_SSL --advertise broker.example.org --tls-cert chain.pem --tls-key key.pem --admin admin",
            what: "A broker for other machines: TLS, a login, ACLs",
        },
        Example {
            line: "weir broker --fault delay:ms=200,api=Fetch --fault error:code=NOT_COORDINATOR,api=Heartbeat,count=3",
            what: "A broker that is slow and makes mistakes, to see how clients take it",
        },
    ];
    const TAKES: Takes = Takes { cluster: false, data_dir: true };

    fn details() -> Option<String> {
        Some(format!(
            "Prints one line, `listening on HOST:PORT`, on stdout once clients can connect. What it acknowledged is on disk after a crash.\n\n\
             Beyond loopback it listens with SASL_SSL only. More users are made with kafka-configs or any admin client (SCRAM), and what they \
             may do with ACLs.\n\nFaults are written {}",
            fault_help()
        ))
    }

    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let end = EndAsked::listen()?;
        let broker = LocalBroker::start_with(self.options(globals)?)?;
        let mut out = Output::stdout(false);
        out.line(format_args!("listening on {}", broker.bootstrap()))?;
        out.flush()?;
        end.wait();
        broker.stop()?;
        Ok(())
    }
}

impl Broker {
    fn options(self, globals: &Globals) -> Result<LocalBrokerOptions, Problem> {
        let admin = self.admin.map(|user| Ok((user, password()?))).transpose()?;
        Ok(LocalBrokerOptions {
            data_dir: globals.data_dir.clone(),
            advertised_host: self.advertise,
            security_protocol: self.security_protocol,
            tls: self.tls_cert.zip(self.tls_key),
            client_authorities: self.tls_client_ca,
            admin,
            durability: self.durability,
            faults: self.fault,
            ..LocalBrokerOptions::new(self.listen)
        })
    }
}

fn password() -> Result<Secret, Problem> {
    std::env::var(PASSWORD_VARIABLE).ok().filter(|password| !password.is_empty()).map(Secret::new).ok_or_else(|| {
        Problem::new(
            "The first user has no password",
            format!("{PASSWORD_VARIABLE} is not set"),
            format!("Set it for this command only: read -rs {PASSWORD_VARIABLE} && export {PASSWORD_VARIABLE}"),
        )
    })
}
