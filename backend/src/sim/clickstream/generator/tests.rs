//! The generator keeps its promises: exact rate, equal bytes, people who behave.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

const PARAMS: GeneratorParams = GeneratorParams { seed: 42, rate_per_s: 1_000, speed: 60, start_at_ms: 1_800_000_000_000 };

fn events(params: GeneratorParams, n: usize) -> Vec<Value> {
    let mut generator = Generator::new(params);
    (0..n).map(|_| serde_json::from_slice(generator.generate().expect("nothing is held back").value).expect("JSON")).collect()
}

#[test]
fn equal_parameters_give_equal_bytes() {
    let bytes = |params| {
        let mut generator = Generator::new(params);
        (0..5_000).flat_map(|_| generator.generate().map(|record| record.value.to_vec()).unwrap_or_default()).collect::<Vec<u8>>()
    };
    assert_eq!(bytes(PARAMS), bytes(PARAMS));
    assert_ne!(bytes(PARAMS), bytes(GeneratorParams { seed: 43, ..PARAMS }));
}

#[test]
fn every_rate_is_honoured_by_the_number_of_visitors() {
    for rate_per_s in [10, 500, 20_000] {
        let mut generator = Generator::new(GeneratorParams { rate_per_s, ..PARAMS });
        let n = u64::from(rate_per_s) * 20;
        (0..n).for_each(|_| assert!(generator.generate().is_some()));
        assert_eq!(generator.due_ns(), 20_000_000_000, "rate {rate_per_s}");
        // Ten to twenty seconds of thought per step: so many people are in the shop at a time.
        let per_event_s = f64::from(rate_per_s) / 60.0;
        let concurrent = generator.active.len() as f64 / per_event_s;
        assert!((4.0..30.0).contains(&concurrent), "rate {rate_per_s}: {} visitors", generator.active.len());
        assert_eq!(generator.truth().visits_cut_short, 0);
    }
}

#[test]
fn disorder_is_bounded_and_the_events_are_whole() {
    let mut newest = i64::MIN;
    for (number, event) in events(PARAMS, 20_000).iter().enumerate() {
        let timestamp = event["timestamp"].as_i64().expect("a timestamp");
        let slot = PARAMS.start_at_ms + number as i64 * 60;
        assert!((slot - DISORDER_MS..=slot).contains(&timestamp));
        newest = newest.max(timestamp);
        for field in ["event_id", "user_id", "session_id", "action_type", "page", "device", "country", "referrer", "variant"] {
            assert!(event[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {event}");
        }
        let action = event["action_type"].as_str().expect("an action");
        assert_eq!(event["query"].is_string(), action == "search", "{event}");
        assert_eq!(event["price_minor"].is_i64(), ["add_to_cart", "purchase"].contains(&action), "{event}");
        let metadata = &event["metadata"];
        assert_eq!(metadata["scroll_pct"].is_u64(), action == "scroll", "{event}");
        assert!(metadata["ip"].as_str().is_some_and(|ip| ip.starts_with("198.1")), "{event}");
        assert!(metadata["user_agent"].as_str().is_some_and(|name| name.starts_with("Mozilla")), "{event}");
        let referrer = event["referrer"].as_str().expect("a referrer");
        assert!(metadata["campaign_id"].as_str().is_none_or(|campaign| campaign.starts_with(referrer)), "{event}");
    }
}

#[test]
fn visits_convert_as_the_truth_says_and_many_bounce() {
    // Two hours of event time.
    let mut visits: BTreeMap<String, (String, BTreeSet<String>, u32)> = BTreeMap::new();
    for event in events(GeneratorParams { rate_per_s: 3_000, ..PARAMS }, 360_000) {
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let visit = visits.entry(text("session_id")).or_insert_with(|| (text("variant"), BTreeSet::new(), 0));
        visit.1.insert(text("action_type"));
        visit.2 += 1;
    }
    let share = |variant: &str| {
        let of_variant: Vec<_> = visits.values().filter(|visit| visit.0 == variant).collect();
        of_variant.iter().filter(|visit| visit.1.contains("purchase")).count() as f64 / of_variant.len() as f64
    };
    println!("seed {}: {} visits, A {:.4}, B {:.4}", PARAMS.seed, visits.len(), share("A"), share("B"));
    assert!((share("A") - 0.060).abs() < 0.005 && (share("B") - 0.075).abs() < 0.005);
    let single = visits.values().filter(|visit| visit.2 == 1).count() as f64 / visits.len() as f64;
    assert!((0.1..0.4).contains(&single), "{single} of the visits are one event");
    assert!(visits.keys().any(|id| id.ends_with("-2")), "people come back");
}

#[test]
fn a_spike_multiplies_the_rate_and_heals() {
    let mut generator = Generator::new(PARAMS);
    (0..1_000).for_each(|_| assert!(generator.generate().is_some()));
    generator.start_spike();
    let spike = u64::from(SPIKE_FACTOR) * 1_000 * SPIKE_MS / 1_000;
    (0..spike).for_each(|_| assert!(generator.generate().is_some()));
    let healed_ns = 1_000_000_000 + u128::from(SPIKE_MS) * 1_000_000;
    assert_eq!(generator.due_ns(), healed_ns);
    (0..1_000).for_each(|_| assert!(generator.generate().is_some()));
    assert_eq!(generator.due_ns(), healed_ns + 1_000_000_000, "the rate is what it was");
}

#[test]
fn offline_phones_hold_events_back_and_lose_none() {
    let mut generator = Generator::new(PARAMS);
    (0..1_000).for_each(|_| assert!(generator.generate().is_some()));
    generator.start_offline();
    let mut sent = 1_000;
    // Two minutes of event time are two seconds at speed 60.
    for _ in 0..2_000 {
        sent += usize::from(generator.generate().is_some());
        assert!(generator.release().is_none() || generator.offline_until_ms.is_none());
    }
    assert!(generator.held() > 100, "{} held", generator.held());
    sent += usize::from(generator.generate().is_some());
    generator.heal();
    while generator.release().is_some() {
        sent += 1;
    }
    assert_eq!(sent as u64, generator.events());
}

#[test]
fn disorder_and_skew_can_be_told() {
    let late_max = |disorder_ms: i64| {
        let mut generator = Generator::new(PARAMS).with_disorder(disorder_ms);
        let late = |slot: i64| {
            let event: Value = serde_json::from_slice(generator.generate().expect("nothing is held back").value).expect("JSON");
            PARAMS.start_at_ms + slot * 60 - event["timestamp"].as_i64().expect("a time")
        };
        (0..20_000).map(late).max().expect("events")
    };
    assert_eq!(late_max(0), 0);
    assert!((20_000..=60_000).contains(&late_max(60_000)), "{}", late_max(60_000));
    let most_wanted = |exponent: f64| {
        let mut generator = Generator::new(PARAMS).with_skew(exponent);
        let mut views: BTreeMap<String, u64> = BTreeMap::new();
        for _ in 0..20_000 {
            let event: Value = serde_json::from_slice(generator.generate().expect("nothing is held back").value).expect("JSON");
            if let Some(item) = event["item_id"].as_str() {
                *views.entry(item.to_owned()).or_default() += 1;
            }
        }
        views.values().max().copied().unwrap_or_default()
    };
    let (even, usual, steep) = (most_wanted(0.0), most_wanted(1.0), most_wanted(2.0));
    assert!(even * 2 < usual && usual * 2 < steep, "{even} {usual} {steep}");
}

#[test]
fn owners_of_offline_phones_go_on_elsewhere_just_after_a_session_ends() {
    for (gap_ms, grace_ms) in [(GAP_MS, GRACE_MS), (10 * 60_000, 30_000)] {
        let mut generator = Generator::new(PARAMS).for_sessions(gap_ms, grace_ms);
        let (mut newest_ms, mut by_user) = (i64::MIN, BTreeMap::<String, Vec<i64>>::new());
        let mut bridged = 0;
        for n in 0..60_000 {
            if n == 5_000 {
                generator.start_offline();
            }
            if let Some(record) = generator.generate() {
                let timestamp = serde_json::from_slice::<Value>(record.value).expect("JSON")["timestamp"].as_i64().expect("a time");
                newest_ms = newest_ms.max(timestamp);
                by_user.entry(record.key.to_owned()).or_default().push(timestamp);
            }
            while let Some((user, value)) = generator.release() {
                let at = serde_json::from_slice::<Value>(&value).expect("JSON")["timestamp"].as_i64().expect("a time");
                let times = by_user.entry(user).or_default();
                let before = times.iter().copied().filter(|time| *time <= at).max();
                let after = times.iter().copied().filter(|time| *time > at).min();
                if let (Some(before), Some(after)) = (before, after) {
                    // Two sessions, one event between them, and the first of them still waits for what is late.
                    let is_open = before >= newest_ms - gap_ms - grace_ms;
                    bridged += u32::from(after - before > gap_ms && at - before <= gap_ms && after - at <= gap_ms && is_open);
                }
                times.push(at);
            }
        }
        println!("gap {gap_ms} ms, grace {grace_ms} ms: {bridged} bridged");
        assert!(bridged >= 20, "{bridged}");
    }
}
