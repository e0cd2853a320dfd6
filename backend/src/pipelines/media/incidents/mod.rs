//! Incidents: when more views fail than usual, which combination of attributes explains it, what is done about it, when it is over.

mod measured;
mod remedy;
mod state;

use std::collections::BTreeMap;

use super::{
    Options, Sabotage,
    alerts::{self, Alert},
    rca::{self, History, Leaf, Suspect},
    records::{Cause, Causes, Incident, IncidentState, Slice},
    sabotage::Detection,
    settings::{ALERTS, CAUSES, COMMANDS, INCIDENTS, INCIDENTS_APP, SLICES},
};
use crate::{
    sim::media::{ISPS, IncidentId, PlayerCommand},
    stream::{Forward, Processor, Record, Store, StoreHandle, Topology, TopologyError},
};
pub use state::Scope;
use state::{Merged, Open};

/// What explains less than this, in nats, is chance: some 2,000 combinations are looked at every four seconds, so one false alarm
/// an hour is a probability of 1e-6 each, 14 nats; the rest is for rates that wander.
const OPEN_GAIN: f64 = 30.0;
/// A cause must still show in the newest slice.
const CONFIRM_GAIN: f64 = 8.0;
/// Of what the strongest cause explains, a further one must explain this.
const FURTHER_SHARE: f64 = 0.15;
/// A rise by less than this share of the views is no incident.
const EXTRA_MIN: f64 = 0.03;
/// Views fail this many times as often as usual at least.
const RATIO_MIN: f64 = 1.8;
/// Incidents open at a time.
const OPEN_MAX: usize = 8;
/// Slices over which the cause of a new incident may still change; then it is confirmed, and acted upon.
const SETTLE_SLICES: u32 = 2;
/// Slices without it that close an incident.
const QUIET_SLICES: u32 = 3;
/// Below this share of its worst it is quiet.
const QUIET_SHARE: f64 = 0.2;
/// From this share of its worst on, what recovers has not recovered.
const RELAPSE_SHARE: f64 = 0.3;
/// Alternatives that are told.
const ALTERNATIVES: usize = 5;

/// Slices to incidents and commands.
///
/// # Errors
/// Never, as long as no topic is read twice.
pub fn topology(options: &Options) -> Result<Topology, TopologyError> {
    let options = options.clone();
    Topology::new(INCIDENTS_APP, move |builder| {
        let options = options.clone();
        let slices = builder.stream::<String, Slice>(SLICES);
        let found = slices.process("scopes", Store::<String, Scope>::new(), None, |scopes| Detect { scopes, options });
        found.flat_map_values(|record| record.value.as_incident()).to(INCIDENTS);
        found.flat_map_values(|record| record.value.as_command()).to(COMMANDS);
        found.flat_map_values(|record| record.value.as_causes()).to(CAUSES);
        found.flat_map_values(|record| record.value.as_alert()).to(ALERTS);
    })
}

/// What comes out.
#[derive(Clone, Debug)]
enum Found {
    Incident(Incident),
    Command(PlayerCommand),
    Causes(Causes),
    Alert(Alert),
}

impl Found {
    fn as_incident(&self) -> Option<Incident> {
        if let Self::Incident(incident) = self { Some(incident.clone()) } else { None }
    }

    fn as_command(&self) -> Option<PlayerCommand> {
        if let Self::Command(command) = self { Some(command.clone()) } else { None }
    }

    fn as_alert(&self) -> Option<Alert> {
        if let Self::Alert(alert) = self { Some(alert.clone()) } else { None }
    }

    fn as_causes(&self) -> Option<Causes> {
        if let Self::Causes(causes) = self { Some(causes.clone()) } else { None }
    }
}

struct Detect {
    scopes: StoreHandle<String, Scope>,
    options: Options,
}

impl Processor<String, Slice, String, Found> for Detect {
    fn process(&mut self, record: &Record<String, Slice>, out: &mut Forward<'_, String, Found>) {
        if !record.value.forecasts.is_empty() {
            if !record.value.is_asked {
                return;
            }
            let answer = self.sabotaged(Found::Causes(measured::causes(&record.value)));
            answer.into_iter().for_each(|value| out.send(&Record { key: record.key.clone(), value, timestamp_ms: record.timestamp_ms }));
            return;
        }
        let mut scopes = self.scopes.borrow_mut();
        let mut found = Vec::new();
        let mut is_late = false;
        scopes.update(&record.key, Scope::default, |scope| {
            is_late = !scope.take(&record.value);
            while let Some(slice) = scope.next_complete() {
                let now_ms = record.timestamp_ms.max(out.stream_time_ms());
                evaluate(scope, &record.key, slice, (now_ms, self.options.detection), &mut found);
            }
        });
        drop(scopes);
        if is_late {
            out.count_late();
        }
        for (key, value, timestamp_ms) in found {
            let Some(value) = self.sabotaged(value) else { continue };
            if let (Found::Incident(incident), true) = (&value, self.options.is(Sabotage::Scatter)) {
                for scattered in scatter(incident) {
                    let key = scattered.incident_id.to_string();
                    out.send(&Record { key, value: Found::Incident(scattered), timestamp_ms });
                }
            }
            out.send(&Record { key, value, timestamp_ms });
        }
    }
}

impl Detect {
    /// What is found as it is, but where it is to be told wrongly or not at all.
    fn sabotaged(&self, mut found: Found) -> Option<Found> {
        match &mut found {
            _ if self.options.is(Sabotage::SleepThrough) => return None,
            Found::Incident(incident) if self.options.is(Sabotage::BlameWidest) => incident.cause.attributes.truncate(1),
            Found::Causes(_) if self.options.is(Sabotage::LeaveUnanswered) => return None,
            Found::Causes(causes) if self.options.is(Sabotage::BlameParts) => {
                causes.sets.iter_mut().flatten().chain(&mut causes.ranked).for_each(|cause| cause.attributes.truncate(1));
            }
            _ => {}
        }
        Some(found)
    }
}

/// Sabotage: one incident as many.
fn scatter(incident: &Incident) -> impl Iterator<Item = Incident> + '_ {
    ISPS.iter().map(|(isp, ..)| {
        let mut scattered = incident.clone();
        scattered.incident_id = IncidentId(format!("{}-{isp}", incident.incident_id));
        scattered.cause.attributes.push(("isp".to_owned(), (*isp).to_owned()));
        scattered.cause.attributes.sort_unstable();
        scattered
    })
}

/// Incidents and what follows from them by incident, causes by scope.
type Out = Vec<(String, Found, i64)>;

/// A slice is complete: what is new, what goes on, what is over.
fn evaluate(scope: &mut Scope, name: &str, slice: Merged, (now_ms, detection): (i64, Detection), out: &mut Out) {
    let history = scope.history();
    if slice.is_asked {
        let leaves = leaves_of(&scope.history_before(&slice), &slice.cells);
        let named = |suspects: Vec<Suspect>| suspects.iter().map(|suspect| scope.cause(suspect)).collect::<Vec<_>>();
        let sets = rca::sets(&leaves, ALTERNATIVES).into_iter().map(named).collect();
        let ranked = named(rca::rank(&leaves, ALTERNATIVES));
        out.push((name.to_owned(), Found::Causes(Causes { start_ms: slice.start_ms, ranked, sets }), now_ms));
    }
    if scope.is_learned() {
        let newest = leaves_of(&history, &slice.cells);
        let both = leaves_of(&history, &scope.with_previous(&slice));
        follow(scope, &newest, &slice, now_ms, out);
        settle(scope, (&both, &newest), (&slice, now_ms), detection, out);
        discover(scope, name, (&both, &newest), (&slice, now_ms), detection, out);
    }
    scope.learn(slice);
}

fn leaves_of(history: &History, cells: &BTreeMap<Vec<u32>, (u64, u64)>) -> Vec<Leaf> {
    cells.iter().map(|(values, (total, failures))| history.leaf(values, *total as f64, *failures as f64)).collect()
}

/// How open incidents go on, and which are over.
fn follow(scope: &mut Scope, newest: &[Leaf], slice: &Merged, now_ms: i64, out: &mut Out) {
    for open in &mut scope.open {
        let (suspect, audience) = (open.suspect(), open.audience().sums(newest));
        let sums = suspect.sums(newest);
        let incident = &mut open.incident;
        incident.viewers = slice.viewers(&suspect);
        incident.bad_now = audience.failures / audience.total.max(1.0);
        incident.extra_share = sums.extra_share();
        incident.views = sums.total as u64;
        incident.peak_share = incident.peak_share.max(incident.extra_share);
        open.peak_views = open.peak_views.max(incident.views);
        open.age_slices += 1;
        // Players that were moved away have left next to nothing behind.
        let is_quiet =
            incident.extra_share < (incident.peak_share * QUIET_SHARE).max(EXTRA_MIN / 2.0) || incident.views * 20 < open.peak_views;
        // What lies between quiet and a relapse says neither.
        let is_relapse = incident.extra_share >= (incident.peak_share * RELAPSE_SHARE).max(EXTRA_MIN / 2.0);
        open.quiet_slices = match (is_quiet, is_relapse) {
            (true, _) => open.quiet_slices + 1,
            (_, true) => 0,
            _ => open.quiet_slices,
        };
        incident.state = match open.quiet_slices {
            QUIET_SLICES.. => IncidentState::Closed,
            1.. => IncidentState::Recovering,
            0 if open.age_slices >= SETTLE_SLICES => IncidentState::Ongoing,
            0 => IncidentState::Open,
        };
        let is_closed = incident.state == IncidentState::Closed;
        incident.closed_ms = is_closed.then_some(slice.end_ms);
        out.push((incident.incident_id.to_string(), Found::Incident(incident.clone()), now_ms));
        if is_closed {
            let alert = alerts::of_incident(incident, incident.peak_share * QUIET_SHARE, slice.end_ms);
            out.push((incident.incident_id.to_string(), Found::Alert(alert), now_ms));
        }
    }
    scope.open.retain(|open| open.incident.state != IncidentState::Closed);
}

/// A new incident's cause is looked at again while data comes in; then players are told what to do.
fn settle(scope: &mut Scope, (both, newest): (&[Leaf], &[Leaf]), (slice, now_ms): (&Merged, i64), detection: Detection, out: &mut Out) {
    for at in 0..scope.open.len() {
        if scope.open[at].age_slices > SETTLE_SLICES {
            continue;
        }
        let others = scope.open.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, open)| open.suspect());
        let rest = rca::without(both, others);
        let ranked = rca::rank(&rest, ALTERNATIVES);
        let is_better = ranked.first().is_some_and(|best| best.score >= OPEN_GAIN && best.gain(newest) >= CONFIRM_GAIN);
        if is_better {
            let causes: Vec<_> = ranked.iter().map(|suspect| scope.cause(suspect)).collect();
            let open = &mut scope.open[at];
            open.tell(&ranked[0], causes);
        }
        if scope.open[at].age_slices == SETTLE_SLICES && detection.is_remedied {
            let command = remedy::choose(&scope.open[at].incident, &scope.dimensions, &scope.names, both, slice.end_ms);
            if let Some(command) = command {
                let moved = remedy::moves(&command);
                let open = &mut scope.open[at];
                open.moved = moved.and_then(|name| scope.dimensions.iter().position(|known| known == name));
                let audience = open.audience().sums(newest);
                let incident = &mut open.incident;
                incident.remedy = Some(remedy::describe(&command));
                incident.bad_before = Some(audience.failures / audience.total.max(1.0));
                out.push((incident.incident_id.to_string(), Found::Command(command), now_ms));
            }
        }
        let incident = scope.open[at].incident.clone();
        out.push((incident.incident_id.to_string(), Found::Incident(incident), now_ms));
    }
}

/// What no open incident explains.
fn discover(
    scope: &mut Scope,
    name: &str,
    (both, newest): (&[Leaf], &[Leaf]),
    (slice, now_ms): (&Merged, i64),
    detection: Detection,
    out: &mut Out,
) {
    let rest = rca::without(both, scope.open.iter().map(Open::suspect));
    let causes = rca::explain(&rest, OPEN_MAX, OPEN_GAIN, FURTHER_SHARE);
    for suspect in causes {
        let is_many = suspect.total >= detection.views_min;
        let is_much = is_many && suspect.extra_share() >= EXTRA_MIN && suspect.failures >= RATIO_MIN * suspect.expected;
        if !is_much || suspect.gain(newest) < CONFIRM_GAIN || scope.open.len() >= OPEN_MAX || scope.is_known(&suspect) {
            continue;
        }
        scope.opened += 1;
        let cause = scope.cause(&suspect);
        let incident = Incident {
            incident_id: IncidentId(format!("{name}-{}", scope.opened)),
            scope: name.to_owned(),
            state: IncidentState::Open,
            alternatives: Vec::new(),
            since_ms: slice.start_ms,
            opened_ms: slice.end_ms + super::settings::QOE_GRACE_MS,
            closed_ms: None,
            extra_share: suspect.extra_share(),
            peak_share: suspect.extra_share(),
            views: suspect.total as u64,
            viewers: slice.viewers(&suspect),
            bad_before: None,
            bad_now: suspect.failures / suspect.total.max(1.0),
            remedy: None,
            cause,
        };
        let alert = alerts::of_incident(&incident, EXTRA_MIN, slice.end_ms);
        out.push((incident.incident_id.to_string(), Found::Incident(incident.clone()), now_ms));
        out.push((incident.incident_id.to_string(), Found::Alert(alert), now_ms));
        scope.open.push(Open::new(incident, &suspect));
    }
}

impl Scope {
    /// A suspect by names.
    fn cause(&self, suspect: &Suspect) -> Cause {
        let name = |attribute: &rca::Attribute| {
            let dimension = self.dimensions.get(attribute.dimension).cloned().unwrap_or_default();
            let value = self.names.get(attribute.dimension).and_then(|names| names.get(attribute.value as usize));
            (dimension, value.cloned().unwrap_or_default())
        };
        let mut attributes: Vec<_> = suspect.attributes.iter().map(name).collect();
        attributes.sort_unstable();
        let Suspect { score, total, failures, expected, .. } = *suspect;
        Cause { attributes, score, total, failures, expected }
    }
}
