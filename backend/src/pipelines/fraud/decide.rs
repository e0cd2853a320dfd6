//! The decision: rules and score, whichever is stricter.

use super::{
    features::Features,
    ids::TransactionId,
    model::Model,
    reasons::reason,
    records::{Action, Alert, Case, Cause, Decision, Enriched, Score},
    rules::Rule,
    settings::ID,
};

/// Where the score becomes an action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// From this likelihood on a payment is held.
    pub hold_from: f64,
    /// From this one on it is blocked.
    pub block_from: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { hold_from: 0.4, block_from: 0.85 }
    }
}

impl Policy {
    /// What the model alone would do.
    pub fn action(&self, score: Option<f64>) -> Action {
        match score {
            Some(score) if score >= self.block_from => Action::Block,
            Some(score) if score >= self.hold_from => Action::Hold,
            _ => Action::Allow,
        }
    }
}

/// Judges by the model.
pub(super) fn score(enriched: &Enriched, model: Option<&Model>) -> Score {
    let (payment, features) = (&enriched.transaction, enriched.features);
    let contributions = model.map(|model| model.contributions(&features)).unwrap_or_default();
    Score {
        transaction_id: payment.transaction_id.clone(),
        account_id: payment.account_id.clone(),
        ts: payment.ts,
        score: model.map(|model| model.score(&features)),
        model_version: model.map_or(0, Model::version),
        online_score: None,
        features,
        contributions: contributions.into_iter().map(|(feature, by)| (feature.name().to_owned(), by)).collect(),
    }
}

/// Judges by model and rules together; the model that learns online advises.
pub(super) fn decide<'a>(enriched: &Enriched, score: &Score, rules: impl Iterator<Item = &'a Rule>, policy: &Policy) -> Decision {
    let payment = &enriched.transaction;
    let by_model = policy.action(score.score);
    let fired: Vec<_> = rules.filter(|rule| rule.holds(&enriched.features)).collect();
    let by_rules = fired.iter().map(|rule| rule.text().action).fold(Action::Allow, Action::max);
    let action = by_rules.max(by_model);
    let asked = [("rules", by_rules), ("model", by_model), ("online", policy.action(score.online_score))];
    let contributed = asked.into_iter().filter(|(_, by)| *by >= action && action > Action::Allow);
    let because_of_rules = fired.iter().filter(|rule| rule.text().action > Action::Allow);
    let mut reasons: Vec<_> = because_of_rules.map(|rule| (rule.reason().to_owned(), rule.text().rule_id.clone())).collect();
    if by_model > Action::Allow {
        let raising = score.contributions.iter().filter(|(_, by)| *by > 0.0);
        reasons.extend(raising.map(|(name, _)| (reason(name, &enriched.features), name.clone())));
    }
    let (why, why_of) = reasons.into_iter().unzip();
    Decision {
        transaction_id: payment.transaction_id.clone(),
        account_id: payment.account_id.clone(),
        terminal_id: payment.terminal_id.clone(),
        ts: payment.ts,
        amount_minor: payment.amount_minor,
        card_id: payment.card_id.clone(),
        action,
        rules_fired: fired.iter().map(|rule| rule.text().rule_id.clone()).collect(),
        score: score.score,
        model_version: score.model_version,
        online_score: score.online_score,
        contributed: contributed.map(|(name, _)| name.to_owned()).collect(),
        why,
        why_of,
        cause: cause(action, &fired, score, (&enriched.features, policy)),
        place: payment.lat.zip(payment.lon),
        is_late: enriched.is_late,
        latency_us: 0,
    }
}

/// The first of the rules that did what was done, or else the model.
fn cause(action: Action, fired: &[&Rule], score: &Score, (features, policy): (&Features, &Policy)) -> Option<Cause> {
    let limit = match action {
        Action::Allow => return None,
        Action::Hold => policy.hold_from,
        Action::Block => policy.block_from,
    };
    let rule = fired.iter().find(|rule| rule.text().action == action);
    let by_rule = rule.and_then(|rule| Some((rule.text().rule_id.as_str(), rule.met(features)?)));
    let (by, (value, threshold)) = by_rule.or_else(|| Some(("model", (score.score?, limit))))?;
    Some(Cause { by: by.to_owned(), value, threshold })
}

/// The case of a held payment.
pub(super) fn case(decision: &Decision) -> Case {
    Case {
        transaction_id: decision.transaction_id.clone(),
        account_id: decision.account_id.clone(),
        terminal_id: decision.terminal_id.clone(),
        ts: decision.ts,
        amount_minor: decision.amount_minor,
        card_id: decision.card_id.clone(),
        score: decision.score,
        why: decision.why.clone(),
        why_of: decision.why_of.clone(),
    }
}

/// The alert of a payment that was stopped.
pub(super) fn alert(decision: &Decision) -> Option<Alert> {
    let (TransactionId(transaction), cause) = (&decision.transaction_id, decision.cause.as_ref()?);
    Some(Alert {
        alert_id: format!("{ID}-{transaction}"),
        pipeline: ID.to_owned(),
        rule: cause.by.clone(),
        severity: if decision.action == Action::Block { "critical" } else { "warning" }.to_owned(),
        subject_key: decision.account_id.to_string(),
        window_start: decision.ts,
        window_end: decision.ts,
        value: cause.value,
        threshold: cause.threshold,
        evidence: decision.why.clone(),
        ts: decision.ts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipelines::fraud::{features::Feature, records::Transaction, rules::RuleText};

    fn payment(amount_minor: i64) -> Enriched {
        let text = r#"{"transaction_id":"1","account_id":"a","terminal_id":"t","ts":5,"amount_minor":0}"#;
        let transaction = Transaction { amount_minor, ..serde_json::from_str(text).unwrap() };
        let mut features = Features::default();
        features.set(Feature::Amount, amount_minor as f64 / 100.0);
        Enriched { transaction, features, is_late: false }
    }

    #[test]
    fn an_alert_names_what_stopped_the_payment_and_by_how_much() {
        let rule = |rule_id: &str, when: &str, action| {
            let text = RuleText { rule_id: rule_id.into(), when: when.into(), action, note: String::new(), is_paused: false };
            Rule::new(text).unwrap()
        };
        // By name the rule that holds comes first.
        let rules =
            [rule("a", "amount > 10", Action::Hold), rule("b", "amount > 50", Action::Block), rule("c", "amount > 0", Action::Allow)];
        let check = |amount_minor: i64, (by_model, by_online): (f64, f64), contributed: &str, expect: Option<(&str, &str, f64, f64)>| {
            let enriched = payment(amount_minor);
            let score = Score { score: Some(by_model), online_score: Some(by_online), ..score(&enriched, None) };
            let decision = decide(&enriched, &score, rules.iter(), &Policy::default());
            let alert = alert(&decision);
            let told = alert.as_ref().map(|it| (it.rule.as_str(), it.severity.as_str(), it.value, it.threshold));
            assert_eq!((told, decision.contributed.join(" ").as_str()), (expect, contributed), "{amount_minor} {by_model} {by_online}");
        };
        check(500, (0.1, 0.1), "", None);
        check(2_000, (0.1, 0.1), "rules", Some(("a", "warning", 20.0, 10.0)));
        check(6_000, (0.1, 0.5), "rules", Some(("b", "critical", 60.0, 50.0)));
        check(6_000, (0.9, 0.1), "rules model", Some(("b", "critical", 60.0, 50.0)));
        check(2_000, (0.9, 0.1), "model", Some(("model", "critical", 0.9, 0.85)));
        check(500, (0.5, 0.1), "model", Some(("model", "warning", 0.5, 0.4)));
        // It has a say in nothing that neither rules nor the model asked for.
        check(500, (0.1, 0.9), "", None);
        check(500, (0.5, 0.9), "model online", Some(("model", "warning", 0.5, 0.4)));
        check(2_000, (0.1, 0.9), "rules online", Some(("a", "warning", 20.0, 10.0)));
    }
}
