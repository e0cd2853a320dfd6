//! Scenarios: a timed script of faults, what it says to the audience, and what must be seen for it to hold. The same script is a guided
//! demo in the window, a recorded report on the command line and an integration test.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use weir_model::{Check, CheckVerdict, FaultId, PipelineParams, ScenarioMeta, ScenarioStep, ScenarioView};

use super::{Checker, Facts, Observed, Shape};

/// When a sabotage's faults come: what is usual is known by then, and a minute's run still sees what follows.
const PROVOKED_AT_NS: u128 = 20_000_000_000;

/// A script. Its times are the generator's: seconds since the first event was due, whatever the event time in the records is.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its short name, unique within its pipeline.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// One line: what will be seen.
    pub story: &'static str,
    /// When the run ends.
    pub length_s: u32,
    /// What happens, by time.
    pub steps: &'static [Step],
}

/// A moment of a script.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// When it comes.
    pub at_s: u32,
    /// What the audience is told.
    pub says: &'static str,
    /// What is done.
    pub acts: &'static [Act],
    /// What must be seen from then on.
    pub expects: Option<Expectation>,
}

/// Something a script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Breaks something, written as on the command line: `cdn_down:cdn=B,region=eu`.
    Fault(&'static str),
    /// Another rate, in events per second.
    Rate(u32),
}

/// A record that must come.
#[derive(Clone, Copy, Debug)]
pub struct Expectation {
    /// The name of its check.
    pub id: &'static str,
    /// What it means, such as `an incident names CDN B in Europe`.
    pub what: &'static str,
    /// How long after the step it may come.
    pub within_s: u32,
    /// The topic it comes on.
    pub topic: &'static str,
    /// Whether this is it.
    pub is_met_by: fn(&Observed<'_>) -> bool,
}

impl Scenario {
    /// What a list offers.
    pub fn meta(&self) -> ScenarioMeta {
        let length_ms = u64::from(self.length_s) * 1_000;
        ScenarioMeta { id: self.id.into(), title: self.title.into(), story: self.story.into(), length_ms }
    }

    /// How far it is.
    pub(super) fn view(&self, at_ms: u64, checks: &[Check]) -> ScenarioView {
        let outcome = |expected: Expectation| checks.iter().find(|check| &*check.id == expected.id).cloned();
        let step = |step: &Step| ScenarioStep {
            at_ms: u64::from(step.at_s) * 1_000,
            says: step.says.into(),
            expects: step.expects.and_then(outcome),
        };
        let meta = self.meta();
        ScenarioView { id: meta.id, title: meta.title, at_ms, length_ms: meta.length_ms, steps: self.steps.iter().map(step).collect() }
    }
}

/// How far a generator is, shared between it and those who judge by it.
#[derive(Clone, Debug, Default)]
pub(super) struct Position(Arc<AtomicU64>);

impl Position {
    /// Milliseconds since the first event was due.
    pub(super) fn at_ms(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn set_ns(&self, at_ns: u128) {
        self.0.store(u64::try_from(at_ns / 1_000_000).unwrap_or(u64::MAX), Ordering::Release);
    }
}

/// What is still to be done of a script.
#[derive(Debug, Default)]
pub(super) struct Script {
    acts: std::collections::VecDeque<(u128, Due)>,
    end_ns: Option<u128>,
}

/// An act whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Another rate.
    Rate(u32),
    /// A fault, with its knobs.
    Fault(FaultId),
}

impl From<Act> for Due {
    fn from(act: Act) -> Self {
        match act {
            Act::Rate(rate_per_s) => Self::Rate(rate_per_s),
            Act::Fault(fault) => Self::Fault(fault.into()),
        }
    }
}

impl Script {
    /// All of a scenario; nothing, without an end, where there is none.
    pub(super) fn of(scenario: Option<&Scenario>) -> Self {
        let Some(scenario) = scenario else { return Self::default() };
        let ns = |at_s: u32| u128::from(at_s) * 1_000_000_000;
        let acts = scenario.steps.iter().flat_map(|step| step.acts.iter().map(move |act| (ns(step.at_s), Due::from(*act))));
        let mut acts: Vec<_> = acts.collect();
        acts.sort_by_key(|(at_ns, _)| *at_ns);
        Self { acts: acts.into(), end_ns: Some(ns(scenario.length_s)) }
    }

    /// All of a run: of its scenario, the faults it was told, and those that come with a sabotage. Real data is what it is.
    pub(super) fn of_run(shape: &dyn Shape, params: &PipelineParams) -> Self {
        let wanted = params.scenario.as_ref();
        let mut script = Self::of(wanted.and_then(|wanted| shape.scenarios().iter().find(|scenario| scenario.id == wanted.as_str())));
        script.acts.extend(params.faults.iter().map(|(at_ms, fault)| (u128::from(*at_ms) * 1_000_000, Due::Fault(fault.clone()))));
        if let Some(sabotage) = params.sabotage.as_ref().filter(|_| params.input.is_none()) {
            let faults = shape.provocations(sabotage).iter().map(|fault| (PROVOKED_AT_NS, Due::Fault((*fault).into())));
            script.acts.extend(faults);
        }
        script.acts.make_contiguous().sort_by_key(|(at_ns, _)| *at_ns);
        script
    }

    /// The next act, if its time has come.
    pub(super) fn next_due(&mut self, at_ns: u128) -> Option<Due> {
        self.acts.pop_front_if(|(due_ns, _)| *due_ns <= at_ns).map(|(_, act)| act)
    }

    /// Whether the script ends here.
    pub(super) fn is_over(&self, at_ns: u128) -> bool {
        self.end_ns.is_some_and(|end_ns| at_ns >= end_ns)
    }
}

/// Judges whether what a script expects was seen, and in time.
pub(super) struct ScenarioChecker {
    /// Expectations, when their step comes, and when they were met.
    expected: Vec<(Expectation, u64, Option<u64>)>,
    position: Position,
}

impl ScenarioChecker {
    pub(super) fn new(scenario: &Scenario, position: Position) -> Self {
        let expected = scenario.steps.iter().filter_map(|step| Some((step.expects?, u64::from(step.at_s) * 1_000, None))).collect();
        Self { expected, position }
    }
}

impl Checker for ScenarioChecker {
    fn observe(&mut self, record: &Observed<'_>) {
        let now_ms = self.position.at_ms();
        for (expected, from_ms, met_ms) in &mut self.expected {
            if met_ms.is_none() && now_ms >= *from_ms && expected.topic == record.topic && (expected.is_met_by)(record) {
                *met_ms = Some(now_ms - *from_ms);
            }
        }
    }

    fn verdicts(&self, facts: &Facts) -> Vec<Check> {
        let verdict = |(expected, from_ms, met_ms): &(Expectation, u64, Option<u64>)| {
            let within_s = expected.within_s;
            let allowed_ms = u64::from(within_s) * 1_000;
            let has_run_out = facts.is_over || self.position.at_ms() > from_ms + allowed_ms;
            let (verdict, seen) = match met_ms {
                Some(after_ms) if *after_ms <= allowed_ms => (CheckVerdict::Pass, format!("seen after {:.1} s", *after_ms as f64 / 1e3)),
                Some(after_ms) => (CheckVerdict::Fail, format!("seen only after {:.1} s", *after_ms as f64 / 1e3)),
                None if has_run_out => (CheckVerdict::Fail, "not seen".to_owned()),
                None => (CheckVerdict::Pending, "not seen yet".to_owned()),
            };
            let at_s = from_ms / 1_000;
            let evidence = format!("{}: {seen}, allowed are {within_s} s from second {at_s} on", expected.what);
            Check { id: expected.id.into(), verdict, evidence: evidence.into() }
        };
        self.expected.iter().map(verdict).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: Scenario = Scenario {
        id: "outage",
        title: "An outage",
        story: "Something breaks",
        length_s: 30,
        steps: &[
            Step { at_s: 10, says: "It breaks", acts: &[Act::Fault("outage:where=eu"), Act::Rate(5)], expects: Some(SEEN) },
            Step { at_s: 0, says: "All is well", acts: &[Act::Rate(9)], expects: None },
        ],
    };
    const SEEN: Expectation = Expectation {
        id: "outage_seen",
        what: "somebody tells of it",
        within_s: 5,
        topic: "incidents",
        is_met_by: |record| record.value == Some(b"outage"),
    };

    #[test]
    fn acts_come_by_time() {
        let mut script = Script::of(Some(&SCENARIO));
        let second = 1_000_000_000;
        assert_eq!((script.next_due(0), script.next_due(9 * second)), (Some(Due::Rate(9)), None));
        assert_eq!(script.next_due(10 * second), Some(Due::Fault("outage:where=eu".into())));
        assert_eq!((script.next_due(10 * second), script.next_due(u128::MAX)), (Some(Due::Rate(5)), None));
        assert!(!script.is_over(29 * second) && script.is_over(30 * second) && !Script::of(None).is_over(u128::MAX));
    }

    #[test]
    fn what_is_expected_must_come_on_its_topic_after_its_step_and_in_time() {
        let check = |record: (&str, u64, &[u8]), at_s: u64, is_over: bool, expect: CheckVerdict| {
            let position = Position::default();
            let mut checker = ScenarioChecker::new(&SCENARIO, position.clone());
            let (topic, seen_s, value) = record;
            let seconds = |s: u64| u128::from(s) * 1_000_000_000;
            position.set_ns(seconds(seen_s));
            let record = Observed { topic, partition: 0, offset: 0, timestamp_ms: 0, key: None, value: Some(value), headers: Vec::new() };
            checker.observe(&record);
            position.set_ns(seconds(at_s));
            let verdicts = checker.verdicts(&Facts { is_over, ..Facts::default() });
            assert_eq!((&*verdicts[0].id, verdicts[0].verdict), ("outage_seen", expect), "{}", verdicts[0].evidence);
        };
        check(("incidents", 12, b"outage"), 13, false, CheckVerdict::Pass);
        check(("incidents", 16, b"outage"), 16, false, CheckVerdict::Fail);
        check(("incidents", 9, b"outage"), 13, false, CheckVerdict::Pending);
        check(("incidents", 12, b"nothing"), 16, false, CheckVerdict::Fail);
        check(("elsewhere", 12, b"outage"), 12, false, CheckVerdict::Pending);
        check(("elsewhere", 12, b"outage"), 12, true, CheckVerdict::Fail);
    }

    #[test]
    fn a_view_has_each_step_with_its_outcome() {
        let checker = ScenarioChecker::new(&SCENARIO, Position::default());
        let view = SCENARIO.view(4_000, &checker.verdicts(&Facts::default()));
        assert_eq!((view.length_ms, view.steps.len()), (30_000, 2));
        assert_eq!(view.steps[0].expects.as_ref().map(|check| check.verdict), Some(CheckVerdict::Pending));
    }
}
