//! The analyst's desk: verdicts on held payments become labels, rules are tried on past payments and put in force.

use std::collections::{BTreeSet, VecDeque};

use weir_model::{PipelineAction, Problem, Verb};

use crate::pipelines::{
    fraud::{
        TransactionId,
        records::{Action, Case, Label, Score},
        rules::{Rule, RuleText, back_test},
        settings::{RULES, VERDICTS},
    },
    shape::Emit,
};

/// Past payments a rule is tried on.
const PAST_MAX: usize = 20_000;
/// Frauds that are known.
const FRAUDS_MAX: usize = 100_000;

/// How a rule is written.
pub(super) const HINT: &str = "block when amount > 2000 and count_1h >= 3 because nobody shops like that";
const FRAUD: &str = "fraud";
const HONEST: &str = "honest";
const TRY: &str = "try";
const PUT: &str = "put";
const PAUSE: &str = "pause";
const RESUME: &str = "resume";
const REMOVE: &str = "remove";
/// Stands between a rule's condition and its reason.
const BECAUSE: &str = " because ";

/// What can be done with a held payment.
pub(super) fn verdict_verbs() -> Vec<Verb> {
    [(HONEST, "Honest"), (FRAUD, "Fraud")].map(|(id, label)| Verb { id: id.into(), label: label.into() }).into()
}

/// What can be done with a rule.
pub(super) fn rule_verbs() -> Vec<Verb> {
    let verbs = [(TRY, "Try on past payments"), (PUT, "Put in force"), (PAUSE, "Pause"), (RESUME, "Resume"), (REMOVE, "Take out of force")];
    verbs.map(|(id, label)| Verb { id: id.into(), label: label.into() }).into()
}

/// What is needed to answer an analyst.
#[derive(Debug, Default)]
pub(super) struct Desk {
    past: VecDeque<Score>,
    frauds: BTreeSet<TransactionId>,
    /// What came of the last action on a rule.
    pub(super) answer: String,
}

impl Desk {
    pub(super) fn score(&mut self, score: Score) {
        if self.past.len() == PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back(score);
    }

    pub(super) fn label(&mut self, label: &Label) {
        if label.is_fraud && self.frauds.len() < FRAUDS_MAX {
            self.frauds.insert(label.transaction_id.clone());
        }
    }

    /// A verdict on a case: a label like any other, which terminals and the model learn from.
    pub(super) fn judge(&self, case: Option<&Case>, action: &PipelineAction, now_ms: i64, out: &mut Emit) -> Result<(), Problem> {
        let case = case.ok_or_else(|| {
            let what = format!("{} was not judged", action.subject);
            Problem::new(what, "it is not in the queue any more: somebody was faster", "Look at the next one")
        })?;
        let label = case.verdict(&*action.verb == FRAUD);
        let value = serde_json::to_vec(&label).map_err(|error| unwritten(&error))?;
        out.send(VERDICTS, label.transaction_id.0.clone(), value, now_ms);
        Ok(())
    }

    /// Something done to a rule, which is `known` where it is in its topic; the answer stands beside the editor, a mistake too.
    pub(super) fn rule(&mut self, known: Option<&RuleText>, action: &PipelineAction, now_ms: i64, out: &mut Emit) -> Result<(), Problem> {
        let rule_id = action.subject.trim();
        if rule_id.is_empty() {
            self.answer = "Give the rule a name.".to_owned();
            return Ok(());
        }
        if &*action.verb == REMOVE {
            out.push(crate::pipelines::shape::EmitRecord {
                topic: RULES,
                partition: None,
                key: Some(rule_id.as_bytes().to_vec()),
                value: None,
                timestamp_ms: now_ms,
            });
            self.answer = format!("{rule_id} is out of force.");
            return Ok(());
        }
        if matches!(&*action.verb, PAUSE | RESUME) {
            return self.pause(rule_id, known, &*action.verb == PAUSE, (now_ms, out));
        }
        let rule = match read(rule_id, &action.text) {
            Ok(rule) => rule,
            Err(why) => {
                self.answer = why;
                return Ok(());
            }
        };
        let tried = self.tried(&rule);
        if &*action.verb != PUT {
            self.answer = tried;
            return Ok(());
        }
        let value = serde_json::to_vec(rule.text()).map_err(|error| unwritten(&error))?;
        out.send(RULES, rule_id, value, now_ms);
        self.answer = format!("{rule_id} is in force. {tried}");
        Ok(())
    }

    /// A paused rule stays as it is written, and is not asked for.
    fn pause(&mut self, rule_id: &str, known: Option<&RuleText>, is_paused: bool, (now_ms, out): (i64, &mut Emit)) -> Result<(), Problem> {
        let Some(rule) = known else {
            self.answer = format!("There is no rule {rule_id}.");
            return Ok(());
        };
        let rule = RuleText { is_paused, ..rule.clone() };
        out.send(RULES, rule_id, serde_json::to_vec(&rule).map_err(|error| unwritten(&error))?, now_ms);
        self.answer = format!("{rule_id} is {}.", if is_paused { "paused" } else { "in force again" });
        Ok(())
    }

    fn tried(&self, rule: &Rule) -> String {
        let result = back_test(rule, self.past.iter(), |score| self.frauds.contains(&score.transaction_id));
        if result.payments == 0 {
            return "There are no past payments yet to try it on.".to_owned();
        }
        let share = result.hits as f64 / result.payments as f64 * 100.0;
        format!(
            "Of the last {} payments it would have met {} ({share:.2} %), {} of the {} known frauds among them.",
            result.payments, result.hits, result.frauds, result.frauds_known
        )
    }
}

/// `ACTION when CONDITION because REASON`; the reason may be left out.
fn read(rule_id: &str, text: &str) -> Result<Rule, String> {
    let how = format!("Write it as: {HINT}");
    let (action, when) = text.trim().split_once(" when ").ok_or_else(|| how.clone())?;
    let action = Action::ALL.into_iter().find(|known| known.name() == action.trim());
    let action = action.ok_or_else(|| format!("It begins with allow, hold or block. {how}"))?;
    let (when, note) = when.split_once(BECAUSE).unwrap_or((when, ""));
    let (when, note) = (when.trim().to_owned(), note.trim().to_owned());
    let text = RuleText { rule_id: rule_id.to_owned(), when, action, note, is_paused: false };
    Rule::new(text).map_err(|error| error.to_string())
}

/// A rule as the editor has it.
pub(super) fn written(rule: &RuleText) -> String {
    let because = if rule.note.is_empty() { "" } else { BECAUSE };
    format!("{} when {}{because}{}", rule.action.name(), rule.when, rule.note)
}

fn unwritten(error: &serde_json::Error) -> Problem {
    Problem::new("What you did could not be written", error.to_string(), "This is a defect of this program; please report it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(verb: &str, subject: &str, text: &str) -> PipelineAction {
        PipelineAction { widget: "rules".into(), verb: verb.into(), subject: subject.into(), text: text.into() }
    }

    #[test]
    fn rules_are_tried_put_in_force_and_taken_out() {
        let check = |verb: &str, subject: &str, text: &str, answer: &str, records: usize| {
            let (mut desk, mut out) = (Desk::default(), Emit::default());
            let known = read("big", HINT).unwrap();
            desk.rule(Some(known.text()).filter(|_| subject == "big"), &action(verb, subject, text), 5, &mut out).unwrap();
            assert!(desk.answer.contains(answer), "{verb} {text}: {}", desk.answer);
            let written = out.take();
            assert_eq!(written.len(), records, "{verb} {text}");
            assert!(written.iter().all(|record| record.topic == RULES && record.key.as_deref() == Some(subject.as_bytes())));
            assert!(written.iter().all(|record| record.value.is_none() == (verb == REMOVE)));
        };
        check(PUT, "big", HINT, "in force", 1);
        check(TRY, "big", HINT, "no past payments", 0);
        check(REMOVE, "big", "", "out of force", 1);
        check(PAUSE, "big", "", "paused", 1);
        check(RESUME, "big", "", "in force again", 1);
        check(PAUSE, "small", "", "no rule small", 0);
        check(PUT, "", HINT, "a name", 0);
        check(PUT, "big", "amount > 5", "Write it as", 0);
        check(PUT, "big", "burn when amount > 5", "allow, hold or block", 0);
        check(PUT, "big", "block when colour > 5", "colour", 0);
    }

    #[test]
    fn a_written_rule_reads_as_itself() {
        let rule = read("big", HINT).unwrap();
        assert_eq!(written(rule.text()), HINT);
        assert_eq!(rule.reason(), "nobody shops like that");
        let bare = "hold when amount > 5";
        assert_eq!(written(read("big", bare).unwrap().text()), bare);
    }

    #[test]
    fn a_paused_rule_keeps_what_it_says() {
        let (mut desk, known) = (Desk::default(), read("big", HINT).unwrap());
        let mut written = |verb: &str| {
            let mut out = Emit::default();
            desk.rule(Some(known.text()), &action(verb, "big", "anything"), 5, &mut out).unwrap();
            serde_json::from_slice::<RuleText>(out.take()[0].value.as_ref().unwrap()).unwrap()
        };
        assert_eq!(written(PAUSE), RuleText { is_paused: true, ..known.text().clone() });
        assert_eq!(written(RESUME), *known.text());
    }
}
