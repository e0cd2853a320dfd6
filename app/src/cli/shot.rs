//! `weir shot`: a panel with live data as a picture, drawn on the CPU. No display, no GPU.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use weir_model::{GroupId, PipelineId, TopicName};
use weir_ui_kit::Theme;

use super::{
    Failure, Globals, Subcommand, note,
    support::{
        Example, Takes, parse,
        studio::{Studio, Subject},
    },
};
use crate::{
    hosts::picture::PictureOptions,
    panels::{self, Route},
};

/// The arguments.
#[derive(Args)]
pub(super) struct Shot {
    /// Which panel, or a pipeline for its dashboard; --help lists them
    panel: String,

    /// The file to write
    #[arg(short, long, value_name = "FILE.png")]
    output: PathBuf,

    /// Width and height in pixels
    #[arg(long, value_name = "WxH", default_value = "1280x800", value_parser = parse::size)]
    size: [u32; 2],

    /// Light or dark
    #[arg(long, value_enum, default_value_t = ThemeName::Dark)]
    theme: ThemeName,

    /// The topic to show, where the panel shows one
    #[arg(long, conflicts_with = "group")]
    topic: Option<String>,

    /// The group to show, where the panel shows one
    #[arg(long)]
    group: Option<String>,

    /// How long the pipeline that is started for the picture runs before it is taken
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse::duration_ms)]
    after: u64,

    /// The scenario which that pipeline follows
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,

    /// As F11 shows it to a room: larger type, nothing but the screen
    #[arg(long)]
    present: bool,
}

/// The two themes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ThemeName {
    Dark,
    Light,
}

impl Subcommand for Shot {
    const NAME: &'static str = "shot";
    const ABOUT: &'static str = "Render a panel with live data to a PNG, without display or GPU";
    const EXAMPLES: &'static [Example] = &[
        Example { line: "weir shot clickstream -o clickstream.png", what: "The pipeline's dashboard, on a broker started for the picture" },
        Example { line: "weir shot media --scenario cdn_down_eu --after 35s -o cdn.png", what: "A guided demo in the middle of its story" },
        Example { line: "weir shot topics -o topics.png --theme light --size 1600x1000 -b kafka.example:9092", what: "A cluster's topics" },
        Example {
            line: "weir shot consumers -o lag.png --group billing -b 127.0.0.1:9092",
            what: "One group of a running broker, in detail",
        },
    ];
    const TAKES: Takes = Takes { cluster: true, data_dir: true };

    fn details() -> Option<String> {
        let list: Vec<String> = panels::PANELS.iter().map(|meta| format!("  {:<12} {}", meta.id, meta.help)).collect();
        Some(format!(
            "Panels:\n{}\n  {:<12} the dashboard of that pipeline, or of any other\n\nWithout --bootstrap it starts an embedded broker and that pipeline, \
             else clickstream, for some seconds, in a temporary folder, so that the picture is alive; with --data-dir it shows what is in that folder.",
            list.join("\n"),
            "clickstream",
        ))
    }

    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let subject = self.subject()?;
        let theme = if self.theme == ThemeName::Light { Theme::Light } else { Theme::Dark };
        let options = PictureOptions { size: self.size, theme, pixels_per_point: 1.0 };
        let png = Studio::set(globals, subject, options)?.take()?;
        write(&self.output, &png)?;
        note(format_args!("{} written", self.output.display()));
        Ok(())
    }
}

impl Shot {
    fn subject(&self) -> Result<Subject, Failure> {
        let metas = weir_backend::pipelines::metas();
        if let Some(pipeline) = metas.iter().find(|meta| meta.id.as_str() == self.panel) {
            return Ok(self.subject_of(Route::Dashboard(pipeline.id.clone()), None, None));
        }
        let Some(panel) = panels::meta(&self.panel) else {
            let known: Vec<&str> = panels::PANELS.iter().map(|meta| meta.id).collect();
            return Err(Failure::Usage(format!("there is no panel {:?}; there is: {}, clickstream", self.panel, known.join(", "))));
        };
        let topic = self.topic.as_deref().map(TopicName::from);
        let group = self.group.as_deref().map(GroupId::from);
        let route = match (panel.id, &topic, &group) {
            (panels::TOPICS, Some(topic), None) => Route::Topic(topic.clone()),
            (panels::MESSAGES, Some(topic), None) => Route::Messages(topic.clone()),
            (panels::CONSUMERS, None, Some(group)) => Route::Group(group.clone()),
            (panels::DASHBOARD, None, None) => Route::Dashboard(PipelineId::from("clickstream")),
            (id, None, None) => Route::Panel(id),
            (id, _, _) => {
                return Err(Failure::Usage(format!("{id} does not show that; --topic is for topics and messages, --group for consumers")));
            }
        };
        Ok(self.subject_of(route, topic, group))
    }

    fn subject_of(&self, route: Route, topic: Option<TopicName>, group: Option<GroupId>) -> Subject {
        let scenario = self.scenario.as_deref().map(Into::into);
        Subject { route, topic, group, after: Duration::from_millis(self.after), scenario, is_presented: self.present }
    }
}

/// Writes beside the file first, so that a picture is there whole or not at all.
fn write(path: &std::path::Path, png: &[u8]) -> Result<(), weir_model::Problem> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::write(&part, png).and_then(|()| std::fs::rename(&part, path)).map_err(|error| {
        weir_model::Problem::new(
            format!("{} could not be written", path.display()),
            error.to_string(),
            "Check that the folder exists, that you may write there, and that the disk has room",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_and_their_details_become_routes() {
        let shot = |panel: &str, topic: Option<&str>, group: Option<&str>| {
            let (topic, group) = (topic.map(str::to_owned), group.map(str::to_owned));
            Shot {
                panel: panel.to_owned(),
                output: "x.png".into(),
                size: [640, 480],
                theme: ThemeName::Dark,
                topic,
                group,
                after: 1_000,
                scenario: None,
                present: false,
            }
            .subject()
        };
        let check = |panel: &str, topic: Option<&str>, group: Option<&str>, expect: Option<Route>| {
            assert_eq!(shot(panel, topic, group).ok().map(|subject| subject.route), expect, "{panel}");
        };
        for meta in panels::PANELS {
            assert!(shot(meta.id, None, None).is_ok(), "{}", meta.id);
        }
        check("clickstream", None, None, Some(Route::Dashboard("clickstream".into())));
        check("topics", Some("t"), None, Some(Route::Topic("t".into())));
        check("messages", Some("t"), None, Some(Route::Messages("t".into())));
        check("consumers", None, Some("g"), Some(Route::Group("g".into())));
        check("overview", Some("t"), None, None);
        check("nonsense", None, None, None);
    }
}
