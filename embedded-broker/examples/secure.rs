//! Runs a broker that other machines may use: TLS, and a login. The first user is `admin`, with the password in `WEIR_ADMIN_PASSWORD`.
//! `cargo run -p weir-broker --example secure -- --listen 0.0.0.0:9093 --host broker.example.org --certificate chain.pem --key key.pem`.

#![allow(clippy::print_stdout, reason = "a command line program talks on standard output")]

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use weir_broker::{Broker, BrokerConfig, Credential, Listener, Secret, SecurityProtocol, TlsFiles};

const USAGE: &str = "usage: secure --certificate FILE --key FILE [--listen ADDRESS:PORT] [--host NAME] [--data-dir FOLDER]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut listen: SocketAddr = "127.0.0.1:9093".parse()?;
    let mut host = None;
    let mut data_dir = std::env::temp_dir().join("weir-secure");
    let (mut certificate, mut key): (Option<PathBuf>, Option<PathBuf>) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match argument.as_str() {
            "--listen" => listen = value.parse()?,
            "--host" => host = Some(value),
            "--data-dir" => data_dir = value.into(),
            "--certificate" => certificate = Some(value.into()),
            "--key" => key = Some(value.into()),
            other => return Err(format!("unknown argument {other}; {USAGE}").into()),
        }
    }
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let mut config = BrokerConfig::new(data_dir);
    let advertised = host.map(|host| (host, 0));
    config.listeners = vec![Listener { advertised, ..Listener::new(SecurityProtocol::SaslSsl, listen) }];
    config.security.tls =
        Some(TlsFiles { certificate_chain: certificate.ok_or(USAGE)?, private_key: key.ok_or(USAGE)?, client_authorities: None });
    let password = std::env::var("WEIR_ADMIN_PASSWORD").map(Secret::new);
    config.security.bootstrap_admin = password.ok().map(|password| Credential { user: "admin".into(), password });
    let broker = Broker::start(config)?;
    for (name, protocol, address) in broker.listeners() {
        println!("listening on {address} as {protocol} ({name})");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::signal::ctrl_c())?;
    broker.shutdown();
    Ok(())
}
