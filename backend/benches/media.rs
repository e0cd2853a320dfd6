//! The media pipeline's scores over seeds: `cargo bench -p weir-backend --bench media -- [--seeds 11..16] [--only causes|gates|sheets]`.
//!
//! - causes: root causes of forecast measures, by kind (noise B0 to B4, one to three causes of one to three attributes, quotients).
//! - sheets: root causes of counts by minute, by kind.
//! - gates: the whole pipeline in virtual time with one fault after the other.
//!
//! Constants were chosen on seeds 1 to 10.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench prints its figures and fails loudly")]

use std::time::Instant;

use weir_backend::{
    pipelines::media::rca::{History, Measured, Suspect, explanations, sets},
    sim::media::{Deviation, DeviationKind, Sheet, SheetKind},
};

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn main() {
    let seeds = argument("--seeds").unwrap_or_else(|| "11..16".to_owned());
    let (from, to) = seeds.split_once("..").expect("seeds like 11..16");
    let (from, to): (u64, u64) = (from.parse().expect("a seed"), to.parse().expect("a seed"));
    let only = argument("--only");
    let is_wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    if is_wanted("causes") {
        causes(from..to);
    }
    if is_wanted("sheets") {
        sheets(from..to);
    }
}

/// Minutes of the past that a search may look at.
const PASTS_MIN: [u32; 3] = [3, 8, 30];

fn sheets(seeds: std::ops::Range<u64>) {
    println!(
        "root causes of counts by minute: exact set first / among three, {} cases a cell, by minutes of the past",
        seeds.clone().count()
    );
    for kind in SheetKind::ALL {
        let sheets: Vec<_> = seeds.clone().map(|seed| Sheet::new(seed, kind)).collect();
        let mut line = format!("{:>9} ", format!("{kind:?}"));
        for past_min in PASTS_MIN {
            let ranks: Vec<_> = sheets.iter().map(|sheet| rank_of(sheet, past_min)).collect();
            let within = |rank: usize| ranks.iter().filter(|found| **found < rank).count() as f64 / ranks.len() as f64;
            line += &format!("{past_min:>4} min {:.2}/{:.2}", within(1), within(3));
        }
        println!("{line}");
    }
}

/// The rank of the exact set.
fn rank_of(sheet: &Sheet, past_min: u32) -> usize {
    let mut history = History::default();
    for row in sheet.rows.iter().filter(|row| (sheet.minute - past_min..sheet.minute).contains(&row.minute)) {
        history.add(&row.values, row.total as f64, row.failures as f64);
    }
    let now = sheet.rows.iter().filter(|row| row.minute == sheet.minute);
    let leaves: Vec<_> = now.map(|row| history.leaf(&row.values, row.total as f64, row.failures as f64)).collect();
    let plain = |set: &Vec<Suspect>| {
        let mut set: Vec<Vec<_>> = set.iter().map(|cause| cause.attributes.iter().map(|at| (at.dimension, at.value)).collect()).collect();
        set.sort();
        set
    };
    let mut causes = sheet.causes.clone();
    causes.sort();
    let found = sets(&leaves, 3);
    if std::env::var("VERBOSE").is_ok() && found.first().map(plain).as_ref() != Some(&causes) {
        println!(
            "  truth {causes:?}, said {:?}",
            found.iter().map(|set| (plain(set), set.iter().map(|c| c.score as i64).collect::<Vec<_>>())).collect::<Vec<_>>()
        );
    }
    found.iter().position(|set| plain(set) == causes).unwrap_or(usize::MAX)
}

/// Errors of the forecast as the published sets B0 to B4 have them.
const NOISE: [(&str, u32); 5] = [("B0", 4), ("B1", 8), ("B2", 12), ("B3", 16), ("B4", 20)];

fn causes(seeds: std::ops::Range<u64>) {
    println!(
        "root causes of forecast measures: exact set first / among three / F1 of single causes, {} cases a cell",
        seeds.clone().count()
    );
    println!("{:>9} {}", "", [1, 2, 3].map(|layer| [1, 2, 3].map(|n| format!("{layer} attr x{n}     ")).concat()).concat());
    for (name, error_percent, is_quotient) in NOISE.iter().map(|(n, e)| (*n, *e, false)).chain([("D", 8, true)]) {
        let began = Instant::now();
        let mut line = format!("{name:>9} ");
        let (mut count, mut right) = (0, [0, 0]);
        for attributes in 1..=3 {
            for causes in 1..=3 {
                let kind = DeviationKind { error_percent, causes, attributes, is_quotient };
                let found: Vec<_> = seeds.clone().map(|seed| search(&Deviation::new(seed, kind, &[10, 12, 10, 8]))).collect();
                let n = found.len() as f64;
                let within = |rank: usize| found.iter().filter(|found| found.0 < rank).count();
                let sums = found.iter().fold([0, 0, 0], |sums, found| [0, 1, 2].map(|at| sums[at] + found.1[at]));
                let f1 = 2.0 * sums[0] as f64 / (2 * sums[0] + sums[1] + sums[2]) as f64;
                line += &format!("{:.2}/{:.2}/{f1:.2}  ", within(1) as f64 / n, within(3) as f64 / n);
                count += found.len();
                right = [right[0] + within(1), right[1] + within(3)];
            }
        }
        let ms = began.elapsed().as_millis() as f64 / count as f64;
        println!("{line} all {:.3}/{:.3} of {count}, {ms:.0} ms a case", right[0] as f64 / count as f64, right[1] as f64 / count as f64);
    }
}

/// The rank of the exact set, and true, false and missed causes of the first.
fn search(deviation: &Deviation) -> (usize, [usize; 3]) {
    let leaf = |(values, parts): &(Vec<u32>, Vec<(f64, f64)>)| Measured::of(values.clone().into(), parts);
    let leaves: Vec<_> = deviation.rows.iter().filter_map(leaf).collect();
    let sets = explanations(&leaves, 3);
    let plain = |set: &Vec<weir_backend::pipelines::media::rca::Deviating>| {
        let mut set: Vec<Vec<_>> = set.iter().map(|cause| cause.attributes.iter().map(|at| (at.dimension, at.value)).collect()).collect();
        set.sort();
        set
    };
    let mut truth = deviation.causes.clone();
    truth.sort();
    let rank = sets.iter().position(|set| plain(set) == truth).unwrap_or(usize::MAX);
    let first = sets.first().map(plain).unwrap_or_default();
    let hits = first.iter().filter(|cause| truth.contains(cause)).count();
    if std::env::var("VERBOSE").is_ok() && rank != 0 {
        println!(
            "  truth {truth:?}, said {:?}",
            sets.iter().map(|set| (plain(set), set.iter().map(|c| c.score as i64).collect::<Vec<_>>())).collect::<Vec<_>>()
        );
    }
    (rank, [hits, first.len() - hits, truth.len() - hits])
}
