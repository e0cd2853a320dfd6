//! Rules as people write them: `count_10m >= 6 and amount < 5 or travel_kmh > 900`, over the names of the features.
//!
//! A rule is parsed when it is read from its topic. One that can't be parsed goes to the dead letters with the reason, and the rule it
//! was to replace stays in force. There are no parentheses: `and` binds stronger than `or`.

use serde::{Deserialize, Serialize};

use super::{
    features::{Feature, Features},
    records::{Action, Score},
};

/// Conditions in a rule at most.
const CONDITIONS_MAX: usize = 32;

/// A record of `rules`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RuleText", into = "RuleText")]
pub struct Rule {
    text: RuleText,
    /// Any of these, each all of its conditions.
    any: Vec<Vec<Condition>>,
}

/// A rule as it stands in the topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleText {
    /// Its name.
    pub rule_id: String,
    /// The condition.
    pub when: String,
    /// What to do with a payment for which it holds; `allow` only notes that it held.
    pub action: Action,
    /// What it is for.
    #[serde(default)]
    pub note: String,
    /// Whether it is not asked for now.
    #[serde(default)]
    pub is_paused: bool,
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rule {rule_id} can't be used: {why}")]
pub struct RuleError {
    rule_id: String,
    why: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Condition {
    feature: Feature,
    compare: Compare,
    limit: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// Longer signs first, so that `<=` is not read as `<`.
const COMPARES: [(&str, Compare); 6] = [
    ("<=", Compare::LessOrEqual),
    (">=", Compare::GreaterOrEqual),
    ("==", Compare::Equal),
    ("!=", Compare::NotEqual),
    ("<", Compare::Less),
    (">", Compare::Greater),
];

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// When it is not one; the error says what is wrong and what there is.
    pub fn new(text: RuleText) -> Result<Self, RuleError> {
        let wrong = |why: String| RuleError { rule_id: text.rule_id.clone(), why };
        let all = |part: &str| words(part, "and").iter().map(|it| condition(it)).collect::<Result<Vec<_>, _>>();
        let any = words(&text.when, "or").iter().map(|part| all(part)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        if any.iter().map(Vec::len).sum::<usize>() > CONDITIONS_MAX {
            return Err(wrong(format!("it has more than {CONDITIONS_MAX} conditions")));
        }
        Ok(Self { text, any })
    }

    /// As it stands in the topic.
    pub fn text(&self) -> &RuleText {
        &self.text
    }

    /// Whether it holds.
    pub fn holds(&self, features: &Features) -> bool {
        self.met(features).is_some()
    }

    /// Where it holds: what was measured and against what, by the first condition of those that hold together.
    pub fn met(&self, features: &Features) -> Option<(f64, f64)> {
        let is_met = |all: &&Vec<Condition>| all.iter().all(|condition| condition.holds(features));
        let first = self.any.iter().filter(|_| !self.text.is_paused).find(is_met)?.first()?;
        Some((f64::from(features.get(first.feature)), f64::from(first.limit)))
    }

    /// What it is for; its condition where nobody wrote that down.
    pub fn reason(&self) -> &str {
        if self.text.note.is_empty() { &self.text.when } else { &self.text.note }
    }
}

impl TryFrom<RuleText> for Rule {
    type Error = RuleError;

    fn try_from(text: RuleText) -> Result<Self, RuleError> {
        Self::new(text)
    }
}

impl From<Rule> for RuleText {
    fn from(rule: Rule) -> Self {
        rule.text
    }
}

impl Condition {
    fn holds(&self, features: &Features) -> bool {
        let value = features.get(self.feature);
        match self.compare {
            Compare::Less => value < self.limit,
            Compare::LessOrEqual => value <= self.limit,
            Compare::Greater => value > self.limit,
            Compare::GreaterOrEqual => value >= self.limit,
            Compare::Equal => value == self.limit,
            Compare::NotEqual => value != self.limit,
        }
    }
}

/// The parts between a word, which stands alone.
fn words(text: &str, between: &str) -> Vec<String> {
    let mut parts = vec![Vec::new()];
    for word in text.split_whitespace() {
        if word.eq_ignore_ascii_case(between) {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(word);
        }
    }
    parts.into_iter().map(|part| part.join(" ")).collect()
}

fn condition(text: &str) -> Result<Condition, String> {
    let found = COMPARES.into_iter().find_map(|(sign, compare)| Some((text.split_once(sign)?, compare)));
    let Some(((name, limit), compare)) = found else {
        return Err(format!("`{text}` compares nothing: write a feature, one of <= >= == != < >, and a number"));
    };
    let (name, limit) = (name.trim(), limit.trim());
    let feature = Feature::named(name).ok_or_else(|| {
        let names: Vec<_> = Feature::ALL.iter().map(|feature| feature.name()).collect();
        format!("`{name}` is no feature; there are {}", names.join(", "))
    })?;
    let limit = limit.parse().ok().filter(|limit: &f32| limit.is_finite()).ok_or_else(|| format!("`{limit}` is no number"))?;
    Ok(Condition { feature, compare, limit })
}

/// The rule about terminals that fell to thieves.
pub(super) const RISKY_TERMINAL: &str = "risky-terminal";

/// The rules a run starts with: what is known before anything is learnt.
pub fn defaults() -> Vec<RuleText> {
    let rule = |rule_id: &str, when: &str, action, note: &str| RuleText {
        rule_id: rule_id.into(),
        when: when.into(),
        action,
        note: note.into(),
        is_paused: false,
    };
    vec![
        rule("card-testing", "count_1m >= 4 and amount < 5", Action::Hold, "Many small payments within a minute: a stolen card is tried"),
        rule("small-then-large", "small_then_large == 1", Action::Block, "A large payment within a minute of a very small one"),
        rule("impossible-travel", "travel_kmh > 900", Action::Block, "Farther from the last payment than a plane could have flown"),
        rule(
            RISKY_TERMINAL,
            "terminal_frauds >= 2 and terminal_last_fraud_d < 4",
            Action::Hold,
            "Several known frauds at this terminal, and lately",
        ),
        rule("ring", "ring_size >= 4", Action::Block, "The account shares devices or an address with a ring of others"),
        rule("daily-limit", "sum_24h > 2500", Action::Hold, "More in a day than the card's limit"),
    ]
}

/// What a rule would have done.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct BackTest {
    /// Payments looked at.
    pub payments: u64,
    /// Those for which it holds.
    pub hits: u64,
    /// Hits known to be frauds.
    pub frauds: u64,
    /// Frauds known among all.
    pub frauds_known: u64,
    /// Some of the hits.
    pub examples: Vec<String>,
}

/// Tries a rule on past payments, whose features stand in `fraud_scores`; `is_fraud` tells what is known of each.
pub fn back_test<'a>(rule: &Rule, past: impl Iterator<Item = &'a Score>, is_fraud: impl Fn(&Score) -> bool) -> BackTest {
    const EXAMPLES: usize = 5;
    let mut result = BackTest::default();
    for score in past {
        let (hit, fraud) = (rule.holds(&score.features), is_fraud(score));
        result.payments += 1;
        result.hits += u64::from(hit);
        result.frauds += u64::from(hit && fraud);
        result.frauds_known += u64::from(fraud);
        if hit && result.examples.len() < EXAMPLES {
            result.examples.push(score.transaction_id.to_string());
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(when: &str) -> Result<Rule, RuleError> {
        Rule::new(RuleText { rule_id: "r".into(), when: when.into(), action: Action::Hold, note: String::new(), is_paused: false })
    }

    fn holds(when: &str, values: &[(Feature, f64)]) -> bool {
        let mut features = Features::default();
        values.iter().for_each(|(feature, value)| features.set(*feature, *value));
        rule(when).unwrap().holds(&features)
    }

    #[test]
    fn and_binds_stronger_than_or() {
        let when = "count_10m >= 6 and amount<5 or travel_kmh > 900";
        for (values, expected) in [
            (&[(Feature::Count10m, 6.0), (Feature::Amount, 4.99)][..], true),
            (&[(Feature::Count10m, 6.0), (Feature::Amount, 5.0)], false),
            (&[(Feature::TravelKmh, 901.0), (Feature::Amount, 5.0)], true),
            (&[(Feature::Amount, 5.0)], false),
        ] {
            assert_eq!(holds(when, values), expected, "{values:?}");
        }
        for (when, expected) in [("amount <= 0", true), ("amount == 0", true), ("amount != 0", false), ("amount < 0", false)] {
            assert_eq!(holds(when, &[]), expected, "{when}");
        }
    }

    #[test]
    fn what_was_met_is_told_and_a_paused_rule_meets_nothing() {
        let mut features = Features::default();
        features.set(Feature::Count10m, 7.0);
        features.set(Feature::Amount, 4.5);
        let met = |rule: &Rule| rule.met(&features);
        let found = rule("travel_kmh > 900 or count_10m >= 6 and amount < 5").unwrap();
        assert_eq!((met(&found), found.reason()), (Some((7.0, 6.0)), found.text().when.as_str()));
        assert_eq!(met(&rule("count_10m >= 8").unwrap()), None);
        assert_eq!(met(&Rule::new(RuleText { is_paused: true, ..found.text().clone() }).unwrap()), None);
    }

    #[test]
    fn what_is_no_rule_says_why() {
        for (when, why) in [
            ("", "compares nothing"),
            ("amount", "compares nothing"),
            ("amount > many", "`many` is no number"),
            ("amount > inf", "is no number"),
            ("price > 5", "`price` is no feature; there are amount, weekend"),
            ("amount > 5 and", "compares nothing"),
            (&vec!["amount > 1"; 33].join(" or "), "more than 32"),
        ] {
            let error = rule(when).unwrap_err().to_string();
            assert!(error.contains(why), "{when}: {error}");
        }
    }

    #[test]
    fn rules_return_from_their_topic_and_the_defaults_are_rules() {
        for text in defaults() {
            let rule = Rule::new(text).unwrap();
            assert_eq!(serde_json::from_str::<Rule>(&serde_json::to_string(&rule).unwrap()).unwrap(), rule);
        }
        assert!(serde_json::from_str::<Rule>(r#"{"rule_id":"x","when":"nonsense","action":"block"}"#).is_err());
    }

    #[test]
    fn a_back_test_counts_what_would_have_been() {
        let score = |id: u32, amount: f64| {
            let mut features = Features::default();
            features.set(Feature::Amount, amount);
            let transaction_id = super::super::TransactionId(id.to_string());
            Score {
                transaction_id,
                account_id: "a".into(),
                ts: 0,
                score: None,
                model_version: 0,
                online_score: None,
                features,
                contributions: vec![],
            }
        };
        let past: Vec<_> = (0..10).map(|id| score(id, f64::from(id))).collect();
        let result = back_test(&rule("amount >= 6").unwrap(), past.iter(), |score| score.features.get(Feature::Amount) > 7.0);
        assert_eq!((result.payments, result.hits, result.frauds, result.frauds_known), (10, 4, 2, 2));
        assert_eq!(result.examples, ["6", "7", "8", "9"]);
    }
}
