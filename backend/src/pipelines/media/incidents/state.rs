//! What the detector remembers of one scope: the usual rates, slices that are not complete, incidents that are open.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::pipelines::media::{
    rca::{Attribute, History, Suspect},
    records::{Cause, Incident, Slice},
};

/// After so many slices the usual is what it was then by half.
const HALF_LIFE_SLICES: f64 = 45.0;
/// Slices wait so long before they count as usual: an incident is seen a little after it begins.
const LAG_SLICES: usize = 2;
/// Slices, and views, before anything can be said.
const LEARN_SLICES: u64 = 5;
const LEARN_VIEWS: f64 = 300.0;
/// A source that is so many slices behind the others is not waited for.
const BEHIND_SLICES: i64 = 4;
/// Incomplete slices at most; the oldest is taken as it is.
const PENDING_MAX: usize = 16;
/// Leaves that are remembered of the usual, and of each of the newest slices: those with most views.
const USUAL_LEAVES_MAX: usize = 8_000;
const RECENT_LEAVES_MAX: usize = 4_000;
/// A leaf of which less than this is left is forgotten.
const FORGET_VIEWS: f64 = 0.2;

type Cells = BTreeMap<Vec<u32>, (u64, u64)>;

/// One scope: a run, or a case of given data.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scope {
    /// The dimensions.
    pub(super) dimensions: Vec<String>,
    /// The values of each by number.
    pub(super) names: Vec<Vec<String>>,
    /// Usual views and failures by leaf.
    usual: Vec<(Vec<u32>, f64, f64)>,
    learned_slices: u64,
    pending: Vec<Merged>,
    /// Slices that are evaluated, and not yet usual.
    recent: Vec<Merged>,
    /// The start of the newest slice of each source.
    fronts: BTreeMap<i32, i64>,
    evaluated_until: Option<i64>,
    pub(super) open: Vec<Open>,
    pub(super) opened: u64,
}

/// A slice from all sources.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Merged {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) is_asked: bool,
    #[serde(with = "as_list")]
    pub(super) cells: Cells,
    /// Time watched or waited, by leaf, ms.
    #[serde(default, with = "as_list")]
    watched_ms: BTreeMap<Vec<u32>, u64>,
}

impl Merged {
    /// Viewers of these leaves, on average over the slice: each report tells of the time since the one before.
    pub(super) fn viewers(&self, suspect: &Suspect) -> u64 {
        let watched_ms: u64 = self.watched_ms.iter().filter(|(values, _)| suspect.covers(values)).map(|(_, ms)| ms).sum();
        let length_ms = (self.end_ms - self.start_ms).max(1) as f64;
        (watched_ms as f64 / length_ms).round() as u64
    }
}

/// An open incident.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) incident: Incident,
    attributes: Vec<(usize, u32)>,
    pub(super) age_slices: u32,
    pub(super) quiet_slices: u32,
    pub(super) peak_views: u64,
    /// The dimension in which a remedy moved its players elsewhere.
    #[serde(default)]
    pub(super) moved: Option<usize>,
}

impl Scope {
    /// Takes a part of a slice in; `false` when it comes too late.
    pub(super) fn take(&mut self, slice: &Slice) -> bool {
        if !slice.has_more {
            self.fronts.insert(slice.source, self.fronts.get(&slice.source).copied().unwrap_or(i64::MIN).max(slice.start_ms));
        }
        if self.evaluated_until.is_some_and(|until| slice.start_ms < until) {
            return false;
        }
        if self.dimensions.is_empty() {
            self.dimensions.clone_from(&slice.dimensions);
            self.names = vec![Vec::new(); slice.dimensions.len()];
        }
        let at = self.pending.partition_point(|pending| pending.start_ms < slice.start_ms);
        if self.pending.get(at).is_none_or(|pending| pending.start_ms != slice.start_ms) {
            self.pending.insert(at, Merged { start_ms: slice.start_ms, end_ms: slice.end_ms, ..Merged::default() });
        }
        let watched_ms = slice.watched_ms.iter().copied().chain(std::iter::repeat(0));
        let cells = slice.cells.iter().zip(watched_ms);
        let numbered: Vec<_> = cells
            .filter_map(|((values, total, failures), watched_ms)| Some((self.numbers(values)?, *total, *failures, watched_ms)))
            .collect();
        let merged = &mut self.pending[at];
        merged.is_asked |= slice.is_asked;
        for (values, total, failures, watched_ms) in numbered {
            if watched_ms > 0 {
                *merged.watched_ms.entry(values.clone()).or_default() += watched_ms;
            }
            let sums = merged.cells.entry(values).or_default();
            *sums = (sums.0 + total, sums.1 + failures);
        }
        true
    }

    /// The next slice that every source has passed.
    pub(super) fn next_complete(&mut self) -> Option<Merged> {
        let first = self.pending.first()?;
        let newest = self.fronts.values().max()?;
        let length_ms = first.end_ms - first.start_ms;
        let waited_for = self.fronts.values().filter(|front| *newest - **front <= BEHIND_SLICES * length_ms);
        let is_complete = waited_for.min().is_some_and(|slowest| *slowest >= first.start_ms);
        if !is_complete && self.pending.len() < PENDING_MAX {
            return None;
        }
        self.evaluated_until = Some(first.end_ms);
        Some(self.pending.remove(0))
    }

    /// The usual rates.
    pub(super) fn history(&self) -> History {
        let mut history = History::default();
        for (values, total, failures) in &self.usual {
            history.add(values, *total, *failures);
        }
        history
    }

    /// What to compare a slice with: the usual, else all that came before it, else itself.
    pub(super) fn history_before(&self, slice: &Merged) -> History {
        let mut history = self.history();
        if self.is_learned() {
            return history;
        }
        let before = if self.usual.is_empty() && self.recent.is_empty() { std::slice::from_ref(slice) } else { &self.recent[..] };
        for (values, (total, failures)) in before.iter().flat_map(|slice| &slice.cells) {
            history.add(values, *total as f64, *failures as f64);
        }
        history
    }

    /// Whether the usual is known.
    pub(super) fn is_learned(&self) -> bool {
        self.learned_slices >= LEARN_SLICES && self.usual.iter().map(|(_, total, _)| total).sum::<f64>() >= LEARN_VIEWS
    }

    /// The cells of a slice and of the one before it.
    pub(super) fn with_previous(&self, slice: &Merged) -> Cells {
        let mut cells = slice.cells.clone();
        for (values, (total, failures)) in self.recent.last().iter().flat_map(|previous| &previous.cells) {
            let sums = cells.entry(values.clone()).or_default();
            *sums = (sums.0 + total, sums.1 + failures);
        }
        cells
    }

    /// Whether an open incident says the same.
    pub(super) fn is_known(&self, suspect: &Suspect) -> bool {
        self.open.iter().any(|open| open.suspect().attributes == suspect.attributes)
    }

    /// A slice was evaluated; those that waited long enough become usual, but for the leaves of open incidents.
    pub(super) fn learn(&mut self, mut slice: Merged) {
        slice.watched_ms.clear(); // only the newest slice's viewers are told
        slice.cells = largest(slice.cells, RECENT_LEAVES_MAX, |(total, _)| *total as f64);
        self.recent.push(slice);
        while self.recent.len() > LAG_SLICES {
            let old = self.recent.remove(0);
            let keep = 0.5_f64.powf(1.0 / HALF_LIFE_SLICES);
            let mut usual: BTreeMap<_, _> = std::mem::take(&mut self.usual).into_iter().map(|(values, a, b)| (values, (a, b))).collect();
            let suspects: Vec<_> = self.open.iter().map(Open::suspect).collect();
            for (values, sums) in &mut usual {
                if !suspects.iter().any(|suspect| suspect.covers(values)) {
                    *sums = (sums.0 * keep, sums.1 * keep);
                }
            }
            for (values, (total, failures)) in old.cells {
                if !suspects.iter().any(|suspect| suspect.covers(&values)) {
                    let sums = usual.entry(values).or_default();
                    *sums = (sums.0 + total as f64, sums.1 + failures as f64);
                }
            }
            self.usual = largest(usual, USUAL_LEAVES_MAX, |(total, _)| *total)
                .into_iter()
                .filter(|(_, (total, _))| *total >= FORGET_VIEWS)
                .map(|(values, (a, b))| (values, hundredths(a), hundredths(b)))
                .collect();
            self.learned_slices += 1;
        }
    }

    fn numbers(&mut self, values: &[String]) -> Option<Vec<u32>> {
        if values.len() != self.names.len() {
            return None;
        }
        let number = |(names, value): (&mut Vec<String>, &String)| {
            let known = names.iter().position(|name| name == value);
            known.unwrap_or_else(|| {
                names.push(value.clone());
                names.len() - 1
            }) as u32
        };
        Some(self.names.iter_mut().zip(values).map(number).collect())
    }
}

impl Open {
    pub(super) fn new(incident: Incident, suspect: &Suspect) -> Self {
        let peak_views = incident.views;
        Self { incident, attributes: pairs(suspect), age_slices: 0, quiet_slices: 0, peak_views, moved: None }
    }

    /// What it is about, by numbers.
    pub(super) fn suspect(&self) -> Suspect {
        let attributes = self.attributes.iter().map(|&(dimension, value)| Attribute { dimension, value }).collect();
        let Cause { score, total, failures, expected, .. } = self.incident.cause;
        Suspect { attributes, score, total, failures, expected }
    }

    /// Its viewers, wherever a remedy moved them.
    pub(super) fn audience(&self) -> Suspect {
        let mut audience = self.suspect();
        audience.attributes.retain(|attribute| Some(attribute.dimension) != self.moved);
        audience
    }

    /// Another explanation, with its alternatives after it.
    pub(super) fn tell(&mut self, suspect: &Suspect, mut ranked: Vec<Cause>) {
        self.attributes = pairs(suspect);
        self.incident.cause = ranked.remove(0);
        self.incident.alternatives = ranked;
    }
}

fn pairs(suspect: &Suspect) -> Vec<(usize, u32)> {
    suspect.attributes.iter().map(|attribute| (attribute.dimension, attribute.value)).collect()
}

/// The leaves with most views. The state of a scope is one record of its changelog, which must not be larger than a broker takes.
fn largest<V>(leaves: BTreeMap<Vec<u32>, V>, limit: usize, views: impl Fn(&V) -> f64) -> BTreeMap<Vec<u32>, V> {
    if leaves.len() <= limit {
        return leaves;
    }
    let mut leaves: Vec<_> = leaves.into_iter().collect();
    leaves.sort_by(|a, b| views(&b.1).total_cmp(&views(&a.1)).then_with(|| a.0.cmp(&b.0)));
    leaves.truncate(limit);
    leaves.into_iter().collect()
}

/// Short to write; a hundredth of a view is nothing.
fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// A map whose keys are lists has no JSON; a list of pairs has.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Leaves<V> = BTreeMap<Vec<u32>, V>;

    pub(super) fn serialize<V: Serialize, S: Serializer>(leaves: &Leaves<V>, serializer: S) -> Result<S::Ok, S::Error> {
        leaves.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, V: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Leaves<V>, D::Error> {
        Ok(Vec::<(Vec<u32>, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
