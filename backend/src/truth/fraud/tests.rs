//! Each check with what makes it fail.

use weir_model::CheckVerdict;

use super::*;
use crate::{
    pipelines::fraud::{
        AccountId, CardId, TransactionId,
        features::{Feature, Features},
        records::{Action, Decision, Ring, Score, Transaction},
    },
    sim::fraud::{Scenario, Truth},
};

fn payment(number: i64) -> Transaction {
    let text = format!(r#"{{"transaction_id":"{number}","account_id":"a","terminal_id":"t","ts":{},"amount_minor":100}}"#, number * 1_000);
    serde_json::from_str(&text).unwrap()
}

fn decision(payment: &Transaction, action: Action) -> Decision {
    Decision {
        transaction_id: payment.transaction_id.clone(),
        account_id: payment.account_id.clone(),
        terminal_id: payment.terminal_id.clone(),
        ts: payment.ts,
        amount_minor: payment.amount_minor,
        card_id: CardId::default(),
        action,
        rules_fired: vec![],
        score: Some(if action == Action::Block { 0.9 } else { 0.1 }),
        model_version: 1,
        online_score: None,
        contributed: vec![],
        why: vec![],
        why_of: vec![],
        cause: None,
        place: None,
        is_late: false,
        latency_us: 0,
    }
}

/// The features of a payment that follows others second by second, so many with it.
fn score(payment: &Transaction, count: u32) -> Score {
    let mut features = Features::default();
    let of = f64::from(count);
    for feature in [
        Feature::AccountCount1d,
        Feature::AccountCount7d,
        Feature::AccountCount30d,
        Feature::Count1m,
        Feature::Count10m,
        Feature::Count1h,
        Feature::Count24h,
        Feature::Sum24h,
    ] {
        features.set(feature, of);
    }
    for feature in [Feature::Amount, Feature::AmountRatio, Feature::AccountMean1d, Feature::AccountMean7d, Feature::AccountMean30d] {
        features.set(feature, 1.0);
    }
    features.set(Feature::Night, 1.0);
    features.set(Feature::Known, of - 1.0);
    let (transaction_id, account_id) = (payment.transaction_id.clone(), payment.account_id.clone());
    Score { transaction_id, account_id, ts: payment.ts, score: None, model_version: 0, online_score: None, features, contributions: vec![] }
}

fn truth(payment: &Transaction, scenario: Option<Scenario>, ring: Option<u32>, account: &str) -> Truth {
    let transaction_id = payment.transaction_id.0.clone();
    Truth { transaction_id, account_id: account.to_owned(), ts: payment.ts, amount_minor: payment.amount_minor, scenario, ring }
}

/// Ten payments, all as they should be, each third a fraud that is blocked; 8 accounts in a ring that was found.
fn good() -> Judge {
    let mut judge = Judge::default();
    for number in 0..10 {
        let payment = payment(number);
        judge.payment(&payment);
        judge.decision(&decision(&payment, if number % 3 == 0 { Action::Block } else { Action::Allow }));
        judge.score(&score(&payment, number as u32 + 1));
        judge.truth(&truth(&payment, (number % 3 == 0).then_some(Scenario::Leak), None, "a"));
    }
    for member in 0..8 {
        judge.truth(&truth(&payment(100 + member), Some(Scenario::Ring), Some(1), &format!("m{member}")));
    }
    judge.ring("r".into(), Some(ring(0..8, 0)));
    judge
}

fn ring(members: std::ops::Range<u32>, innocent: u32) -> Ring {
    let accounts = members.map(|member| format!("m{member}")).chain((0..innocent).map(|number| format!("c{number}")));
    Ring { ring_id: "r".into(), accounts: accounts.map(AccountId).collect(), devices: vec![], addresses: vec![], links: vec![], since: 0 }
}

/// The check that fails after something went wrong, with its evidence.
fn fails(wrong: impl Fn(&mut Judge)) -> Vec<String> {
    let mut judge = good();
    wrong(&mut judge);
    let failed = judge.verdicts(true).into_iter().filter(|check| check.verdict == CheckVerdict::Fail);
    failed.map(|check| format!("{}: {}", check.id, check.evidence)).collect()
}

fn check_fails(expected: &str, wrong: impl Fn(&mut Judge)) {
    let failed = fails(wrong);
    assert!(failed.len() == 1 && failed[0].starts_with(expected), "{expected}: {failed:?}");
}

#[test]
fn a_good_run_is_green_and_scored() {
    let judge = good();
    assert!(judge.verdicts(true).iter().all(|check| check.verdict == CheckVerdict::Pass), "{:?}", judge.verdicts(true));
    let running: Vec<_> = judge.verdicts(false).iter().map(|check| check.verdict).collect();
    assert_eq!(running, [CheckVerdict::Pass, CheckVerdict::Pass, CheckVerdict::Pass, CheckVerdict::Pending]);
    let scores = judge.scores();
    for (name, expected) in
        [("precision", 1.0), ("recall", 1.0), ("value_saved", 4.0), ("ring_recall", 1.0), ("leak_cards_robbed", 1.0), ("cards_missed", 0.0)]
    {
        assert!((scores[name] - expected).abs() < 1e-9, "{name}: {scores:?}");
    }
    assert_eq!(scores["payments_to_first_stop_median"], 1.0);
    assert!(!scores.contains_key("average_precision"), "no week was tested");
}

#[test]
fn only_what_came_after_the_models_first_day_is_ranked() {
    let mut judge = Judge::default();
    for number in 0..600 {
        // A payment each hour; from the tenth day on there is a model that is never wrong.
        let payment = Transaction { ts: number * 3_600_000, ..payment(number) };
        let (is_fraud, has_model) = (number % 50 == 0, number >= 240);
        judge.payment(&payment);
        let score_of = Some(if is_fraud && has_model { 0.9 } else { 0.1 });
        // The online one says of every payment the same.
        let online_score = has_model.then_some(0.5);
        judge.decision(&Decision {
            score: score_of,
            model_version: u64::from(has_model),
            online_score,
            ..decision(&payment, Action::Allow)
        });
        judge.score(&score(&payment, 1));
        judge.truth(&truth(&payment, is_fraud.then_some(Scenario::Leak), None, "a"));
    }
    let scores = judge.scores();
    // Days 11 to 24 have 14 times 24 payments.
    for (name, expected) in [
        ("payments_since_model", 336.0),
        ("frauds_since_model", 6.0),
        ("average_precision_since_model", 1.0),
        ("average_precision_since_model_low", 1.0),
        ("roc_auc_since_model", 1.0),
        ("online_roc_auc_since_model", 0.5),
        ("online_average_precision_since_model", 6.0 / 336.0),
        ("leak_cards_missed", 1.0),
    ] {
        assert!((scores[name] - expected).abs() < 1e-9, "{name}: {scores:?}");
    }
    assert!(!scores.contains_key("leak_payments_to_first_stop_median"), "it was never stopped");
}

#[test]
fn what_is_wrong_shows_while_the_run_goes_on() {
    let check = |expected: &str, wrong: &dyn Fn(&mut Judge)| {
        let mut judge = good();
        wrong(&mut judge);
        let failed: Vec<_> = judge.verdicts(false).into_iter().filter(|check| check.verdict == CheckVerdict::Fail).collect();
        assert!(failed.iter().any(|check| &*check.id == expected), "{expected}: {failed:?}");
    };
    let later = |judge: &mut Judge, action: Action| {
        for number in 1_000..22_000 {
            let payment = Transaction { account_id: AccountId(number.to_string()), ..payment(number) };
            judge.payment(&payment);
            judge.decision(&decision(&payment, action));
        }
    };
    check("decisions_equal_payments", &|judge| judge.decision(&decision(&payment(3), Action::Allow)));
    check("decisions_equal_payments", &|judge| {
        judge.payment(&payment(50));
        later(judge, Action::Allow);
    });
    check("features_equal_batch", &|judge| {
        judge.payment(&payment(50));
        judge.score(&score(&payment(50), 3));
    });
    check("holds_have_cases", &|judge| later(judge, Action::Hold));
    let mut judge = good();
    judge.payment(&payment(50));
    assert!(judge.verdicts(false).iter().all(|check| check.verdict != CheckVerdict::Fail), "a payment may wait");
}

#[test]
fn each_check_can_fail() {
    check_fails("decisions_equal_payments: 11 payments: 1 without", |judge| judge.payment(&payment(50)));
    check_fails("decisions_equal_payments: 10 payments: 0 without a decision, 1 decided twice", |judge| {
        judge.decision(&decision(&payment(3), Action::Allow));
    });
    check_fails("decisions_equal_payments: 10 payments: 0 without a decision, 0 decided twice, 1 ", |judge| {
        judge.decision(&decision(&payment(60), Action::Allow));
    });
    check_fails("features_equal_batch: 20 features of 11 payments recomputed, 1 payments differ", |judge| {
        judge.payment(&payment(11));
        judge.score(&score(&payment(11), 3));
        judge.decision(&decision(&payment(11), Action::Allow));
    });
    check_fails(
        "features_equal_batch: 20 features of 11 payments recomputed, 0 payments differ; 6 of their terminals of 11, 1 differ",
        |judge| {
            let mut score = score(&payment(10), 11);
            score.features.set(Feature::TerminalRisk30d, 0.5);
            judge.payment(&payment(10));
            judge.score(&score);
            judge.decision(&decision(&payment(10), Action::Allow));
        },
    );
    check_fails(
        "features_equal_batch: 20 features of 10 payments recomputed, 0 payments differ; 6 of their terminals of 11, 0 differ; \
         1 came late, 1 told wrongly",
        |judge| {
            let late = Transaction { ts: -60_001 + 9_000, ..payment(20) };
            judge.payment(&late);
            judge.score(&score(&late, 1));
            judge.decision(&decision(&late, Action::Allow));
        },
    );
    check_fails("holds_have_cases: 0 payments held, 1 ", Judge::case);
    check_fails("rings_found: 88 % of 8 accounts", |judge| judge.ring("r".into(), Some(ring(0..7, 0))));
    check_fails("rings_found: 100 % of 8 accounts in rings found, with 3 ", |judge| judge.ring("r".into(), Some(ring(0..8, 3))));
    check_fails("rings_found: 0 %", |judge| judge.ring("r".into(), None));
}

#[test]
fn a_payment_that_comes_again_is_no_second_one() {
    let mut judge = good();
    judge.payment(&payment(3));
    assert!(judge.verdicts(true).iter().all(|check| check.verdict == CheckVerdict::Pass));
    assert_eq!(judge.counts()["payments"], 10);
    assert_ne!(TransactionId::from("3"), TransactionId::from("4"));
}
