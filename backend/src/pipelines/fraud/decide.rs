//! The decision: rules and score, whichever is stricter.

use super::{
    features::{Feature, Features},
    ids::TransactionId,
    model::Model,
    records::{Action, Alert, Case, Decision, Enriched, Score},
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
        features,
        contributions: contributions.into_iter().map(|(feature, by)| (feature.name().to_owned(), by)).collect(),
    }
}

/// Judges by model and rules together.
pub(super) fn decide<'a>(enriched: &Enriched, score: &Score, rules: impl Iterator<Item = &'a Rule>, policy: &Policy) -> Decision {
    let payment = &enriched.transaction;
    let by_model = policy.action(score.score);
    let fired: Vec<_> = rules.filter(|rule| rule.holds(&enriched.features)).collect();
    let action = fired.iter().map(|rule| rule.text().action).fold(by_model, Action::max);
    let because_of_rules = fired.iter().map(|rule| rule.text()).filter(|rule| rule.action > Action::Allow);
    let mut why: Vec<_> = because_of_rules.map(|rule| rule.note.clone()).collect();
    if by_model > Action::Allow {
        why.extend(score.contributions.iter().filter(|(_, by)| *by > 0.0).map(|(name, _)| reason(name, &enriched.features)));
    }
    Decision {
        transaction_id: payment.transaction_id.clone(),
        account_id: payment.account_id.clone(),
        terminal_id: payment.terminal_id.clone(),
        ts: payment.ts,
        amount_minor: payment.amount_minor,
        action,
        rules_fired: fired.iter().map(|rule| rule.text().rule_id.clone()).collect(),
        score: score.score,
        model_version: score.model_version,
        why,
        place: payment.lat.zip(payment.lon),
        latency_us: 0,
    }
}

/// A feature and its value, in words.
fn reason(name: &str, features: &Features) -> String {
    let Some(feature) = Feature::named(name) else { return name.to_owned() };
    let value = features.get(feature);
    match feature {
        Feature::Amount => format!("the amount is {value:.2}"),
        Feature::AmountRatio => format!("{value:.1} times the account's usual amount"),
        Feature::TerminalRisk1d | Feature::TerminalRisk7d | Feature::TerminalRisk30d => {
            format!("{:.0} % of the terminal's payments were frauds ({name})", value * 100.0)
        }
        Feature::TerminalFrauds => format!("{value:.0} known frauds at this terminal"),
        _ => format!("{name} is {value:.1}"),
    }
}

/// The case of a held payment.
pub(super) fn case(decision: &Decision) -> Case {
    Case {
        transaction_id: decision.transaction_id.clone(),
        account_id: decision.account_id.clone(),
        terminal_id: decision.terminal_id.clone(),
        ts: decision.ts,
        amount_minor: decision.amount_minor,
        score: decision.score,
        why: decision.why.clone(),
    }
}

/// The alert of a blocked payment.
pub(super) fn alert(decision: &Decision, policy: &Policy) -> Alert {
    let TransactionId(transaction) = &decision.transaction_id;
    Alert {
        alert_id: format!("{ID}-{transaction}"),
        pipeline: ID.to_owned(),
        rule: decision.rules_fired.first().cloned().unwrap_or_else(|| "model".to_owned()),
        severity: "warning".to_owned(),
        subject_key: decision.account_id.to_string(),
        window_start: decision.ts,
        window_end: decision.ts,
        value: decision.score.unwrap_or(1.0),
        threshold: policy.block_from,
        evidence: decision.why.clone(),
        ts: decision.ts,
    }
}
