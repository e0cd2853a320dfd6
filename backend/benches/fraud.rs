//! The fraud pipeline's scores on data made as the Fraud Detection Handbook describes: `cargo bench -p weir-backend --bench fraud --
//! [--seeds 11..16] [--days 70]`.
//!
//! Both applications run in memory over the handbook's world, a payment at a time; labels come after seven days, models are learnt on the
//! way. Whole weeks from day 42 on are scored by the handbook's protocol, with 95 % intervals by drawing the days of each week anew. The model
//! that learns online is scored beside the trees: each payment before its label. Parameters were chosen on seeds 1 to 3.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench prints its figures and fails loudly")]

use std::time::Instant;

use weir_backend::{
    pipelines::fraud::{DetectorParams, model::TrainerParams, records::Decision, replay::Replay, settings::DECISIONS},
    sim::fraud::{Emitted, Generator, WorldParams},
    truth::{
        fraud::{Judged, Week, intervals, test_weeks, weeks},
        ranking::Scored,
    },
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
    let by_seed: Vec<_> = (from..to).map(|seed| run(seed, days)).collect();
    for (model, of) in [("trees", 0), ("online", 1)] {
        let of_model: Vec<_> = by_seed.iter().map(|models| &models[of]).collect();
        let spans: Vec<_> = of_model.iter().flat_map(|scores| scores.spans.clone()).collect();
        let all = intervals(&spans, 0);
        for (name, of, interval) in [
            ("average precision", 0, all.map(|it| it.average_precision)),
            ("card precision at 100", 1, all.map(|it| it.card_precision_100)),
        ] {
            let values: Vec<_> = of_model.iter().map(|scores| scores.means[of]).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let worst = values.iter().copied().fold(f64::INFINITY, f64::min);
            let (payments, frauds) = spans.iter().flatten().fold((0, 0), |(n, frauds), it| (n + 1, frauds + usize::from(it.is_fraud)));
            println!(
                "{model}, {name}: mean {mean:.3}{}, worst seed {worst:.3}; {payments} payments, {frauds} frauds, {} test weeks of {} seeds",
                told(interval),
                spans.len(),
                values.len()
            );
        }
    }
}

/// What a model reached with a seed.
struct Scores {
    /// Average precision and card precision, each as the mean over the test weeks.
    means: [f64; 2],
    /// What was tested, by week.
    spans: Vec<Vec<Scored>>,
}

impl Scores {
    fn of(judged: &[Judged]) -> Self {
        let weeks = weeks(judged, WARM_UP_DAYS);
        let mean = |of: fn(&Week) -> f64| weeks.iter().map(of).sum::<f64>() / weeks.len() as f64;
        Self { means: [mean(|week| week.average_precision), mean(|week| week.card_precision_100)], spans: test_weeks(judged, WARM_UP_DAYS) }
    }
}

fn told(interval: Option<(f64, f64)>) -> String {
    interval.map_or_else(String::new, |(low, high)| format!(" ({low:.3} to {high:.3})"))
}

/// The trees' scores, and those of the model that learns online.
fn run(seed: u64, days: i64) -> [Scores; 2] {
    let (params, began) = (WorldParams::handbook(seed), Instant::now());
    let mut world = Generator::new(params);
    let mut replay = Replay::new(DetectorParams::default(), TrainerParams::default()).unwrap();
    let mut judged = [Vec::new(), Vec::new()];
    loop {
        match world.generate() {
            Emitted::Payment(_, truth) if truth.ts >= params.start_at_ms + days * DAY_MS => break,
            Emitted::Payment(event, truth) => {
                let mut scores = [0.0; 2];
                let mut look = |record: &weir_backend::stream::Publish| {
                    if &*record.topic == DECISIONS {
                        let decision: Decision = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
                        scores = [decision.score, decision.online_score].map(|score| score.unwrap_or(0.0));
                    }
                };
                replay.payment(&event, &mut look).unwrap();
                let card = truth.account_id.trim_start_matches(char::is_alphabetic).parse().unwrap();
                for (judged, score) in judged.iter_mut().zip(scores) {
                    judged.push(Judged { card, ts: truth.ts, score, is_fraud: truth.scenario.is_some() });
                }
            }
            Emitted::Chargeback(event, at_ms) => replay.chargeback(&event, at_ms, &mut |_| ()).unwrap(),
        }
    }
    let per_payment_us = began.elapsed().as_micros() as f64 / judged[0].len() as f64;
    let payments = judged[0].len();
    let scores = judged.map(|judged| Scores::of(&judged));
    for (model, scores) in ["trees", "online"].iter().zip(&scores) {
        let all = intervals(&scores.spans, seed);
        println!(
            "seed {seed}, {model}: average precision {:.3}{}, card precision at 100 {:.3}{} over {} weeks; {payments} payments, {per_payment_us:.0} µs each",
            scores.means[0],
            told(all.map(|it| it.average_precision)),
            scores.means[1],
            told(all.map(|it| it.card_precision_100)),
            scores.spans.len(),
        );
    }
    scores
}
