//! `weir run`: a pipeline without a window, with the verdicts of its checks at the end.

mod options;

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use weir_backend::connect::prometheus::Exporter;
use weir_model::{
    Availability, CheckVerdict, ParamMeta, Phase, PipelineId, PipelineMeta, PipelineParams, PipelineStatus, Request, RunReport,
};

use super::{
    Failure, Globals, Subcommand, note,
    numbers::{decimal, grouped},
    output::{Field, Output},
    support::{Example, Takes, WEBHOOK_VARIABLE, examples, pace::Pace, parse, pipeline::find, session::Session, stage::Stage},
};

use options::Options;

/// The generator's seed unless given: a run can be repeated without noting anything down.
const SEED_DEFAULT: u64 = 42;
/// How soon a signal is noticed while nothing else happens.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);

const FIELDS: &[Field] = &[
    Field { name: "pipeline", meaning: "its name" },
    Field { name: "version", meaning: "of this program" },
    Field { name: "seed", meaning: "equal seeds give equal events" },
    Field { name: "scenario", meaning: "the guided demo it followed, or null" },
    Field { name: "counts", meaning: "counters by name" },
    Field { name: "latency_ms", meaning: "p50 and p99 from a record's timestamp to the processor having seen it" },
    Field { name: "checks", meaning: "each with id, verdict (pass, fail, pending) and evidence" },
    Field { name: "scores", meaning: "figures against truth by name" },
    Field {
        name: "error",
        meaning: "only where something went wrong beside the results, such as state that could not be kept: what, why and what_to_do",
    },
];

/// The arguments.
#[derive(Args)]
pub(super) struct Run {
    /// Which pipeline, such as clickstream
    pipeline: String,

    /// Events per second; with --input as fast as they can be processed unless given
    #[arg(long, value_name = "N")]
    rate: Option<u32>,

    /// End after rate × this time events, such as 30s or 2m; until Ctrl-C unless given
    #[arg(long = "for", value_name = "TIME", value_parser = parse::duration_ms)]
    for_ms: Option<u64>,

    /// The generator's seed
    #[arg(long, value_name = "N", default_value_t = SEED_DEFAULT)]
    seed: u64,

    /// How many times faster than the clock event time runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    speed: Option<u32>,

    /// End with the report as one JSON object on stdout
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: Options,
}

impl Subcommand for Run {
    const NAME: &'static str = "run";
    const ABOUT: &'static str = "Run a pipeline without a window, and judge what it computed";
    const EXAMPLES: &'static [Example] = &[
        Example { line: "weir run clickstream --for 30s", what: "Half a minute on a broker of its own, then the report" },
        Example { line: "weir run clickstream --for 10s --rate 5000 --seed 7 --json", what: "A repeatable run with a report for programs" },
        Example { line: "weir run clickstream --for 1m --fault 20s:traffic_spike", what: "With twenty times the traffic after 20 seconds" },
        Example { line: "weir run clickstream -b kafka.example:9092", what: "On a cluster of yours, until Ctrl-C" },
    ];
    const TAKES: Takes = Takes { cluster: true, data_dir: true };

    fn details() -> Option<String> {
        let what = "Without --bootstrap it runs on an embedded broker on a free port, with its data in a temporary folder that goes with it unless \
                    --data-dir names one. Exit code 1 when a check fails, or when state could not be kept in --state-dir.";
        let webhook = format!(
            "{WEBHOOK_VARIABLE}=https://… in the environment has alerts posted there as JSON, with a text that chat programs show."
        );
        Some(format!("{what}\n\n{webhook}\n\n{}\n\n{}", names(), examples::json_section(FIELDS)))
    }

    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let metas = weir_backend::pipelines::metas();
        let meta = find(&metas, &self.pipeline)?;
        let params = PipelineParams { faults: self.options.read_faults(meta, self.for_ms)?, ..self.params(meta)? };
        let mut stage = Stage::set(globals)?;
        note(format_args!(
            "{} on {}, {} events/s, seed {}; Ctrl-C ends it",
            meta.id,
            stage.session.bootstrap(),
            params.rate_per_s,
            params.seed
        ));
        let metrics = self.options.metrics.map(Exporter::listen).transpose()?;
        if let Some(metrics) = &metrics {
            note(format_args!("its figures are at {}", metrics.url()));
        }
        stage.session.request(Request::StartPipeline(meta.id.clone(), params))?;
        let report = follow(&mut stage.session, &meta.id, metrics.as_ref())?;
        let mut out = Output::stdout(self.json);
        if self.json {
            out.json(&*report)?;
        } else {
            write_report(&mut out, &report)?;
        }
        out.flush()?;
        stage.strike()?;
        let has_failed = report.checks.iter().any(|check| check.verdict == CheckVerdict::Fail);
        if has_failed || report.error.is_some() { Err(Failure::Reported) } else { Ok(()) }
    }
}

/// What can be named, by pipeline.
fn names() -> String {
    let mut text = "What each pipeline can be told:".to_owned();
    for meta in weir_backend::pipelines::metas().iter().filter(|meta| meta.availability == Availability::Ready) {
        let settings = meta.params.iter().filter(|param| !["rate_per_s", "speed", "seed"].contains(&&*param.name));
        let sabotages = weir_backend::pipelines::sabotages(&meta.id).iter();
        let lists: [(&str, Vec<(String, String)>); 4] = [
            ("--set", settings.map(|param| (format!("{}={}", param.name, param.default), range(param))).collect()),
            ("--fault", meta.faults.iter().map(|fault| (fault.id.to_string(), fault.label.to_string())).collect()),
            ("--scenario", meta.scenarios.iter().map(|scenario| (scenario.id.to_string(), scenario.title.to_string())).collect()),
            ("--sabotage", sabotages.map(|(name, check)| ((*name).to_owned(), format!("turns {check} red"))).collect()),
        ];
        text += &format!("\n  {}", meta.id);
        let width = lists.iter().flat_map(|(_, names)| names).map(|(name, _)| name.len()).max().unwrap_or(0);
        for (option, names) in lists {
            for (at, (name, meaning)) in names.iter().enumerate() {
                text += &format!("\n    {:<10}  {name:<width$}  {meaning}", if at == 0 { option } else { "" });
            }
        }
    }
    text
}

fn range(param: &ParamMeta) -> String {
    match (param.min, param.max) {
        (0.0, 1.0) => format!("{}, {}", param.label, param.unit),
        (min, max) => format!("{}, {min} to {max} {}", param.label, param.unit).trim_end().to_owned(),
    }
}

impl Run {
    fn params(&self, meta: &PipelineMeta) -> Result<PipelineParams, Failure> {
        let fastest = || meta.params.iter().find(|param| &*param.name == "rate_per_s").map(|param| param.max as u32);
        // A file is read as fast as it can be processed.
        let rate_per_s = setting(meta, "rate_per_s", self.rate.or_else(|| fastest().filter(|_| self.options.has_input())))?;
        let events_max = self.for_ms.map(|for_ms| (u64::from(rate_per_s).saturating_mul(for_ms) / 1_000).max(1));
        let speed = setting(meta, "speed", self.speed)?;
        Ok(self.options.apply(PipelineParams { rate_per_s, seed: self.seed, speed, events_max, ..PipelineParams::default() }))
    }
}

/// A setting's value: what was asked for if the pipeline can do that, else its default.
fn setting(meta: &PipelineMeta, name: &str, asked: Option<u32>) -> Result<u32, Failure> {
    let Some(param) = meta.params.iter().find(|param| &*param.name == name) else { return Ok(asked.unwrap_or(1)) };
    match asked {
        None => Ok(param.default as u32),
        Some(value) if (param.min..=param.max).contains(&f64::from(value)) => Ok(value),
        Some(value) => Err(Failure::Usage(format!(
            "{value} {} is outside of what {} can do: {} to {}",
            param.unit,
            meta.id,
            decimal(param.min, 0),
            decimal(param.max, 0)
        ))),
    }
}

/// Shows how the run goes until its report is there. A signal ends it early, with a report all the same.
fn follow(session: &mut Session, id: &PipelineId, metrics: Option<&Exporter>) -> Result<Arc<RunReport>, Failure> {
    let mut pace = Pace::new();
    let mut is_stopping = false;
    loop {
        if session.end.is_set() && !is_stopping {
            is_stopping = true;
            note("ending the run; the processors finish what was generated");
            session.request(Request::StopPipeline(id.clone()))?;
        }
        session.advance(SIGNAL_CHECK);
        let Some(view) = session.store.runs.get(id) else { continue };
        if let Some(report) = &view.report {
            pace.end();
            return Ok(Arc::clone(report));
        }
        if let Some(status) = &view.status {
            if let Some(metrics) = metrics {
                metrics.show(Arc::clone(status), view.streams.clone());
            }
            if let Phase::Failed(problem) = &status.phase {
                pace.end();
                return Err(problem.clone().into());
            }
            pace.show(|| status_line(status));
        }
    }
}

/// How a run goes, in one line.
pub(crate) fn status_line(status: &PipelineStatus) -> String {
    let count = |name: &str| status.counts.get(name).map(|count| grouped((*count).into()));
    let events = count("generated").map(|events| format!(", {events} events")).unwrap_or_default();
    format!(
        "{}: {} events/s in, {} events/s processed{events}, p99 {} ms",
        status.phase.label(),
        decimal(status.produced_per_s, 0),
        decimal(status.processed_per_s, 0),
        decimal(status.latency.p99, 1),
    )
}

/// How a run ended, in one line.
pub(crate) fn report_line(report: &RunReport) -> String {
    let verdicts: Vec<String> = report.checks.iter().map(|check| format!("{} {}", check.id, verdict(check.verdict))).collect();
    format!("{} ended; checks: {}", report.pipeline, if verdicts.is_empty() { "none".to_owned() } else { verdicts.join(", ") })
}

fn verdict(verdict: CheckVerdict) -> &'static str {
    match verdict {
        CheckVerdict::Pass => "pass",
        CheckVerdict::Fail => "FAIL",
        CheckVerdict::Pending => "pending",
    }
}

fn write_report<W: Write>(out: &mut Output<W>, report: &RunReport) -> io::Result<()> {
    out.line(format_args!("{} · seed {}", report.pipeline, report.seed))?;
    out.line("")?;
    let width = report.counts.keys().chain(report.scores.keys()).map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, count) in &report.counts {
        out.line(format_args!("  {name:width$}  {:>16}", grouped((*count).into())))?;
    }
    for (name, score) in &report.scores {
        out.line(format_args!("  {name:width$}  {:>16}", decimal(*score, 4)))?;
    }
    out.line(format_args!("\n  produce to processed: p50 {:.1} ms, p99 {:.1} ms\n", report.latency_ms.p50, report.latency_ms.p99))?;
    for check in &report.checks {
        out.line(format_args!("  {:<7}  {}: {}", verdict(check.verdict), check.id, check.evidence))?;
    }
    if let Some(error) = &report.error {
        out.line(format_args!("\n  ERROR    {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_as_long_as_its_events() {
        let metas = weir_backend::pipelines::metas();
        let meta = find(&metas, "clickstream").unwrap();
        let run = |rate, for_ms| Run {
            pipeline: "clickstream".to_owned(),
            rate,
            for_ms,
            seed: 7,
            speed: None,
            json: true,
            options: Options::default(),
        };
        assert_eq!(run(Some(500), Some(2_000)).params(meta).unwrap().events_max, Some(1_000));
        assert_eq!(run(Some(500), None).params(meta).unwrap().events_max, None);
        assert!(matches!(run(Some(u32::MAX), None).params(meta), Err(Failure::Usage(_))));
        assert!(matches!(find(&metas, "nonsense"), Err(Failure::Usage(_))));
    }

    #[test]
    fn what_can_be_named_is_listed() {
        let names = names();
        for known in ["cdn_down", "chat_raid", "Devices, 24 to 5000"] {
            assert!(names.contains(known), "{known}: {names}");
        }
        let line = names.lines().find(|line| line.contains("bill_twice")).unwrap();
        assert!(line.ends_with("  turns impressions_billed_once red"), "{line}");
    }

    #[test]
    fn documented_fields_are_those_of_the_report() {
        let report = RunReport {
            pipeline: PipelineId::from("p"),
            version: "1.0.0".into(),
            seed: 1,
            scenario: None,
            counts: [("events".to_owned(), 1_000)].into(),
            latency_ms: weir_model::Latency { p50: 1.0, p99: 2.0 },
            checks: Vec::new(),
            scores: [("precision".to_owned(), 1.0)].into(),
            error: Some(weir_model::Problem::new("No state", "the disk is full", "Make room")),
        };
        let json = serde_json::to_value(&report).unwrap();
        let documented: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(json.as_object().unwrap().len(), documented.len());
        assert!(documented.iter().all(|name| json.get(name).is_some()), "{documented:?}");
        let mut bytes = Vec::new();
        write_report(&mut Output::new(&mut bytes, false), &report).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("events                1,000") && text.contains("the disk is full"), "{text}");
        assert_eq!(json["error"]["why"], "the disk is full");
    }
}
