//! What else can be said of a run: settings, faults at their time, real input, guarantee, scale.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use clap::Args;
use weir_model::{FaultId, PipelineMeta, PipelineParams};

use crate::cli::{Failure, support::parse};

/// The options.
#[derive(Args, Default)]
pub(super) struct Options {
    /// A setting of the pipeline's own; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(Arc<str>, f64)>,

    /// Break something on purpose at a time of the run, such as 20s:cdn_down:cdn=B,region=eu; may be given several times
    #[arg(long = "fault", value_name = "TIME:FAULT[:KNOBS]", value_parser = fault)]
    faults: Vec<(u64, FaultId)>,

    /// Real data in place of the generator: a file, a folder, or a topic (topic:NAME where a file has that name); columns of other names
    /// stand behind it, such as payments.csv?account=payer&amount=total, and so does what dates and numbers mean where the data leave it
    /// open: ?dates=dmy (or mdy), ?decimal=comma (or point)
    #[arg(long, value_name = "FILE|FOLDER|TOPIC")]
    input: Option<String>,

    /// Process exactly once, or at least once; as the pipeline says unless given
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    eos: Option<bool>,

    /// Stream threads of each application in this process; no more than it has tasks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    instances: Option<u16>,

    /// Keep the state in this folder, where it may be larger than memory, so that a process which is started again on it reads only what it missed
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// How much of that state each application holds in memory beside what is not committed; 64 MiB unless given
    #[arg(long, value_name = "MIB", requires = "state_dir", value_parser = clap::value_parser!(u64).range(0..=1_048_576))]
    state_cache: Option<u64>,

    /// How many other processes keep a warm copy of the state, to take over at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=8))]
    standby: Option<u16>,

    /// Take part in the run that another process leads on the same cluster: process only
    #[arg(long)]
    join: bool,

    /// Follow a scenario: a script of faults with what must be seen, which also says when the run ends
    #[arg(long, value_name = "NAME", conflicts_with = "input")]
    scenario: Option<String>,

    /// Break the processing on purpose, to see a check fail; what shows only under a fault brings it after 20 s
    #[arg(long, value_name = "HOW")]
    sabotage: Option<String>,

    /// Serve the run's figures to Prometheus on this address, such as 127.0.0.1:9464
    #[arg(long, value_name = "IP:PORT")]
    pub(super) metrics: Option<SocketAddr>,
}

impl Options {
    /// Whether there is real data.
    pub(super) fn has_input(&self) -> bool {
        self.input.is_some()
    }

    /// The faults as the pipeline knows them, if it does and lasts until then: better said now than at their time.
    pub(super) fn read_faults(&self, meta: &PipelineMeta, ends_at_ms: Option<u64>) -> Result<Vec<(u64, FaultId)>, Failure> {
        let read = |(at_ms, typed): &(u64, FaultId)| {
            let (name, knobs) = typed.as_str().split_once(':').unwrap_or((typed.as_str(), ""));
            let Some(fault) = meta.faults.iter().find(|fault| fault.id.as_str() == name) else {
                let known: Vec<_> = meta.faults.iter().map(|fault| fault.id.as_str()).collect();
                return Err(format!("{} has no fault {name}; there is: {}", meta.id, known.join(", ")));
            };
            if ends_at_ms.is_some_and(|end_ms| *at_ms >= end_ms) {
                return Err(format!("{name} at {} s comes after the end of the run", at_ms / 1_000));
            }
            Ok((*at_ms, fault.with_knobs(knobs)?))
        };
        self.faults.iter().map(read).collect::<Result<_, _>>().map_err(Failure::Usage)
    }

    /// The parameters with these options.
    pub(super) fn apply(&self, params: PipelineParams) -> PipelineParams {
        PipelineParams {
            settings: self.settings.iter().cloned().collect::<BTreeMap<_, _>>(),
            is_exactly_once: self.eos,
            instances: self.instances,
            state_dir: self.state_dir.clone(),
            state_cache_bytes: self.state_cache.map(|mib| mib << 20),
            standby_replicas: self.standby,
            is_joining: self.join,
            input: self.input.as_deref().map(Into::into),
            sabotage: self.sabotage.as_deref().map(Into::into),
            scenario: self.scenario.as_deref().map(Into::into),
            ..params
        }
    }
}

fn setting(text: &str) -> Result<(Arc<str>, f64), String> {
    let wrong = || format!("`{text}` is no setting; write NAME=VALUE with a number, such as lateness_s=5");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let value: f64 = value.trim().parse().map_err(|_| wrong())?;
    if name.trim().is_empty() || !value.is_finite() { Err(wrong()) } else { Ok((name.trim().into(), value)) }
}

fn fault(text: &str) -> Result<(u64, FaultId), String> {
    let wrong = || format!("`{text}` is no fault; write TIME:FAULT, such as 20s:traffic_spike or 20s:cdn_down:cdn=B,region=eu");
    let (at, fault) = text.split_once(':').ok_or_else(wrong)?;
    let at_ms = parse::duration_ms(at).map_err(|_| wrong())?;
    if fault.is_empty() { Err(wrong()) } else { Ok((at_ms, fault.into())) }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("`{text}` is neither on nor off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_or_refused_with_an_example() {
        assert_eq!(setting("lateness_s=2.5"), Ok(("lateness_s".into(), 2.5)));
        assert_eq!(fault("20s:cdn_down:cdn=B,region=eu"), Ok((20_000, "cdn_down:cdn=B,region=eu".into())));
        assert_eq!((on_or_off("on"), on_or_off("off")), (Ok(true), Ok(false)));
        for wrong in ["lateness", "=1", "a=b", "a=inf"] {
            assert!(setting(wrong).is_err_and(|error| error.contains("lateness_s=5")), "{wrong}");
        }
        for wrong in ["spike", "soon:spike", "20s:"] {
            assert!(fault(wrong).is_err_and(|error| error.contains("20s:traffic_spike")), "{wrong}");
        }
        assert!(on_or_off("maybe").is_err());
    }

    #[test]
    fn a_fault_of_another_pipeline_or_time_is_refused_with_those_there_are() {
        let metas = weir_backend::pipelines::metas();
        let media = metas.iter().find(|meta| meta.id.as_str() == "media").unwrap();
        let read = |at_ms: u64, wanted: &str| {
            Options { faults: vec![(at_ms, wanted.into())], ..Options::default() }.read_faults(media, Some(2_000))
        };
        assert_eq!(read(1_000, "cdn_down:cdn=B,region=eu").unwrap(), [(1_000, "cdn_down:cdn=cdn-b,region=eu".into())]);
        let check = |at_ms: u64, wanted: &str, says: &str| {
            let refused = read(at_ms, wanted);
            assert!(matches!(&refused, Err(Failure::Usage(why)) if why.contains(says)), "{wanted}");
        };
        for unknown in ["cdn_up", "traffic_spike", "cdn_down2:cdn=b"] {
            check(1_000, unknown, "ad_server_slow");
        }
        check(1_000, "cdn_down:cdn=z", "cdn-a");
        check(2_000, "cdn_down", "after the end");
    }
}
