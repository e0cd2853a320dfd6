//! The world against the handbook's description of it.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const DAY_MS: i64 = 86_400_000;

fn run(params: WorldParams, days: i64, mut look: impl FnMut(Emitted)) -> Generator {
    let mut generator = Generator::new(params);
    loop {
        let emitted = generator.generate();
        let at_ms = match &emitted {
            Emitted::Payment(event, _) => event.ts_ms,
            Emitted::Chargeback(_, at_ms) => *at_ms,
        };
        if at_ms >= params.start_at_ms + days * DAY_MS {
            return generator;
        }
        look(emitted);
    }
}

#[test]
fn a_seed_means_the_same_payments() {
    let all = |seed| {
        let mut all = Vec::new();
        run(WorldParams::demo(seed), 3, |emitted| all.push(emitted));
        all
    };
    assert_eq!(all(7), all(7));
    assert_ne!(all(7), all(8));
}

#[test]
fn the_handbooks_world_has_the_handbooks_figures() {
    // The handbook: 1,754,155 payments in 183 days, 9,585 a day; amounts 53.6 on average; frauds reach 0.8 % within weeks.
    let params = WorldParams::handbook(3);
    let (mut payments, mut sum, mut frauds) = (0_u32, 0_i64, BTreeMap::<_, u32>::new());
    run(params, 12, |emitted| {
        let Emitted::Payment(event, truth) = emitted else { return };
        payments += 1;
        sum += event.amount_minor;
        assert!(event.amount_minor <= 22_000 || truth.scenario.is_some(), "over 220 is a fraud: {event:?}");
        if let Some(scenario) = truth.scenario {
            *frauds.entry(scenario).or_default() += 1;
        }
    });
    let (per_day, mean) = (f64::from(payments) / 12.0, sum as f64 / 100.0 / f64::from(payments));
    assert!((9_300.0..9_900.0).contains(&per_day) && (51.0..56.0).contains(&mean), "{per_day} a day of {mean}");
    assert_eq!(frauds.keys().copied().collect::<Vec<_>>(), [Scenario::Amount, Scenario::Terminal, Scenario::Leak]);
    // Over the first 12 days 2 terminals a day are compromised for 6 days on average, at 0.96 payments a day: 150.
    assert!((90..220).contains(&frauds[&Scenario::Terminal]), "{frauds:?}");
}

#[test]
fn everything_comes_in_the_order_of_time_and_each_fraud_is_charged_back_once() {
    let params = WorldParams::demo(5);
    let (mut newest, mut frauds, mut charged) = (0, BTreeMap::new(), BTreeSet::new());
    let generator = run(params, 12, |emitted| match emitted {
        Emitted::Payment(event, truth) => {
            assert!(event.ts_ms >= newest);
            newest = event.ts_ms;
            if truth.scenario.is_some() {
                assert!(frauds.insert(truth.transaction_id, truth.ts).is_none());
            }
        }
        Emitted::Chargeback(event, at_ms) => {
            assert!(at_ms >= newest);
            newest = at_ms;
            assert_eq!(frauds[&event.transaction_id] + 7 * DAY_MS, at_ms);
            assert!(charged.insert(event.transaction_id));
        }
    });
    let due = frauds.values().filter(|ts| **ts < params.start_at_ms + 5 * DAY_MS).count();
    assert_eq!(charged.len(), due);
    assert!(generator.payments() > 20_000 && due > 50, "{} {due}", generator.payments());
}

#[test]
fn cards_merchants_and_addresses_are_those_of_their_owners() {
    let params = WorldParams { extras: Extras { rings_per_day: 1.0, bursts_per_day: 5.0, travels_per_day: 5.0 }, ..WorldParams::demo(6) };
    let (mut cards, mut merchants, mut homes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
    let (mut stolen, mut hideouts) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::<_, BTreeSet<_>>::new());
    run(params, 5, |emitted| {
        let Emitted::Payment(event, truth) = emitted else { return };
        assert_eq!(cards.entry(event.card_id.clone()).or_insert(event.account_id.clone()), &event.account_id);
        assert_eq!(event.user_id, format!("u{}", event.account_id.trim_start_matches('c')));
        assert_eq!(merchants.entry(event.terminal_id).or_insert((event.merchant_id.clone(), event.mcc)), &(event.merchant_id, event.mcc));
        if event.ip.starts_with("10.") {
            homes.entry(event.ip.clone()).or_default().insert(event.account_id.clone());
        }
        if event.is_online || truth.scenario == Some(Scenario::Travel) {
            stolen.entry(event.device_id).or_default().insert(event.card_id);
        }
        hideouts.entry(truth.ring).or_default().insert(event.ip);
    });
    let largest = homes.values().map(BTreeSet::len).max();
    assert!(largest == Some(5) && homes.len() > 500, "{largest:?} of {} homes", homes.len());
    let accounts: BTreeSet<_> = cards.values().collect();
    assert!(
        (accounts.len() * 11 / 10..accounts.len() * 4 / 3).contains(&cards.len()),
        "{} cards of {} accounts",
        cards.len(),
        accounts.len()
    );
    assert!(stolen.len() > 30 && stolen.values().all(|cards| cards.len() == 1), "{stolen:?}");
    hideouts.remove(&None);
    assert!(hideouts.len() > 1 && hideouts.values().all(|addresses| addresses.len() == 1), "{hideouts:?}");
}

#[test]
fn commands_bring_crimes_and_heal() {
    let count = |command: Option<Command>, of: Option<Scenario>| {
        let extras = Extras::default();
        let mut generator =
            Generator::new(WorldParams { compromised_terminals_per_day: 0, leaked_customers_per_day: 0, extras, ..WorldParams::demo(1) });
        command.into_iter().for_each(|command| generator.command(command));
        let mut payments = 0;
        for _ in 0..3_000 {
            if let Emitted::Payment(_, truth) = generator.generate() {
                payments += usize::from(truth.scenario.is_some() && (of.is_none() || truth.scenario == of));
            }
        }
        payments
    };
    for (command, scenario, least) in [
        (Command::LaunchRing, Scenario::Ring, 24),
        (Command::CardTesting(3), Scenario::Burst, 27),
        (Command::LeakCredentials(50), Scenario::Leak, 20),
        (Command::CompromiseTerminals(50), Scenario::Terminal, 20),
        (Command::CopyCards(10), Scenario::Travel, 10),
    ] {
        assert!(count(Some(command), Some(scenario)) >= least, "{command:?}");
        assert_eq!(count(None, Some(scenario)), 0, "{scenario:?} without a command");
    }
}

#[test]
fn what_a_command_brought_ends() {
    let calm =
        WorldParams { compromised_terminals_per_day: 0, leaked_customers_per_day: 0, extras: Extras::default(), ..WorldParams::demo(1) };
    for (command, trouble, scenario) in [
        (Command::LaunchRing, Trouble::Ring, Scenario::Ring),
        (Command::CardTesting(50), Trouble::CardTesting, Scenario::Burst),
        (Command::LeakCredentials(2_000), Trouble::Leak, Scenario::Leak),
        (Command::CompromiseTerminals(5_000), Trouble::Terminals, Scenario::Terminal),
        (Command::CopyCards(50), Trouble::Copies, Scenario::Travel),
    ] {
        let mut generator = Generator::new(calm);
        generator.command(command);
        let frauds = |generator: &mut Generator, payments: usize| {
            let is_fraud = |emitted| matches!(emitted, Emitted::Payment(_, Truth { scenario: Some(of), .. }) if of == scenario);
            (0..payments).filter(|_| is_fraud(generator.generate())).count()
        };
        assert!(frauds(&mut generator, 70) > 0, "{command:?}");
        generator.command(Command::End(trouble));
        assert_eq!(frauds(&mut generator, 3_000), 0, "{command:?}");
    }
}

#[test]
fn a_holiday_brings_many_more_payments() {
    let per_day = |command: Option<Command>| {
        let mut generator = Generator::new(WorldParams::demo(2));
        generator.generate();
        command.into_iter().for_each(|command| generator.command(command));
        let end_ms = WorldParams::demo(2).start_at_ms + DAY_MS;
        std::iter::from_fn(|| Some(generator.generate()))
            .take_while(|emitted| matches!(emitted, Emitted::Payment(event, _) if event.ts_ms < end_ms))
            .count()
    };
    assert!(per_day(Some(Command::Holiday)) > 8 * per_day(None));
    let mut generator = Generator::new(WorldParams::demo(2));
    generator.generate();
    [Command::Holiday, Command::End(Trouble::Holiday)].into_iter().for_each(|command| generator.command(command));
    let mut usual = Generator::new(WorldParams::demo(2));
    usual.generate();
    let times = |generator: &mut Generator| (0..1_000).map(|_| (generator.generate(), generator.now_ms()).1).collect::<Vec<_>>();
    assert_eq!(times(&mut generator), times(&mut usual), "a holiday that is over leaves nothing behind");
}
