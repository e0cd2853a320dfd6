//! The fraud pipeline's scores on data made as the Fraud Detection Handbook describes: `cargo bench -p weir-backend --bench fraud --
//! [--seeds 11..16] [--days 70]`.
//!
//! Both applications run in memory over the handbook's world, a payment at a time; labels come after seven days, models are learnt on the
//! way. Whole weeks from day 42 on are scored by the handbook's protocol. Parameters were chosen on seeds 1 to 3.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench prints its figures and fails loudly")]

use std::time::Instant;

use weir_backend::{
    pipelines::fraud::{DetectorParams, model::TrainerParams, records::Decision, replay::Replay, settings::DECISIONS},
    sim::fraud::{Emitted, Generator, WorldParams},
    truth::fraud::{Judged, Week, weeks},
};

const DAY_MS: i64 = 86_400_000;
/// 30 days of windows, a week of delay, and some to learn from.
const WARM_UP_DAYS: i64 = 42;

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn main() {
    let seeds = argument("--seeds").unwrap_or_else(|| "11..16".to_owned());
    let (from, to) = seeds.split_once("..").expect("seeds like 11..16");
    let days: i64 = argument("--days").map_or(70, |days| days.parse().expect("a number of days"));
    let (from, to): (u64, u64) = (from.parse().expect("a seed"), to.parse().expect("a seed"));
    let by_seed: Vec<_> = (from..to).map(|seed| score(seed, days)).collect();
    for (name, of) in [("average precision", 0), ("card precision at 100", 1)] {
        let values: Vec<_> = by_seed.iter().map(|scores| scores[of]).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let worst = values.iter().copied().fold(f64::INFINITY, f64::min);
        println!("{name}: mean {mean:.3}, worst seed {worst:.3}");
    }
}

/// Average precision and card precision of a seed, each as the mean over its test weeks.
fn score(seed: u64, days: i64) -> [f64; 2] {
    let (params, began) = (WorldParams::handbook(seed), Instant::now());
    let mut world = Generator::new(params);
    let mut replay = Replay::new(DetectorParams::default(), TrainerParams::default()).unwrap();
    let mut judged = Vec::new();
    loop {
        match world.generate() {
            Emitted::Payment(_, truth) if truth.ts >= params.start_at_ms + days * DAY_MS => break,
            Emitted::Payment(event, truth) => {
                let mut score = 0.0;
                let mut look = |record: &weir_backend::stream::Publish| {
                    if &*record.topic == DECISIONS {
                        let decision: Decision = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
                        score = decision.score.unwrap_or(0.0);
                    }
                };
                replay.payment(&event, &mut look).unwrap();
                let card = truth.account_id.trim_start_matches(char::is_alphabetic).parse().unwrap();
                judged.push(Judged { card, ts: truth.ts, score, is_fraud: truth.scenario.is_some() });
            }
            Emitted::Chargeback(event, at_ms) => replay.chargeback(&event, at_ms, &mut |_| ()).unwrap(),
        }
    }
    let weeks = weeks(&judged, WARM_UP_DAYS);
    let mean = |of: fn(&Week) -> f64| weeks.iter().map(of).sum::<f64>() / weeks.len() as f64;
    let scores = [mean(|week| week.average_precision), mean(|week| week.card_precision_100)];
    let per_payment_us = began.elapsed().as_micros() as f64 / judged.len() as f64;
    println!(
        "seed {seed}: average precision {:.3}, card precision at 100 {:.3} over {} weeks; {} payments, {per_payment_us:.0} µs each",
        scores[0],
        scores[1],
        weeks.len(),
        judged.len()
    );
    scores
}
