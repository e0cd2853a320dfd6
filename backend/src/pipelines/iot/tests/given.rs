//! Given series through the whole pipeline: a benchmark's folder with its labels, and a table without any.

use std::{fs, path::Path};

use weir_model::{CheckVerdict, PipelineParams, RunReport};

use super::super::shape;
use crate::{
    pipelines::{altered::Altered, shape::rehearsal::rehearse},
    sim::Random,
};

const ROWS: usize = 300;

fn run(path: &Path) -> RunReport {
    run_input(&path.display().to_string())
}

fn run_input(input: &str) -> RunReport {
    let input = input.to_owned();
    let params =
        PipelineParams { input: Some((&*input).into()), events_max: Some(u64::MAX), rate_per_s: 1_000, ..PipelineParams::default() };
    let given = Altered::world(shape(), move |shape, run| shape.input(&input, run).unwrap());
    rehearse(&given, params, &mut |_| {}).unwrap()
}

/// Row by row every five minutes from the first of April 2014 on, with fractions of a second.
fn time(row: usize) -> String {
    format!("2014-04-{:02} {:02}:{:02}:00.000000", 1 + row / 288, row % 288 / 12, row % 12 * 5)
}

/// What repeats itself every few rows with a little noise, and a jump in some.
fn table(path: &Path, seed: u64, jump: std::ops::Range<usize>) {
    let mut random = Random::new(seed);
    let line = |row| {
        format!(
            "{},{:.3}\n",
            time(row),
            f64::from(50 + 10 * (row % 4) as u32) + random.normal(0.0, 0.2) + if jump.contains(&row) { 40.0 } else { 0.0 }
        )
    };
    let lines: String = (0..ROWS).map(line).collect();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("timestamp,value\n{lines}")).unwrap();
}

#[test]
fn a_benchmarks_folder_is_scored_as_a_whole() {
    let corpus = tempfile::tempdir().unwrap();
    let data = corpus.path().join("data");
    table(&data.join("real/one.csv"), 1, 200..210);
    table(&data.join("real/two.csv"), 2, 150..160);
    table(&data.join("artificial/calm.csv"), 3, 0..0);
    // What others found is beside it, and no input.
    table(&corpus.path().join("results/other/real/one.csv"), 4, 0..0);
    let window = |from: usize, until: usize| format!("[[\"{}\", \"{}\"]]", time(from), time(until));
    let labels = format!("{{\"real/one.csv\": {}, \"real/two.csv\": {}, \"artificial/calm.csv\": []}}", window(195, 224), window(145, 174));
    fs::create_dir_all(corpus.path().join("labels")).unwrap();
    fs::write(corpus.path().join("labels/combined_windows.json"), labels).unwrap();

    let report = run(corpus.path());
    assert!(report.checks.iter().all(|check| check.verdict == CheckVerdict::Pass), "{:?}", report.checks);
    let count = |name: &str| report.counts.get(name).copied().unwrap_or_default();
    assert_eq!((count("series"), count("scored"), count("labelled_windows")), (3, 3 * ROWS as u64, 2), "{:?}", report.counts);
    let score = |name: &str| report.scores.get(name).copied().unwrap_or(f64::NAN);
    assert!(score("nab_standard") > 60.0 && score("nab_standard") >= score("nab_standard_as_told"), "{:?}", report.scores);
    assert!(score("nab_reward_low_fp") > 30.0 && score("nab_reward_low_fn") > 60.0, "{:?}", report.scores);

    // One table of it finds its labels too.
    assert_eq!(run(&data.join("real/two.csv")).counts.get("labelled_windows"), Some(&1));
}

#[test]
fn a_table_without_labels_is_told_of_and_not_scored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cpu.csv");
    table(&path, 5, 250..255);
    let report = run(&path);
    assert_eq!(report.counts.get("scored"), Some(&(ROWS as u64)), "{:?}", report.counts);
    assert!(report.counts.get("alarms").is_some_and(|alarms| *alarms > 0), "{:?}", report.counts);
    assert!(!report.scores.keys().any(|name| name.starts_with("nab")), "{:?}", report.scores);
}

#[test]
fn one_bad_file_of_a_benchmark_changes_nothing_of_the_others() {
    let corpus = tempfile::tempdir().unwrap();
    let data = corpus.path().join("data");
    for (at, name) in ["a/one.csv", "b/two.csv", "artificialNoAnomaly/calm.csv"].into_iter().enumerate() {
        table(&data.join(name), at as u64 + 1, 200..210);
    }
    fs::create_dir_all(corpus.path().join("labels")).unwrap();
    let labels = format!("{{\"a/one.csv\": [[\"{}\", \"{}\"]]}}", time(195), time(224));
    fs::write(corpus.path().join("labels/combined_windows.json"), labels).unwrap();
    let good = run(corpus.path());
    fs::write(data.join("a/empty.csv"), "").unwrap();
    fs::write(data.join("a/no_table.csv"), b"\xff\xfe\0\x01, what\n1,2\n").unwrap();
    fs::write(data.join("b/no_time.csv"), "when,value\nnever,1\n").unwrap();
    let report = run(corpus.path());
    let counts = |report: &RunReport| ["series", "scored", "dead_letters"].map(|name| report.counts.get(name).copied());
    assert_eq!(counts(&good), [Some(3), Some(3 * ROWS as u64), Some(0)]);
    assert_eq!(counts(&report), [Some(3), Some(3 * ROWS as u64), Some(3)]);
    // What has no label counts too: its alarms are false.
    assert_eq!(report.scores, good.scores);
    let of_one = run(&data.join("a/one.csv"));
    assert!(good.scores["nab_standard_as_told"] < of_one.scores["nab_standard_as_told"], "{:?} {:?}", good.scores, of_one.scores);
}

#[test]
fn tables_in_other_dress_are_told_by_a_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new(6);
    let (mut lines, mut json) = ("when;room;state;celsius;bad\r\n".to_owned(), String::new());
    for row in 0..2 * ROWS {
        let (room, is_wrong) = (["attic", "cellar"][row % 2], (400..420).contains(&row));
        let value = 20.0 + f64::from(row as u32 / 2 % 4) + random.normal(0.0, 0.05) + if is_wrong { 9.0 } else { 0.0 };
        lines += &format!("{};{room};\"ok; so far\";{value:.3};{}\r\n", time(row), if is_wrong { "True" } else { "False" });
        json += &format!("{{\"ts\":{},\"device_id\":\"{room}\",\"value\":{value:.3},\"fw\":\"1.0\"}}\n", row * 1_000);
    }
    let (csv, packed) = (folder.path().join("rooms.txt"), folder.path().join("rooms.jsonl.gz"));
    fs::write(&csv, lines).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, json.as_bytes()).unwrap();
    encoder.finish().unwrap();
    let report = run_input(&format!("{}?timestamp=when&value=celsius&series=room&label=bad, {}", csv.display(), packed.display()));
    assert!(report.checks.iter().all(|check| check.verdict == CheckVerdict::Pass), "{:?}", report.checks);
    let count = |name: &str| report.counts.get(name).copied().unwrap_or_default();
    assert_eq!((count("series"), count("scored"), count("labelled_windows"), count("dead_letters")), (4, 4 * ROWS as u64, 2, 0));
    assert!(report.scores["nab_standard"] > 60.0, "{:?}", report.scores);
}

#[test]
fn a_machines_figures_are_judged_together_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 1..3 {
        let mut random = Random::new(seed);
        let mut text =
            "datetime;Accelerometer1RMS;Accelerometer2RMS;Current;Pressure;Temperature;Thermocouple;Voltage;Volume Flow RateRMS;\
                        anomaly;changepoint\n"
                .to_owned();
        for row in 0..300 {
            let (load, is_wrong) = (random.normal(0.0, 1.0), (180..260).contains(&row));
            let shakes = if is_wrong { 0.05 } else { 0.0 };
            let mut figure = |at: f64, follows: f64, noise: f64| format!("{:.4};", at + follows * load + random.normal(0.0, noise));
            let time = format!("2020-03-09 10:{:02}:{:02};", row / 60, row % 60);
            let figures = [
                figure(0.2 + shakes, 0.01, 0.003),
                figure(0.3, 0.01, 0.003),
                figure(1.3, 0.3, 0.05),
                figure(0.05, 0.0, 0.02),
                figure(80.0, 0.5, 0.1),
                figure(26.0, 0.1, 0.05),
                figure(230.0, 0.0, 8.0),
                figure(32.0, 0.4, 0.1),
            ];
            let changes = row == 180 || row == 260;
            text += &format!("{time}{}{}.0;{}.0\n", figures.concat(), u8::from(is_wrong), u8::from(changes));
        }
        fs::write(folder.path().join(format!("{seed}.csv")), text).unwrap();
    }
    let report = run(folder.path());
    assert!(report.checks.iter().all(|check| check.verdict == CheckVerdict::Pass), "{:?}", report.checks);
    assert_eq!((report.counts.get("series"), report.counts.get("scored")), (Some(&2), Some(&600)), "{:?}", report.counts);
    let score = |name: &str| report.scores.get(name).copied().unwrap_or(f64::NAN);
    assert!(score("skab_f1") > 0.85 && score("skab_far_pct") < 15.0 && score("skab_mar_pct") < 15.0, "{:?}", report.scores);
    assert!(!report.scores.keys().any(|name| name.starts_with("nab")), "{:?}", report.scores);
}
