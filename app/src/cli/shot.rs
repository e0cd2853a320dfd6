//! `weir shot`: a panel with live data as a picture, drawn on the CPU. No display, no GPU.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{
    Failure, Globals, Subcommand,
    support::{Example, Takes, parse},
};

/// The arguments.
#[derive(Args)]
pub(super) struct Shot {
    /// Which panel, such as overview, topics, messages, consumers, pipelines or clickstream
    panel: String,

    /// The file to write
    #[arg(short, long, value_name = "FILE.png")]
    output: PathBuf,

    /// Width and height
    #[arg(long, value_name = "WxH", default_value = "1280x800", value_parser = parse::size)]
    size: [u32; 2],

    /// Light or dark
    #[arg(long, value_enum, default_value_t = Theme::Dark)]
    theme: Theme,

    /// The topic to show in detail, where the panel has details
    #[arg(long, conflicts_with = "group")]
    topic: Option<String>,

    /// The group to show in detail, where the panel has details
    #[arg(long)]
    group: Option<String>,
}

/// The two themes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Theme {
    /// Light on dark.
    Dark,
    /// Dark on light.
    Light,
}

impl Subcommand for Shot {
    const NAME: &'static str = "shot";
    const ABOUT: &'static str = "Render a panel with live data to a PNG, without display or GPU";
    const EXAMPLES: &'static [Example] = &[
        Example {
            line: "weir shot clickstream -o clickstream.png",
            what: "The pipeline's dashboard, on a broker and pipeline started for the picture",
        },
        Example { line: "weir shot topics -o topics.png --theme light --size 1600x1000 -b kafka.example:9092", what: "A cluster's topics" },
        Example { line: "weir shot consumers -o lag.png --group billing", what: "One group of the local broker, in detail" },
    ];
    const TAKES: Takes = Takes { cluster: true, data_dir: true };

    fn run(self, _globals: &Globals) -> Result<(), Failure> {
        Err(Failure::Usage(format!("{} {:?} {:?} {:?} {:?} {:?}", self.panel, self.output, self.size, self.theme, self.topic, self.group)))
    }
}
