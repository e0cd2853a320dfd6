//! Detectors on a made-up corpus in the manner of the Numenta Anomaly Benchmark, by its score: `cargo bench -p weir-backend --bench anomalies
//! -- [--seeds 11..14] [--kinds]`.
//!
//! Beside the detector that runs in the pipeline: its two opinions alone, and the benchmark's own simplest one for a measure of how hard the
//! corpus is (published on the real one: windowed Gaussian 39.6, KNN-CAD 58.0, CAD OSE 69.9 on the standard profile). The detector's limits
//! were chosen on 22 of the benchmark's real series, not on these. `--kinds` lists what is found of each series of the first seed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints its figures and fails loudly"
)]

mod corpus;

use std::{collections::VecDeque, time::Instant};

use corpus::{Series, corpus};
use weir_backend::{
    pipelines::iot::detect::{ALARM_SCORE, Detector, probation_of},
    sim::Random,
    truth::iot::nab::{self, Labelled, PROFILES},
};

/// How one scores a series.
type Candidate = (&'static str, fn(&Series) -> Vec<f64>);

const CANDIDATES: [Candidate; 5] = [
    ("windowed Gaussian", windowed_gaussian),
    ("random", random),
    ("nearest neighbours alone", |series| alone(series, 0, 0.55)),
    ("context alone", |series| alone(series, 1, 0.75)),
    ("both: the pipeline's detector", both),
];

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn main() {
    let seeds = argument("--seeds").unwrap_or_else(|| "11..14".to_owned());
    let (from, to) = seeds.split_once("..").expect("seeds like 11..14");
    let (from, to): (u64, u64) = (from.parse().expect("a seed"), to.parse().expect("a seed"));
    let corpora: Vec<Vec<Series>> = (from..to).map(corpus).collect();
    println!("seeds {seeds}; mean (worst seed) over seeds, one best threshold a corpus");
    println!("{:32} {:>16} {:>16} {:>16} {:>10}", "", PROFILES[0].name, PROFILES[1].name, PROFILES[2].name, "µs a row");
    for (name, score) in CANDIDATES {
        let began = Instant::now();
        let scored: Vec<Vec<Labelled>> =
            corpora.iter().map(|corpus| corpus.iter().map(|series| labelled(series, score)).collect()).collect();
        let rows: usize = corpora.iter().flatten().map(|series| series.values.len()).sum();
        let per_row_us = began.elapsed().as_secs_f64() * 1e6 / rows as f64;
        let by_profile = PROFILES.each_ref().map(|profile| {
            let best: Vec<f64> = scored.iter().map(|corpus| nab::best(corpus, profile).unwrap().0).collect();
            let worst = best.iter().copied().fold(f64::INFINITY, f64::min);
            format!("{:.1} ({worst:.1})", best.iter().sum::<f64>() / best.len() as f64)
        });
        println!("{name:32} {:>16} {:>16} {:>16} {per_row_us:>10.1}", by_profile[0], by_profile[1], by_profile[2]);
        if name.starts_with("both") {
            let told =
                scored.iter().map(|corpus| nab::score(corpus, ALARM_SCORE, &PROFILES[0]).unwrap()).sum::<f64>() / scored.len() as f64;
            println!("{:32} {told:>9.1}", "  with its own threshold");
            if std::env::args().any(|argument| argument == "--kinds") {
                corpora[0].iter().zip(&scored[0]).for_each(|(series, scores)| kind(series, scores));
            }
        }
    }
}

fn labelled(series: &Series, score: fn(&Series) -> Vec<f64>) -> Labelled {
    Labelled { scores: score(series), windows: series.windows.clone() }
}

fn kind(series: &Series, scores: &Labelled) {
    let probation = 15 * series.values.len().min(5_000) / 100;
    let alarms: Vec<usize> = (probation..series.values.len()).filter(|row| scores.scores[*row] >= ALARM_SCORE).collect();
    let found = series.windows.iter().filter(|window| alarms.iter().any(|row| window.contains(row))).count();
    let false_alarms = alarms.iter().filter(|row| !series.windows.iter().any(|window| window.contains(row))).count();
    println!("  {:34} {found} of {} found, {false_alarms} false", series.name, series.windows.len());
}

fn learns(series: &Series) -> u64 {
    probation_of(Some(series.values.len() as u64))
}

fn both(series: &Series) -> Vec<f64> {
    let mut detector = Detector::new(learns(series));
    series.values.iter().map(|value| detector.observe(*value)).collect()
}

/// One opinion, with the same rest after what is an alarm to it.
fn alone(series: &Series, which: usize, limit: f64) -> Vec<f64> {
    let (mut detector, mut rests) = (Detector::new(learns(series)), 0);
    let mut observe = |value: &f64| {
        let score = detector.opinions(*value)[which];
        if rests > 0 {
            rests -= 1;
            return 0.0;
        }
        if score >= limit {
            rests = learns(series) / 5;
        }
        score
    };
    series.values.iter().map(&mut observe).collect()
}

fn random(series: &Series) -> Vec<f64> {
    let mut random = Random::new(series.values.len() as u64);
    series.values.iter().map(|_| random.unit()).collect()
}

/// How far a value is from the mean of the last 6,400, in deviations, as the benchmark's detector of that name.
fn windowed_gaussian(series: &Series) -> Vec<f64> {
    let (mut past, mut sum, mut squares) = (VecDeque::new(), 0.0, 0.0);
    let mut observe = |value: &f64| {
        let n = past.len().max(1) as f64;
        let mean = sum / n;
        let deviation = (squares / n - mean * mean).max(1e-6_f64).sqrt();
        let off = (value - mean).abs() / deviation;
        past.push_back(*value);
        (sum, squares) = (sum + value, squares + value * value);
        if past.len() > 6_400 {
            let old: f64 = past.pop_front().unwrap_or_default();
            (sum, squares) = (sum - old, squares - old * old);
        }
        if n < 2.0 { 0.0 } else { off }
    };
    series.values.iter().map(&mut observe).collect()
}
