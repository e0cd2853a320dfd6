//! The topologies: one decision for each payment whatever comes, rules at once, labels joined, rings found, state restored.

use std::collections::BTreeSet;

use crate::{
    pipelines::fraud::{
        AccountId, DetectorParams, TransactionId, detector,
        model::{BoostParams, Model, TrainerParams},
        records::{Action, Alert, Case, Decision, Example, Ring, Transaction},
        replay::{chargeback, transaction},
        rings::Member,
        rules::{RuleText, defaults},
        settings::*,
        trainer,
    },
    sim::fraud::{Command, Emitted, Generator, WorldParams},
    stream::TopologyTestDriver,
};

fn driver() -> TopologyTestDriver {
    TopologyTestDriver::new(&detector(DetectorParams::default()).unwrap())
}

fn small_world(seed: u64) -> Generator {
    Generator::new(WorldParams { customers: 60, terminals: 100, ..WorldParams::demo(seed) })
}

/// So many steps of a world.
fn feed(driver: &mut TopologyTestDriver, world: &mut Generator, steps: usize) -> Vec<Transaction> {
    let mut payments = Vec::new();
    for _ in 0..steps {
        match world.generate() {
            Emitted::Payment(event, _) => {
                let payment = transaction(&event);
                driver.pipe(TRANSACTIONS, payment.account_id.clone(), payment.clone(), payment.ts).unwrap();
                payments.push(payment);
            }
            Emitted::Chargeback(event, at_ms) => {
                let label = chargeback(&event);
                driver.pipe(CHARGEBACKS, label.transaction_id.clone(), label, at_ms).unwrap();
            }
        }
    }
    payments
}

fn decisions(driver: &mut TopologyTestDriver) -> Vec<Decision> {
    driver.read_all::<AccountId, Decision>(DECISIONS).unwrap().into_iter().filter_map(|record| record.value).collect()
}

fn publish(driver: &mut TopologyTestDriver, rule_id: &str, when: &str, action: Action) {
    let rule = RuleText { rule_id: rule_id.into(), when: when.into(), action, note: "a note".into(), is_paused: false };
    driver.pipe(RULES, rule_id.to_owned(), rule, 0).unwrap();
}

#[test]
fn every_payment_gets_one_decision_whatever_else_comes() {
    let mut driver = driver();
    let mut world = small_world(1);
    let mut payments = feed(&mut driver, &mut world, 200);
    // Again, nonsense, no key, and one that is hours late.
    for payment in &payments[190..200] {
        driver.pipe(TRANSACTIONS, payment.account_id.clone(), payment.clone(), payment.ts).unwrap();
    }
    driver.pipe_bytes(TRANSACTIONS, Some(b"c1".to_vec()), Some(b"{\"ts\":1".to_vec()), 5).unwrap();
    driver.pipe_bytes(TRANSACTIONS, None, Some(b"{}".to_vec()), 5).unwrap();
    let late = Transaction { transaction_id: "late".into(), ts: payments[0].ts - 3 * HOUR_MS, ..payments[0].clone() };
    driver.pipe(TRANSACTIONS, late.account_id.clone(), late.clone(), late.ts).unwrap();
    payments.push(late);
    payments.extend(feed(&mut driver, &mut world, 100));
    let decided = decisions(&mut driver);
    let late: Vec<_> = decided.iter().filter(|it| it.is_late).map(|it| it.transaction_id.clone()).collect();
    let decided: Vec<_> = decided.into_iter().map(|decision| decision.transaction_id).collect();
    assert_eq!(decided, payments.iter().map(|payment| payment.transaction_id.clone()).collect::<Vec<_>>());
    assert_eq!((driver.dropped().duplicate, driver.dropped().malformed, driver.dropped().null_key), (10, 1, 1));
    assert_eq!((late, driver.dropped().late), (vec!["late".into()], 1));
}

#[test]
fn a_rule_counts_from_the_next_payment_on_until_it_is_taken_back() {
    let mut driver = driver();
    let mut world = small_world(2);
    let mut actions = |driver: &mut TopologyTestDriver| -> BTreeSet<_> {
        feed(driver, &mut world, 20);
        decisions(driver).into_iter().map(|decision| (decision.action, decision.rules_fired)).collect()
    };
    let nothing = BTreeSet::from([(Action::Allow, vec![])]);
    assert_eq!(actions(&mut driver), nothing);
    publish(&mut driver, "all", "amount >= 0", Action::Hold);
    assert_eq!(actions(&mut driver), BTreeSet::from([(Action::Hold, vec!["all".to_owned()])]));
    let cases = driver.read_all::<TransactionId, Case>(CASES).unwrap();
    assert_eq!(cases.len(), 20);
    assert_eq!(cases[0].value.as_ref().unwrap().why, ["a note"]);
    // A bad version goes to the dead letters, and the good one stays.
    publish(&mut driver, "all", "amount >=", Action::Block);
    assert_eq!(actions(&mut driver), BTreeSet::from([(Action::Hold, vec!["all".to_owned()])]));
    assert_eq!(driver.read_all::<String, serde_json::Value>(&format!("{GROUP}.dlq")).unwrap().len(), 1);
    publish(&mut driver, "all", "amount >= 0", Action::Block);
    assert_eq!(actions(&mut driver), BTreeSet::from([(Action::Block, vec!["all".to_owned()])]));
    let alerts = driver.read_all::<AccountId, Alert>(ALERTS).unwrap().into_iter().filter_map(|alert| alert.value);
    let severities: Vec<_> = alerts.map(|alert| alert.severity).collect();
    // Twice 20 were held, 20 blocked.
    assert_eq!(severities, [vec!["warning"; 40], vec!["critical"; 20]].concat());
    driver.pipe_bytes(RULES, Some(b"all".to_vec()), None, 0).unwrap();
    assert_eq!(actions(&mut driver), nothing);
}

#[test]
fn features_meet_their_labels() {
    let mut driver = driver();
    let mut world = Generator::new(WorldParams { customers: 30, terminals: 40, ..WorldParams::demo(3) });
    let payments = feed(&mut driver, &mut world, 1_200);
    let examples = driver.read_all::<TransactionId, Example>(EXAMPLES).unwrap();
    let span_d = (payments[payments.len() - 1].ts - payments[0].ts) / DAY_MS;
    assert!(span_d >= 12, "{span_d} days");
    let (mut frauds, mut honest) = (0, 0);
    for example in examples.into_iter().filter_map(|record| record.value) {
        let payment = payments.iter().find(|payment| payment.transaction_id == example.transaction_id).unwrap();
        assert_eq!(example.features.0[0], payment.amount_minor as f32 / 100.0);
        *(if example.is_fraud { &mut frauds } else { &mut honest }) += 1;
    }
    assert!(frauds > 10 && honest > 20, "{frauds} frauds, {honest} honest");
}

#[test]
fn a_ring_is_found_and_its_accounts_are_blocked() {
    let mut driver = driver();
    for rule in defaults() {
        driver.pipe(RULES, rule.rule_id.clone(), rule, 0).unwrap();
    }
    let mut world = small_world(4);
    feed(&mut driver, &mut world, 50);
    world.command(Command::LaunchRing);
    let mut mules = BTreeSet::new();
    for _ in 0..200 {
        let members = driver.read_all::<AccountId, Member>(RING_MEMBERS).unwrap();
        for member in members {
            // A broker would bring them back.
            driver.pipe(RING_MEMBERS, member.key, member.value.unwrap(), member.timestamp_ms).unwrap();
        }
        mules.extend(feed(&mut driver, &mut world, 1).into_iter().map(|it| it.account_id).filter(|account| account.0.starts_with('m')));
    }
    let rings = driver.read_all::<String, Ring>(RINGS).unwrap();
    let ring = rings.last().unwrap().value.clone().unwrap();
    let found: BTreeSet<_> = ring.accounts.iter().cloned().collect();
    assert!(mules.len() >= 6 && found == mules, "{found:?} of {mules:?}");
    // One in four has a phone of its own, and is found by the ring's address alone.
    let is_device = |with: &str| ring.devices.iter().any(|device| device.as_str() == with);
    let shares = |account: &AccountId| ring.links.iter().any(|(of, with)| of == account && is_device(with));
    assert!(ring.addresses.len() == 1 && !found.iter().all(shares), "{ring:?}");
    let blocked = decisions(&mut driver).into_iter().filter(|it| it.rules_fired.contains(&"ring".to_owned())).count();
    assert!(blocked > 5, "{blocked}");
}

#[test]
fn a_crash_changes_no_decision() {
    let run = |crash_at: usize| {
        let (mut driver, mut world) = (driver(), small_world(5));
        for rule in defaults() {
            driver.pipe(RULES, rule.rule_id.clone(), rule, 0).unwrap();
        }
        feed(&mut driver, &mut world, crash_at);
        if crash_at > 0 {
            driver.crash_and_restore().unwrap();
            // Global tables are read anew from their topics.
            for rule in defaults() {
                driver.pipe(RULES, rule.rule_id.clone(), rule, 0).unwrap();
            }
        }
        feed(&mut driver, &mut world, 300 - crash_at);
        decisions(&mut driver)
    };
    let undisturbed = run(0);
    assert_eq!(undisturbed.len(), 300);
    for crash_at in [100, 250] {
        assert_eq!(run(crash_at), undisturbed, "crash after {crash_at}");
    }
}

#[test]
fn a_model_is_learnt_and_tells_frauds_from_honest_payments() {
    let boost = BoostParams { trees: 60, depth: 3, learning_rate: 0.3, lambda: 1.0, leaf_hessian_min: 0.1, ..BoostParams::default() };
    let params = TrainerParams { boost, examples_min: 700, frauds_min: 10, ..TrainerParams::default() };
    let mut driver = TopologyTestDriver::new(&trainer(params).unwrap());
    let example = |number: u32| {
        let mut features = crate::pipelines::fraud::features::Features::default();
        features.0[0] = (number % 100) as f32;
        features.0[9] = (number % 7) as f32;
        let is_fraud = number % 100 >= 80 && number % 7 >= 3;
        Example { transaction_id: number.to_string().as_str().into(), ts: i64::from(number), features, is_fraud, ..Example::default() }
    };
    for number in 0..700 {
        let example = example(number);
        // Nobody knows that one was honest before labels have had their time.
        let known_ms = i64::from(number) + LABEL_DELAY_MS + LABEL_SLACK_MS;
        driver.pipe(EXAMPLES, example.transaction_id.clone(), example, known_ms).unwrap();
    }
    let models = driver.read_all::<String, Model>(MODELS).unwrap();
    let model = models.last().unwrap().value.clone().unwrap();
    assert_eq!(models.len(), 1, "a day has not passed");
    let [mut worst_fraud, mut best_honest] = [1.0_f64, 0.0_f64];
    for number in 700..1_400 {
        let example = example(number);
        let score = model.score(&example.features);
        if example.is_fraud { worst_fraud = worst_fraud.min(score) } else { best_honest = best_honest.max(score) }
    }
    assert!(worst_fraud > best_honest, "{worst_fraud} {best_honest}");
    let why = model.contributions(&example(780).features);
    assert!(why.len() == 2 && why.iter().all(|(_, by)| *by > 1.0), "{why:?}");
    let foreign = serde_json::to_string(&model).unwrap().replace("\"amount\"", "\"price\"");
    assert!(serde_json::from_str::<Model>(&foreign).unwrap_err().to_string().contains("other features"));
}
