//! Fault switches as text: what `weir broker --fault …` and a fault panel take.
//!
//! ```text
//! fault  = kind [ ":" key "=" value { "," key "=" value } ]
//! kind   = one of KINDS
//! ```
//!
//! Every kind takes where it applies, `api=Produce`, `topic=orders`, `client=app-1` (all must match; `*` at the end of a client id stands
//! for anything), and how long it lasts: `count=3` times, `for=5s`, and with `p=0.1` only for that share, drawn by `seed=7`. Without a
//! count or a duration a fault lasts until it is cleared.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::api::APIS;
use crate::codec::{error_by_name, error_name};

/// Every kind of fault: name, the keys of its own, what it does.
pub(super) const KINDS: &[(&str, &[&str], &str)] = &[
    ("delay", &["ms"], "hold the request back for `ms=200`, or for a time between `ms=50-500`"),
    ("drop-reply", &["how"], "do the work, then close the connection (`how=close`) or never answer (`how=swallow`)"),
    ("error", &["code", "when"], "answer `code=NOT_LEADER_OR_FOLLOWER` instead of doing the work, or in spite of it (`when=after`)"),
    ("close", &[], "close connections: those open now; with an API, a topic, a count or a duration those that ask"),
    ("move-coordinator", &[], "NOT_COORDINATOR from groups and transactions, COORDINATOR_NOT_AVAILABLE from FindCoordinator"),
    ("load-coordinator", &[], "COORDINATOR_LOAD_IN_PROGRESS from groups and transactions"),
    ("disk-full", &[], "refuse to write, as a full disk does: KAFKA_STORAGE_ERROR"),
    ("fail-fsync", &[], "fail to bring writes to stable storage"),
];

/// What goes wrong, where, and for how long. Parsed from text, and told as the same text.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultSpec {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Where.
    pub scope: FaultScope,
    /// How often; `None`: no limit.
    pub count: Option<u64>,
    /// For how long; `None`: no limit.
    pub lasts: Option<Duration>,
    /// With what probability, 0 to 1, each time it could.
    pub probability: f64,
    /// What draws, where there is something to draw: the same seed, the same draws.
    pub seed: u64,
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Requests are held back for a time drawn from here.
    Delay {
        /// At least.
        from: Duration,
        /// At most.
        to: Duration,
    },
    /// The work is done, but the client does not hear of it.
    DropReply {
        /// The connection stays open and silent; otherwise it is closed.
        swallow: bool,
    },
    /// An error is answered.
    Error {
        /// Kafka's code.
        code: i16,
        /// The work is done all the same.
        after_work: bool,
    },
    /// Connections end.
    Close,
    /// Groups and transactions seem to have moved to another broker.
    MoveCoordinator,
    /// Groups and transactions seem to be read from their log still.
    LoadCoordinator,
    /// Nothing can be written.
    DiskFull,
    /// What is written can't be synced.
    FailFsync,
}

/// Where a fault applies: everything that is said must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultScope {
    /// Kafka's name of the API.
    pub api: Option<&'static str>,
    /// A topic the request names, or the file belongs to.
    pub topic: Option<String>,
    /// The client's id; with `*` at the end, what it begins with.
    pub client_id: Option<String>,
}

impl FaultKind {
    fn name(&self) -> &'static str {
        let index = match self {
            Self::Delay { .. } => 0,
            Self::DropReply { .. } => 1,
            Self::Error { .. } => 2,
            Self::Close => 3,
            Self::MoveCoordinator => 4,
            Self::LoadCoordinator => 5,
            Self::DiskFull => 6,
            Self::FailFsync => 7,
        };
        KINDS[index].0
    }

    /// It is met where files are written, not where requests are answered.
    pub(super) fn is_of_disk(&self) -> bool {
        matches!(self, Self::DiskFull | Self::FailFsync)
    }
}

impl FaultScope {
    pub(super) fn includes_client(&self, client_id: &str) -> bool {
        self.client_id.as_ref().is_none_or(|wanted| match wanted.strip_suffix('*') {
            Some(start) => client_id.starts_with(start),
            None => client_id == wanted,
        })
    }
}

impl FromStr for FaultSpec {
    type Err = FaultSyntaxError;

    fn from_str(text: &str) -> Result<Self, FaultSyntaxError> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let (kind, own_keys, _) = KINDS.iter().find(|(name, ..)| *name == kind).ok_or_else(|| FaultSyntaxError::Kind(kind.to_owned()))?;
        let mut settings = Settings::default();
        for pair in rest.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| FaultSyntaxError::Pair(pair.to_owned()))?;
            let is_own = own_keys.contains(&key);
            settings.set(key, value, is_own).ok_or_else(|| FaultSyntaxError::Setting { kind, pair: pair.to_owned() })?;
        }
        let missing = |key| FaultSyntaxError::Missing { kind, key };
        let kind = match *kind {
            "delay" => {
                let (from, to) = settings.delay.ok_or_else(|| missing("ms"))?;
                FaultKind::Delay { from, to }
            }
            "drop-reply" => FaultKind::DropReply { swallow: settings.swallow },
            "error" => FaultKind::Error { code: settings.code.ok_or_else(|| missing("code"))?, after_work: settings.after_work },
            "close" => FaultKind::Close,
            "move-coordinator" => FaultKind::MoveCoordinator,
            "load-coordinator" => FaultKind::LoadCoordinator,
            "disk-full" => FaultKind::DiskFull,
            _ => FaultKind::FailFsync,
        };
        let Settings { scope, count, lasts, probability, seed, .. } = settings;
        Ok(Self { kind, scope, count, lasts, probability: probability.unwrap_or(1.0), seed })
    }
}

#[derive(Default)]
struct Settings {
    scope: FaultScope,
    count: Option<u64>,
    lasts: Option<Duration>,
    probability: Option<f64>,
    seed: u64,
    delay: Option<(Duration, Duration)>,
    swallow: bool,
    code: Option<i16>,
    after_work: bool,
}

impl Settings {
    /// `None`: there is no such key for this kind, or it can't have this value.
    fn set(&mut self, key: &str, value: &str, is_own: bool) -> Option<()> {
        match key {
            "api" => self.scope.api = Some(APIS.iter().find(|entry| entry.name.eq_ignore_ascii_case(value))?.name),
            "topic" if !value.is_empty() => self.scope.topic = Some(value.to_owned()),
            "client" => self.scope.client_id = Some(value.to_owned()),
            "count" => self.count = Some(value.parse().ok().filter(|count| *count > 0)?),
            "for" => self.lasts = Some(parse_duration(value)?),
            "p" => self.probability = Some(value.parse().ok().filter(|p| (0.0..=1.0).contains(p))?),
            "seed" => self.seed = value.parse().ok()?,
            "ms" if is_own => {
                let (from, to) = value.split_once('-').unwrap_or((value, value));
                let (from, to) = (Duration::from_millis(from.parse().ok()?), Duration::from_millis(to.parse().ok()?));
                self.delay = Some((from, to)).filter(|(from, to)| from <= to);
                self.delay?;
            }
            "how" if is_own => self.swallow = one_of(value, "close", "swallow")?,
            "code" if is_own => self.code = Some(error_by_name(value)?),
            "when" if is_own => self.after_work = one_of(value, "before", "after")?,
            _ => return None,
        }
        Some(())
    }
}

fn one_of(value: &str, no: &str, yes: &str) -> Option<bool> {
    (value == no || value == yes).then_some(value == yes)
}

/// `250ms`, `5s`, `2m`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(ms)?))
}

impl fmt::Display for FaultSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs = Vec::new();
        match &self.kind {
            FaultKind::Delay { from, to } if from == to => pairs.push(format!("ms={}", from.as_millis())),
            FaultKind::Delay { from, to } => pairs.push(format!("ms={}-{}", from.as_millis(), to.as_millis())),
            FaultKind::DropReply { swallow } => pairs.push(format!("how={}", if *swallow { "swallow" } else { "close" })),
            FaultKind::Error { code, after_work } => {
                pairs.push(format!("code={}", error_name(*code)));
                pairs.extend(after_work.then(|| "when=after".to_owned()));
            }
            _ => {}
        }
        pairs.extend(self.scope.api.map(|api| format!("api={api}")));
        pairs.extend(self.scope.topic.as_ref().map(|topic| format!("topic={topic}")));
        pairs.extend(self.scope.client_id.as_ref().map(|client_id| format!("client={client_id}")));
        pairs.extend(self.count.map(|count| format!("count={count}")));
        pairs.extend(self.lasts.map(|lasts| format!("for={}ms", lasts.as_millis())));
        pairs.extend((self.probability < 1.0).then(|| format!("p={}", self.probability)));
        pairs.extend((self.seed != 0).then(|| format!("seed={}", self.seed)));
        f.write_str(self.kind.name())?;
        if pairs.is_empty() { Ok(()) } else { write!(f, ":{}", pairs.join(",")) }
    }
}

/// The grammar of faults, for a command's help.
pub fn fault_help() -> String {
    let kinds: Vec<String> = KINDS.iter().map(|(name, _, does)| format!("  {name:<17} {does}")).collect();
    format!(
        "KIND[:KEY=VALUE,…]\n{}\n  where: api=Produce, topic=orders, client=app-1 or client=app-*\n  how long: count=3, for=5s, p=0.1 (a share of the time), \
         seed=7 (what is drawn)",
        kinds.join("\n")
    )
}

/// Why a text is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultSyntaxError {
    /// The first word.
    #[error("'{0}' is no kind of fault; there are {kinds}", kinds = kind_names())]
    Kind(String),
    /// Not `key=value`.
    #[error("'{0}' is not of the form key=value")]
    Pair(String),
    /// Not for this kind, or not this value.
    #[error("a fault of kind {kind} can't have '{pair}'")]
    Setting {
        /// The kind.
        kind: &'static str,
        /// What was said.
        pair: String,
    },
    /// Something has to be said.
    #[error("a fault of kind {kind} needs {key}=…")]
    Missing {
        /// The kind.
        kind: &'static str,
        /// What is missing.
        key: &'static str,
    },
}

fn kind_names() -> String {
    KINDS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_parsed_and_told_the_same() {
        let check = |text: &str, expect: &str| {
            let told = text.parse::<FaultSpec>().map_or_else(|error| error.to_string(), |spec| spec.to_string());
            assert_eq!(told, expect, "{text}");
            if let Ok(spec) = text.parse::<FaultSpec>() {
                assert_eq!(spec.to_string().parse::<FaultSpec>(), Ok(spec));
            }
        };
        check("delay:ms=200,api=fetch", "delay:ms=200,api=Fetch");
        check("delay:ms=50-500,seed=7,p=0.25", "delay:ms=50-500,p=0.25,seed=7");
        check("drop-reply", "drop-reply:how=close");
        check("drop-reply:how=swallow,client=app-*,count=1", "drop-reply:how=swallow,client=app-*,count=1");
        check("error:code=6,topic=orders,when=after,for=5s", "error:code=NOT_LEADER_OR_FOLLOWER,when=after,topic=orders,for=5000ms");
        check("close:", "close");
        check("disk-full:for=2m", "disk-full:for=120000ms");
        check("delay", "a fault of kind delay needs ms=…");
        check("delay:ms=5-2", "a fault of kind delay can't have 'ms=5-2'");
        check("close:ms=5", "a fault of kind close can't have 'ms=5'");
        check("error:code=NO_SUCH", "a fault of kind error can't have 'code=NO_SUCH'");
        check("error:p=2", "a fault of kind error can't have 'p=2'");
        check("close:count", "'count' is not of the form key=value");
        check("close:api=Nothing", "a fault of kind close can't have 'api=Nothing'");
    }

    #[test]
    fn every_kind_is_told_by_its_own_name_and_in_the_help() {
        for (name, ..) in KINDS {
            let text = format!(
                "{name}:{}",
                match *name {
                    "delay" => "ms=1",
                    "error" => "code=3",
                    _ => "",
                }
            );
            assert_eq!(text.parse::<FaultSpec>().unwrap().kind.name(), *name);
            assert!(fault_help().contains(name) && "x".parse::<FaultSpec>().unwrap_err().to_string().contains(name));
        }
    }
}
