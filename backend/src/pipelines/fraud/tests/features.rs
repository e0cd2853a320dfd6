//! What states say of a payment, recomputed from all payments before it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::pipelines::fraud::{
    account::{Account, haversine_km},
    features::{Feature, Features},
    records::Transaction,
    settings::{DAY_MS, HOUR_MS, LABEL_DELAY_MS, LATE_MS},
    terminal::Terminal,
};

fn payment(ts: i64, amount_minor: i64) -> Transaction {
    Transaction { transaction_id: "x".into(), account_id: "a".into(), terminal_id: "t".into(), ts, amount_minor, ..Transaction::default() }
}

/// What the features of the last payment must be, from all of them.
fn naive(all: &[(i64, i64)]) -> Vec<(Feature, f64)> {
    let (now, _) = all[all.len() - 1];
    let within = |ms: i64| all.iter().filter(move |(ts, _)| *ts > now - ms && *ts <= now).copied();
    let hours = |days: i64| {
        let hour = now.div_euclid(HOUR_MS);
        let before = all.iter().filter(move |(ts, _)| *ts <= now);
        before.filter(move |(ts, _)| (hour - days * 24 + 1..=hour).contains(&ts.div_euclid(HOUR_MS))).copied()
    };
    let mean = |days: i64| hours(days).map(|it| it.1 as f64 / 100.0).sum::<f64>() / hours(days).count() as f64;
    vec![
        (Feature::Count1m, within(60_000).count() as f64),
        (Feature::Count10m, within(600_000).count() as f64),
        (Feature::Count1h, within(HOUR_MS).count() as f64),
        (Feature::Count24h, within(DAY_MS).count() as f64),
        (Feature::Sum24h, within(DAY_MS).map(|it| it.1 as f64 / 100.0).sum()),
        (Feature::AccountCount1d, hours(1).count() as f64),
        (Feature::AccountMean1d, mean(1)),
        (Feature::AccountCount7d, hours(7).count() as f64),
        (Feature::AccountMean7d, mean(7)),
        (Feature::AccountCount30d, hours(30).count() as f64),
        (Feature::AccountMean30d, mean(30)),
    ]
}

proptest! {
    #[test]
    fn windows_of_an_account_hold_what_a_plain_count_holds(
        gaps in prop::collection::vec((0_i64..7, -LATE_MS * 3 / 2..30_000), 1..60)
    ) {
        const GAPS: [i64; 7] = [0, 20_000, 300_000, 1_800_000, HOUR_MS * 7, DAY_MS * 2, DAY_MS * 9];
        let (mut account, mut all, mut newest) = (Account::default(), Vec::new(), 1_600_000_000_000);
        for (gap, of) in gaps {
            // Some come late, and some of those too late for what was known then.
            let ts = newest + if of < 0 && !all.is_empty() { of } else { GAPS[gap as usize] };
            newest = newest.max(ts);
            all.push((ts, of.abs() + 1));
            let (is_late, features) = (account.is_late(&payment(ts, of.abs() + 1)), account.observe(&payment(ts, of.abs() + 1)));
            prop_assert_eq!(is_late, all.len() > 1 && ts < newest - LATE_MS);
            for (feature, expected) in naive(&all).into_iter().filter(|_| !is_late) {
                let got = f64::from(features.get(feature));
                prop_assert!((got - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{:?}: {} is not {}", feature, got, expected);
            }
        }
    }

    #[test]
    fn terminal_risk_is_the_share_of_frauds_as_of_a_week_ago(steps in prop::collection::vec((1_i64..40, any::<bool>(), any::<bool>()), 1..80)) {
        let (mut terminal, mut all, mut now) = (Terminal::default(), Vec::<(i64, bool)>::new(), 450_000 * HOUR_MS);
        let (mut told, mut called) = (0, BTreeSet::new());
        for (at, (hours, is_fraud, is_called)) in steps.into_iter().enumerate() {
            now += hours * HOUR_MS;
            while let Some((ts, is_fraud)) = all.get(told).copied().filter(|(ts, _)| ts + LABEL_DELAY_MS <= now) {
                let payment = told.to_string().as_str().into();
                // That the holder says so after a reviewer changes nothing.
                prop_assert!(terminal.learn(&payment, ts, is_fraud) && terminal.learn(&payment, ts, is_fraud));
                told += 1;
            }
            let (mut features, payment) = (Features::default(), at.to_string().as_str().into());
            // Who calls at once may be heard before the payment: it counts for those after it.
            if is_called {
                prop_assert!(terminal.learn(&payment, now, is_fraud));
            }
            terminal.observe(&payment, now, &mut features);
            for (days, count, risk) in [
                (1, Feature::TerminalCount1d, Feature::TerminalRisk1d),
                (7, Feature::TerminalCount7d, Feature::TerminalRisk7d),
                (30, Feature::TerminalCount30d, Feature::TerminalRisk30d),
            ] {
                let end = now - LABEL_DELAY_MS;
                let within: Vec<_> = all.iter().filter(|(ts, _)| *ts < end && *ts >= end - days * DAY_MS).collect();
                let frauds = within.iter().filter(|(_, is_fraud)| *is_fraud).count();
                prop_assert_eq!(features.get(count) as usize, within.len());
                prop_assert!((f64::from(features.get(risk)) - frauds as f64 / within.len().max(1) as f64).abs() < 1e-6);
            }
            let known = all.iter().enumerate().filter(|(of, _)| *of < told || called.contains(of)).map(|(_, payment)| payment);
            let known = known.filter(|(ts, is_fraud)| *is_fraud && now - ts <= 37 * DAY_MS).count();
            prop_assert_eq!(features.get(Feature::TerminalFrauds) as usize, known);
            all.push((now, is_fraud));
            called.extend(is_called.then_some(at));
        }
    }
}

#[test]
fn travel_is_told_in_kilometres_per_hour() {
    // Brussels to New York: 5,890 km by great circle.
    let (brussels, new_york) = ((50.85, 4.35), (40.71, -74.01));
    assert!((haversine_km(brussels, new_york) - 5_890.0).abs() < 20.0);
    let at = |ts, (lat, lon): (f64, f64)| Transaction { lat: Some(lat), lon: Some(lon), ..payment(ts, 100) };
    let mut account = Account::default();
    let speed = |account: &mut Account, payment: &Transaction| account.observe(payment).get(Feature::TravelKmh);
    assert_eq!(speed(&mut account, &at(0, brussels)), 0.0);
    assert_eq!(speed(&mut account, &at(1_000, (51.2, 4.4))), 0.0, "less than 100 km");
    let by_plane = speed(&mut account, &at(8 * HOUR_MS, new_york));
    assert!((700.0..780.0).contains(&by_plane), "{by_plane}");
    assert!(speed(&mut account, &at(9 * HOUR_MS, brussels)) > 5_000.0);
    assert_eq!(speed(&mut account, &at(9 * HOUR_MS - 60_000, new_york)), 0.0, "it was there before, though it is told late");
    let online = Transaction { channel: "online".into(), ..at(9 * HOUR_MS, new_york) };
    assert_eq!(speed(&mut account, &online), 0.0, "nobody travels to pay online");
}

#[test]
fn small_then_large_and_new_devices_are_seen() {
    let mut account = Account::default();
    let mut see =
        |ts, amount, device: &str, feature| account.observe(&Transaction { device_id: device.into(), ..payment(ts, amount) }).get(feature);
    assert_eq!(see(0, 100, "d1", Feature::NewDevice), 0.0, "the first device is no new one");
    assert_eq!(see(60_000, 30_000, "d1", Feature::SmallThenLarge), 1.0);
    assert_eq!(see(60_001, 30_000, "d1", Feature::SmallThenLarge), 0.0, "more than a minute later");
    assert_eq!(see(60_002, 29_999, "d2", Feature::NewDevice), 1.0);
    assert_eq!(see(60_003, 29_999, "d2", Feature::NewDevice), 0.0);
    assert_eq!(see(200_000, 50, "d1", Feature::SmallThenLarge), 0.0);
    assert_eq!(see(199_999, 30_000, "d1", Feature::SmallThenLarge), 0.0, "it comes late, and was made before the small one");
    assert_eq!(see(200_001, 30_000, "d1", Feature::SmallThenLarge), 1.0);
}
