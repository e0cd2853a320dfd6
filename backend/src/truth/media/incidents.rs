//! Incidents against the faults that were injected: found, found soon, the right cell named, nothing else found.

use std::collections::BTreeMap;

use weir_model::Check;

use super::Seen;
use crate::{
    pipelines::media::{
        input::minute_of,
        records::{Cause, Causes, Incident},
        settings::{CAUSES, INCIDENTS, TRUTH},
    },
    sim::media::{Shown, TruthRecord},
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
/// Causes that are told where no labels are.
const TOLD_MAX: usize = 5;

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
    incidents: BTreeMap<String, Incident>,
    span_ms: Option<(i64, i64)>,
    labels: BTreeMap<String, Vec<Shown>>,
    /// Explanations by case, and by minute of a case; each is a set of causes.
    causes: BTreeMap<String, Vec<Vec<Shown>>>,
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
        self.causes.insert(minute, sets.clone());
        self.causes.insert(case.to_owned(), sets);
    }

    /// The verdicts.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        if !self.labels.is_empty() {
            return vec![self.causes_named()];
        }
        if !self.causes.is_empty() && self.faults.is_empty() {
            let told: Vec<_> = self.told.iter().map(|(_, told)| told.as_str()).collect();
            return vec![check("root_causes_told", true, format!("no labels; the clearest causes: {}", told.join(", ")))];
        }
        vec![self.found_in_time(is_over), self.cells_exact(is_over), self.nothing_else()]
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
        if self.labels.is_empty() && !self.causes.is_empty() {
            score("root_causes_asked", self.causes.keys().filter(|key| key.contains('@')).count() as f64);
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

    fn nothing_else(&self) -> Check {
        let hours = self.span_ms.map_or(0.0, |(first, last)| (last - first) as f64 / 3.6e6);
        let (count, first) = (self.false_incidents().count(), self.false_incidents().next());
        let mut evidence = format!("{count} incidents without a fault in {:.2} h", hours);
        if let Some(incident) = first {
            evidence += &format!("; first: {} {:?}", incident.incident_id, incident.cause.attributes);
        }
        check("incidents_not_false", count as f64 <= (hours * FALSE_PER_HOUR).max(1.0), evidence)
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
