//! `weir broker`: the embedded broker in the foreground.

use std::net::SocketAddr;

use clap::Args;
use weir_backend::LocalBroker;
use weir_model::Problem;

use super::{
    EndAsked, Failure, Globals, Subcommand,
    output::Output,
    support::{Example, Takes, parse},
};

/// The arguments.
#[derive(Args)]
pub(super) struct Broker {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092", value_parser = parse::listen)]
    listen: SocketAddr,
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
    ];
    const TAKES: Takes = Takes { cluster: false, data_dir: true };

    fn details() -> Option<String> {
        Some(
            "Prints one line, `listening on HOST:PORT`, on stdout once clients can connect. What it acknowledged is on disk after a crash."
                .to_owned(),
        )
    }

    fn run(self, globals: &Globals) -> Result<(), Failure> {
        if !self.listen.ip().is_loopback() {
            return Err(open_to_the_network(self.listen).into());
        }
        let end = EndAsked::listen()?;
        let broker = LocalBroker::start(self.listen, globals.data_dir.clone())?;
        let mut out = Output::stdout(false);
        out.line(format_args!("listening on {}", broker.bootstrap()))?;
        out.flush()?;
        end.wait();
        broker.stop()?;
        Ok(())
    }
}

fn open_to_the_network(listen: SocketAddr) -> Problem {
    Problem::new(
        format!("The broker does not listen on {listen}"),
        "it has no authentication yet, so everyone who reaches that address could read and delete everything",
        "Listen on a loopback address such as 127.0.0.1:9092, and reach it from elsewhere through a tunnel (ssh -L)",
    )
}
