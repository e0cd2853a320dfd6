//! The worlds as the runner drives them.

use std::io::Write as _;

use weir_model::{PipelineParams, TimestampMs};

use super::*;
use crate::pipelines::{
    fraud::{
        meta,
        meta::{BAD_RULE, CARD_TESTING, COPIES, HOLIDAY, MODEL_OFF, RING, TAKEOVER, TERMINALS},
        records::{Case, Label, Transaction},
        settings::{CASES, CHARGEBACKS, DAY_MS, DEAD_LETTERS, MODELS, RULES, TRANSACTIONS, TRUTH, VERDICTS},
    },
    shape::{Command, EmitRecord, Observed, RunParams, World},
};

fn world(seed: u64) -> PaymentWorld {
    PaymentWorld::new(&run(seed))
}

fn run(seed: u64) -> RunParams {
    let start_at = Some(TimestampMs(1_600_000_000_000));
    RunParams::new(&meta(), PipelineParams { rate_per_s: 1_000, seed, speed: 1, start_at, ..PipelineParams::default() })
}

fn command(world: &mut PaymentWorld, fault: &str) -> Option<i64> {
    world.command(&Command::parse(&fault.into()))
}

fn steps(world: &mut dyn World, steps: usize) -> Vec<EmitRecord> {
    let mut out = Emit::default();
    (0..steps).for_each(|_| world.next(&mut out));
    out.take()
}

fn hear(world: &mut PaymentWorld, topic: &str, value: &[u8]) {
    let record = Observed { topic, partition: 0, offset: 0, timestamp_ms: 0, key: Some(b"k"), value: Some(value), headers: vec![] };
    world.hear(&record);
}

#[test]
fn a_seed_means_the_same_records_and_only_declared_topics() {
    let records = steps(&mut world(1), 2_000);
    assert_eq!(records, steps(&mut world(1), 2_000));
    assert_ne!(records, steps(&mut world(2), 2_000));
    let topics = meta().topics;
    assert!(records.iter().all(|record| topics.iter().any(|topic| topic.as_str() == record.topic)));
    let count = |topic: &str| records.iter().filter(|record| record.topic == topic).count();
    assert!(count(TRANSACTIONS) > count(TRUTH), "some payments come twice");
}

#[test]
fn faults_act_and_heal() {
    let mut world = world(3);
    steps(&mut world, 10);
    for (fault, topic) in [(BAD_RULE, RULES), (MODEL_OFF, MODELS)] {
        assert!(command(&mut world, fault).is_some());
        let during: Vec<_> = steps(&mut world, 9_000).into_iter().filter(|record| record.topic == topic).collect();
        let after: Vec<_> = steps(&mut world, 2_000).into_iter().filter(|record| record.topic == topic).collect();
        assert_eq!((during.len(), after.len()), (1, 1), "{fault}");
        assert!(during[0].value.is_some() && after[0].value.is_none(), "{fault}");
    }
    assert_eq!(command(&mut world, "nonsense"), None);
    for fault in meta().faults.iter().filter(|fault| fault.id.as_str() != "kill_processor") {
        assert_eq!(command(&mut world, fault.id.as_str()), Some(fault.heals_after_ms.cast_signed()), "{}", fault.id);
    }
}

#[test]
fn a_crime_ends_when_its_fault_does() {
    let settings = [("compromised_per_day", 0.0), ("leaks_per_day", 0.0), ("extras", 0.0)].map(|(name, value)| (name.into(), value));
    let mut run = run(5);
    run.params.settings = settings.into();
    let check = |fault: &str, crime: &str| {
        let mut world = PaymentWorld::new(&run);
        let crime = format!(r#""scenario":"{crime}""#);
        let frauds = |records: Vec<EmitRecord>| {
            let of_crime = |record: &&EmitRecord| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).contains(&crime);
            records.iter().filter(|record| record.topic == TRUTH).filter(of_crime).count()
        };
        let heals_after_ms = command(&mut world, fault).unwrap();
        // A thousand payments a second, and the chargebacks beside them.
        assert!(frauds(steps(&mut world, heals_after_ms as usize)) > 0, "{fault}");
        steps(&mut world, 2_000);
        assert_eq!(frauds(steps(&mut world, 2_000)), 0, "{fault}");
    };
    for (fault, crime) in [(RING, "ring"), (CARD_TESTING, "burst"), (TAKEOVER, "leak"), (TERMINALS, "terminal"), (COPIES, "travel")] {
        check(fault, crime);
    }
}

#[test]
fn a_holiday_is_ten_times_the_payments_a_second_for_as_long_as_it_says() {
    let mut world = world(6);
    let seconds = |world: &mut PaymentWorld, payments: u64| {
        let (from_ns, from) = (world.due_ns(), world.events());
        while world.events() < from + payments {
            world.next(&mut Emit::default());
        }
        (world.due_ns() - from_ns) / 1_000_000
    };
    assert_eq!(seconds(&mut world, 1_000), 1_000);
    let event_day_ms = |world: &mut PaymentWorld, payments: usize| {
        let truth = steps(world, payments).into_iter().filter(|record| record.topic == TRUTH).map(|record| record.timestamp_ms);
        let times: Vec<_> = truth.collect();
        times[times.len() - 1] - times[0]
    };
    let usual_ms = event_day_ms(&mut world, 4_000);
    assert_eq!(command(&mut world, HOLIDAY), Some(5_000));
    assert_eq!(seconds(&mut world, 5_000), 500);
    let (holiday_ms, is_as_fast) = (event_day_ms(&mut world, 40_000), |ms: i64| (usual_ms * 7 / 10..usual_ms * 13 / 10).contains(&ms));
    assert!(is_as_fast(holiday_ms), "event time goes on as fast: {holiday_ms} {usual_ms}");
    seconds(&mut world, 10_000);
    assert_eq!(seconds(&mut world, 1_000), 1_000);
}

#[test]
fn what_somebody_judged_is_not_judged_again() {
    let mut world = world(4);
    let records = steps(&mut world, 3_000);
    let mut payments = records.iter().filter(|record| record.topic == TRANSACTIONS);
    let mut case = || case(&serde_json::from_slice(payments.next().unwrap().value.as_ref().unwrap()).unwrap());
    let (judged, open) = (case(), case());
    [&judged, &open].iter().for_each(|case| hear(&mut world, CASES, &serde_json::to_vec(case).unwrap()));
    hear(&mut world, VERDICTS, &serde_json::to_vec(&judged.verdict(true)).unwrap());
    let verdicts = steps(&mut world, 9_000).into_iter().filter(|record| record.topic == VERDICTS);
    let judged: Vec<_> = verdicts.map(|it| serde_json::from_slice::<Label>(it.value.as_ref().unwrap()).unwrap().transaction_id).collect();
    assert_eq!(judged, [open.transaction_id]);
}

fn case(payment: &Transaction) -> Case {
    Case {
        transaction_id: payment.transaction_id.clone(),
        account_id: payment.account_id.clone(),
        terminal_id: payment.terminal_id.clone(),
        ts: payment.ts,
        amount_minor: payment.amount_minor,
        card_id: payment.card_id.clone(),
        score: None,
        why: vec![],
        why_of: vec![],
    }
}

#[test]
fn reviewers_look_at_cases() {
    let mut world = world(4);
    let records = steps(&mut world, 3_000);
    let payment: Transaction = records
        .iter()
        .find(|record| record.topic == TRANSACTIONS)
        .map(|record| serde_json::from_slice(record.value.as_ref().unwrap()).unwrap())
        .unwrap();
    hear(&mut world, CASES, &serde_json::to_vec(&case(&payment)).unwrap());
    let verdicts = |records: Vec<EmitRecord>| records.into_iter().filter(|record| record.topic == VERDICTS).collect::<Vec<_>>();
    assert!(verdicts(steps(&mut world, 1_000)).is_empty(), "a case is seen in the queue before it is judged");
    let verdicts = verdicts(steps(&mut world, 6_000));
    let verdict: Label = serde_json::from_slice(verdicts[0].value.as_ref().unwrap()).unwrap();
    assert_eq!((verdicts.len(), verdict.transaction_id), (1, payment.transaction_id));
}

#[test]
fn a_file_is_payments_chargebacks_and_dead_letters() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD").unwrap();
    for day in 1..=20 {
        writeln!(file, "{day},2018-04-{day:02} 12:00:00,5,6,10.50,{}", u8::from(day == 3)).unwrap();
    }
    writeln!(file, "x,yesterday,5,6,10.50,0\n").unwrap();
    let mut world = FileWorld::open(file.path().to_str().unwrap(), &run(1)).unwrap();
    let mut out = Emit::default();
    while !world.is_over() {
        world.next(&mut out);
    }
    let records = out.take();
    let of = |topic: &str| records.iter().filter(|record| record.topic == topic).collect::<Vec<_>>();
    assert_eq!((of(TRANSACTIONS).len(), of(TRUTH).len(), of(CHARGEBACKS).len(), world.events()), (20, 20, 1, 20));
    let label: Label = serde_json::from_slice(of(CHARGEBACKS)[0].value.as_ref().unwrap()).unwrap();
    assert_eq!((label.transaction_id.0.as_str(), of(CHARGEBACKS)[0].timestamp_ms), ("3", label.ts + 7 * DAY_MS));
    let letter = String::from_utf8_lossy(of(DEAD_LETTERS)[0].value.as_ref().unwrap()).into_owned();
    assert!(of(DEAD_LETTERS).len() == 1 && letter.contains("the time `yesterday`") && letter.contains("\"row\":22"), "{letter}");
    assert!(FileWorld::open("/nowhere", &run(1)).err().unwrap().to_string().contains("can't be read as payments"));
}

#[test]
fn a_gzip_file_is_read_as_a_plain_one() {
    let text = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n1,2018-04-01 12:00:00,5,6,10.50,0\n";
    let records = |bytes: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let (mut world, mut out) = (FileWorld::open(file.path().to_str().unwrap(), &run(1)).unwrap(), Emit::default());
        while !world.is_over() {
            world.next(&mut out);
        }
        out.take()
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let plain = records(text.as_bytes());
    assert_eq!(plain, records(&gzip.finish().unwrap()));
    assert!(plain.iter().any(|record| record.topic == TRANSACTIONS));
}

#[test]
fn a_file_that_breaks_off_is_told_once_and_the_next_one_read() {
    let rows: String = (0..400).map(|n| format!("{n},2018-04-01 12:00:00,5,6,10.50,0\n")).collect();
    let text = format!("TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n{rows}");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv.gz"), &gzip[..gzip.len() / 2]).unwrap();
    // Not UTF-8: a letter in Latin-1.
    std::fs::write(folder.path().join("b.csv"), b"ts,account_id,terminal_id,amount\n1522540831,\xe9,6,10.50\n").unwrap();
    let (mut world, mut out) = (FileWorld::open(folder.path().to_str().unwrap(), &run(1)).unwrap(), Emit::default());
    for _ in 0..2_000 {
        if !world.is_over() {
            world.next(&mut out);
        }
    }
    assert!(world.is_over(), "it ends");
    let records = out.take();
    let of = |topic: &str| records.iter().filter(|record| record.topic == topic).collect::<Vec<_>>();
    assert!(of(TRANSACTIONS).len() > 100 && of(TRANSACTIONS).len() < 400, "{}", of(TRANSACTIONS).len());
    let letters: Vec<_> = of(DEAD_LETTERS).iter().map(|it| String::from_utf8_lossy(it.value.as_ref().unwrap()).into_owned()).collect();
    assert!(letters.iter().filter(|letter| letter.contains("can't be read on")).count() == 1 && letters.len() < 3, "{letters:?}");
    assert!(of(TRANSACTIONS).last().unwrap().key.as_deref() == Some("\u{fffd}".as_bytes()));
}

#[test]
fn a_folder_is_its_files_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let day = |day: u32| format!("transaction_id,at,account_id,terminal_id,amount\n{day},2018-04-{day:02} 12:00:00,5,6,10.50\n");
    for (name, text) in [("b.csv", day(2)), ("a.csv", day(1)), ("c.csv", "no,payments\n".to_owned()), ("d.csv", day(3)), (".e", day(4))] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut world = FileWorld::open(&format!("{}?time=at", folder.path().display()), &run(1)).unwrap();
    let mut out = Emit::default();
    while !world.is_over() {
        world.next(&mut out);
    }
    let records = out.take();
    let payments = records.iter().filter(|record| record.topic == TRANSACTIONS);
    let ids: Vec<_> =
        payments.map(|it| serde_json::from_slice::<Transaction>(it.value.as_ref().unwrap()).unwrap().transaction_id.0).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    let letters: Vec<_> = records.iter().filter(|record| record.topic == DEAD_LETTERS).collect();
    let letter = String::from_utf8_lossy(letters[0].value.as_ref().unwrap()).into_owned();
    assert!(letters.len() == 1 && letter.contains("c.csv") && letter.contains("no column for the time"), "{letter}");
}
