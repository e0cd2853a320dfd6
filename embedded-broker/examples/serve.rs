//! Runs a broker until an interrupt (Ctrl-C) stops it:
//! `cargo run -p weir-broker --example serve -- --port 9092 --data-dir /tmp/weir-data`.

#![allow(clippy::print_stdout, reason = "a command line program talks on standard output")]

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use weir_broker::{Broker, BrokerConfig, DEFAULT_PORT};

fn main() -> Result<(), Box<dyn Error>> {
    let mut port = DEFAULT_PORT;
    let mut data_dir = std::env::temp_dir().join("weir-serve");
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or("usage: serve [--port PORT] [--data-dir FOLDER]")?;
        match argument.as_str() {
            "--port" => port = value.parse()?,
            "--data-dir" => data_dir = value.into(),
            other => return Err(format!("unknown argument {other}; usage: serve [--port PORT] [--data-dir FOLDER]").into()),
        }
    }
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let mut config = BrokerConfig::new(data_dir);
    config.listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let broker = Broker::start(config)?;
    println!("listening on {}", broker.address());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::signal::ctrl_c())?;
    broker.shutdown();
    Ok(())
}
