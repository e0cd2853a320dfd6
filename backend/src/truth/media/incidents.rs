//! Incidents against the faults that were injected: found, found soon, the right cell named, nothing else found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use weir_model::Check;

use super::Seen;
use crate::{
    pipelines::media::{
        input::minute_of,
        records::{Cause, Causes, Incident, IncidentState},
        settings::{CAUSES, INCIDENTS, SLICES, TRUTH},
    },
    sim::media::{IncidentId, Shown, TruthRecord},
    truth::{check, pending},
};

/// An incident is found within this time.
const DELAY_MAX_MS: i64 = 20_000;
/// The share of faults whose cell is named exactly.
const EXACT_MIN: f64 = 0.95;
/// False incidents in an hour at most.
const FALSE_PER_HOUR: f64 = 1.0;
/// A fault's traces outlast it by this.
const TRACE_MS: i64 = 30_000;
/// Incidents and faults that are compared at most.
const COMPARED_MAX: usize = 10_000;
/// Exact causes among labelled cases: the best, and one of the three best.
const TOP_1_MIN: f64 = 0.65;
const TOP_3_MIN: f64 = 0.87;
/// Slices that are counted.
const SLICES_MAX: usize = 100_000;
/// Causes that are told where no labels are.
const TOLD_MAX: usize = 5;

/// A slice without its cells.
#[derive(Deserialize)]
struct Outline {
    start_ms: i64,
    is_asked: bool,
    has_more: bool,
}

#[derive(Clone, Debug)]
struct Injected {
    shown: Shown,
    from_ms: i64,
    until_ms: i64,
}

/// Compares incidents with faults, and causes with labels.
#[derive(Debug, Default)]
pub struct Incidents {
    faults: Vec<Injected>,
    incidents: BTreeMap<IncidentId, Incident>,
    span_ms: Option<(i64, i64)>,
    labels: BTreeMap<String, Vec<Shown>>,
    /// Explanations by case, and by minute of a case; each is a set of causes.
    causes: BTreeMap<String, Vec<Vec<Shown>>>,
    /// Slices that were looked at, by start; and those of given data whose causes were asked for, by name.
    slices: BTreeSet<i64>,
    asked: BTreeSet<String>,
    answered_twice: u64,
    unexplained: u64,
    /// The clearest causes that were told, with their scores.
    told: Vec<(f64, String)>,
}

impl Incidents {
    /// Takes a record in.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        let (first, last) = self.span_ms.unwrap_or((seen.timestamp_ms, seen.timestamp_ms));
        self.span_ms = Some((first.min(seen.timestamp_ms), last.max(seen.timestamp_ms)));
        match seen.topic {
            TRUTH => match seen.read() {
                Some(TruthRecord::Fault { shown, from_ms, until_ms, .. }) if !shown.is_empty() && self.faults.len() < COMPARED_MAX => {
                    self.faults.push(Injected { shown, from_ms, until_ms });
                }
                Some(TruthRecord::Cause { case, causes }) if self.labels.len() < COMPARED_MAX => drop(self.labels.insert(case, causes)),
                _ => {}
            },
            INCIDENTS => {
                if let Some(incident) = seen.read::<Incident>().filter(|_| self.incidents.len() < COMPARED_MAX) {
                    self.incidents.insert(incident.incident_id.clone(), incident);
                }
            }
            SLICES => {
                let Some(slice) = seen.read::<Outline>() else { return };
                if slice.is_asked && !slice.has_more && self.asked.len() < COMPARED_MAX {
                    self.asked.insert(minute_of(&String::from_utf8_lossy(seen.key), slice.start_ms));
                }
                if self.slices.len() < SLICES_MAX {
                    self.slices.insert(slice.start_ms);
                }
            }
            CAUSES => {
                if let Some(causes) = seen.read::<Causes>().filter(|_| self.causes.len() < COMPARED_MAX) {
                    self.told(&String::from_utf8_lossy(seen.key), causes);
                }
            }
            _ => {}
        }
    }

    fn told(&mut self, case: &str, causes: Causes) {
        let minute = minute_of(case, causes.start_ms);
        if let Some(first) = causes.sets.first().filter(|set| !set.is_empty()) {
            let cause =
                |cause: &Cause| cause.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
            let score = first.iter().map(|cause| cause.score).sum();
            self.told.push((score, format!("{minute} {}", first.iter().map(cause).collect::<Vec<_>>().join(";"))));
            self.told.sort_by(|a, b| b.0.total_cmp(&a.0));
            self.told.truncate(TOLD_MAX);
        }
        let set = |set: Vec<Cause>| {
            let mut set: Vec<_> = set.into_iter().map(|cause| cause.attributes).collect();
            set.sort_unstable();
            set
        };
        let sets: Vec<_> = causes.sets.into_iter().map(set).collect();
        self.unexplained += u64::from(sets.iter().all(Vec::is_empty));
        self.answered_twice += u64::from(self.causes.insert(minute, sets.clone()).is_some());
        self.causes.insert(case.to_owned(), sets);
    }

    /// The verdicts.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        if !self.labels.is_empty() {
            return vec![self.causes_named()];
        }
        if !self.asked.is_empty() && self.faults.is_empty() {
            return vec![self.causes_told(is_over)];
        }
        vec![self.found_in_time(is_over), self.cells_exact(is_over), self.nothing_else(is_over)]
    }

    /// Figures.
    pub fn scores(&self) -> BTreeMap<String, f64> {
        let mut scores = BTreeMap::new();
        let mut score = |name: &str, value: f64| {
            scores.insert(name.to_owned(), value);
        };
        if !self.labels.is_empty() {
            let (top_1, top_3) = self.exact_among();
            score("root_cause_cases", self.labels.len() as f64);
            score("root_cause_top1", top_1);
            score("root_cause_top3", top_3);
            score("root_cause_f1", self.f1());
        }
        if self.labels.is_empty() && !self.asked.is_empty() {
            score("root_causes_asked", self.asked.len() as f64);
        }
        let delays: Vec<_> =
            self.faults.iter().filter_map(|fault| self.first_of(fault)).map(|(delay_ms, _)| delay_ms as f64 / 1e3).collect();
        if !delays.is_empty() {
            score("incident_delay_s_mean", delays.iter().sum::<f64>() / delays.len() as f64);
            score("incident_delay_s_max", delays.iter().copied().fold(0.0, f64::max));
            score("incident_cells_exact", self.exact_share());
        }
        if self.span_ms.is_some() && self.labels.is_empty() {
            score("incidents_false", self.false_incidents().count() as f64);
            score("incidents_repeated", self.repeated().count() as f64);
        }
        scores
    }

    fn found_in_time(&self, is_over: bool) -> Check {
        let id = "incidents_found_in_time";
        let due = self.due().collect::<Vec<_>>();
        if due.is_empty() {
            return nothing_to_find(id, is_over);
        }
        let in_time = |fault: &&Injected| self.first_of(fault).is_some_and(|(delay_ms, _)| delay_ms <= DELAY_MAX_MS);
        let missed: Vec<_> = due.iter().filter(|fault| !in_time(fault)).collect();
        let mut evidence = format!("{} of {} faults found within {} s", due.len() - missed.len(), due.len(), DELAY_MAX_MS / 1_000);
        if let Some(first) = missed.first() {
            evidence += &format!("; not {:?} from {}", first.shown, first.from_ms);
        }
        check(id, missed.is_empty(), evidence)
    }

    fn cells_exact(&self, is_over: bool) -> Check {
        let id = "incident_cells_exact";
        let due = self.due().count();
        if due == 0 {
            return nothing_to_find(id, is_over);
        }
        let wrong = self.due().find(|fault| !self.is_exact(fault));
        let mut evidence = format!("{:.0} % of {due} faults named exactly", self.exact_share() * 100.0);
        if let Some(fault) = wrong {
            let named =
                self.first_of(fault).map_or_else(|| "nothing".to_owned(), |(_, incident)| format!("{:?}", incident.cause.attributes));
            evidence += &format!("; {:?} was taken for {named}", fault.shown);
        }
        check(id, self.exact_share() >= EXACT_MIN, evidence)
    }

    /// `incidents_not_false`: nothing is found where nothing was broken, and what was broken is found once.
    fn nothing_else(&self, is_over: bool) -> Check {
        let id = "incidents_not_false";
        if self.slices.is_empty() && self.incidents.is_empty() {
            return pending(id, "no slice of the players' reports is closed yet");
        }
        let hours = self.span_ms.map_or(0.0, |(first, last)| (last - first) as f64 / 3.6e6);
        let (count, first) = (self.false_incidents().count(), self.false_incidents().next());
        let (repeated, first_repeated) = (self.repeated().count(), self.repeated().next());
        let mut evidence = format!(
            "{} slices in {hours:.2} h: {count} incidents without a fault, {repeated} beside the first of one of {} faults",
            self.slices.len(),
            self.faults.len()
        );
        for incident in [first, first_repeated].into_iter().flatten() {
            evidence += &format!("; {} {:?}", incident.incident_id, incident.cause.attributes);
        }
        let is_true = count as f64 <= (hours * FALSE_PER_HOUR).max(1.0) && repeated <= self.faults.len();
        if !is_over && is_true {
            return pending(id, evidence);
        }
        check(id, is_true, evidence)
    }

    /// `root_causes_told`: without labels nobody knows whether causes are right, but everybody who asked got one answer.
    fn causes_told(&self, is_over: bool) -> Check {
        let id = "root_causes_told";
        let missing: Vec<_> = self.asked.iter().filter(|minute| !self.causes.contains_key(*minute)).collect();
        let told: Vec<_> = self.told.iter().map(|(_, told)| told.as_str()).collect();
        let mut evidence = format!(
            "no labels; {} slices asked about, {} not answered, {} answered twice, {} without a cause; the clearest causes: {}",
            self.asked.len(),
            missing.len(),
            self.answered_twice,
            self.unexplained,
            told.join(", ")
        );
        if !is_over && self.answered_twice == 0 {
            return pending(id, evidence);
        }
        if let Some(first) = missing.first() {
            evidence += &format!("; first without an answer: {first}");
        }
        check(id, missing.is_empty() && self.answered_twice == 0, evidence)
    }

    fn causes_named(&self) -> Check {
        let (top_1, top_3) = self.exact_among();
        let (cases, f1) = (self.labels.len(), self.f1());
        let evidence = format!("{cases} labelled cases: exact cause first in {top_1:.3}, among three in {top_3:.3}, F1 {f1:.3}");
        check("root_causes_named", top_1 >= TOP_1_MIN && top_3 >= TOP_3_MIN, evidence)
    }

    fn exact_among(&self) -> (f64, f64) {
        let rank = |(case, causes): (&String, &Vec<Shown>)| {
            let mut causes = causes.clone();
            causes.sort_unstable();
            self.causes.get(case)?.iter().position(|set| *set == causes)
        };
        let ranks: Vec<_> = self.labels.iter().map(rank).collect();
        let share =
            |below: usize| ranks.iter().filter(|rank| rank.is_some_and(|rank| rank < below)).count() as f64 / ranks.len().max(1) as f64;
        (share(1), share(3))
    }

    /// The harmonic mean of precision and recall over the single causes of all cases, as Squeeze counts (ISSRE 2019).
    fn f1(&self) -> f64 {
        let (mut hits, mut said) = (0, 0);
        for (case, causes) in &self.labels {
            let first = self.causes.get(case).and_then(|sets| sets.first()).map(Vec::as_slice).unwrap_or_default();
            hits += first.iter().filter(|cause| causes.contains(cause)).count();
            said += first.len();
        }
        let labelled = self.labels.values().map(Vec::len).sum::<usize>();
        2.0 * hits as f64 / (said + labelled).max(1) as f64
    }

    /// Faults that had to be found by now.
    fn due(&self) -> impl Iterator<Item = &Injected> {
        let now_ms = self.span_ms.map_or(i64::MIN, |(_, last)| last);
        self.faults.iter().filter(move |fault| now_ms.min(fault.until_ms) - fault.from_ms > DELAY_MAX_MS)
    }

    /// The first incident of a fault, and how long it took.
    fn first_of(&self, fault: &Injected) -> Option<(i64, &Incident)> {
        let of_it = self.incidents.values().filter(|incident| is_of(incident, fault));
        of_it.map(|incident| (incident.opened_ms - fault.from_ms, incident)).min_by_key(|(delay_ms, _)| *delay_ms)
    }

    fn is_exact(&self, fault: &Injected) -> bool {
        self.first_of(fault).is_some_and(|(_, incident)| incident.cause.attributes == fault.shown)
    }

    fn exact_share(&self) -> f64 {
        self.due().filter(|fault| self.is_exact(fault)).count() as f64 / self.due().count().max(1) as f64
    }

    /// Incidents of a fault that is told by another one already: at its time, and not because it came back after the other was closed.
    fn repeated(&self) -> impl Iterator<Item = &Incident> {
        let of_faults: Vec<_> = self.faults.iter().filter_map(|fault| Some((fault, self.first_of(fault)?.1))).collect();
        self.incidents.values().filter(move |incident| {
            let mut of_it = of_faults.iter().filter(|(fault, _)| is_of(incident, fault)).peekable();
            let is_of_one = of_it.peek().is_some();
            is_of_one
                && of_it.all(|(_, first)| {
                    let is_another = first.incident_id != incident.incident_id;
                    is_another && (first.state != IncidentState::Closed || first.closed_ms.is_some_and(|end| end > incident.since_ms))
                })
        })
    }

    fn false_incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().filter(|incident| !self.faults.iter().any(|fault| is_of(incident, fault)))
    }
}

/// Whether an incident may be a fault's: at its time, and not about something else altogether.
fn is_of(incident: &Incident, fault: &Injected) -> bool {
    let is_then = (fault.from_ms..=fault.until_ms + TRACE_MS).contains(&incident.opened_ms);
    is_then && incident.cause.attributes.iter().any(|attribute| fault.shown.contains(attribute))
}

/// A run in which nothing went wrong for long found all there was; until it is over something may.
fn nothing_to_find(id: &'static str, is_over: bool) -> Check {
    let evidence = "no fault that shows in the cube lasted for 20 seconds";
    if is_over { check(id, true, evidence) } else { pending(id, format!("{evidence} yet")) }
}
