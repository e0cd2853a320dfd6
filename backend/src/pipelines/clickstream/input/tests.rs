//! Sessions of given logs against a batch job that knows nothing of streams: sort by time, cut where the distance exceeds the gap.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use weir_model::Update;

use super::*;
use crate::{
    pipelines::{
        clickstream::{
            given::GivenVisitors,
            records::Session,
            settings::{DEAD_LETTERS, EVENTS, SESSIONS, Windows},
            topology::{self, Options},
        },
        shape::{Emit, Preparation, World as _},
    },
    sim::hash64,
    stream::{InputRecord, SessionWindows, StreamTask},
    updates,
};

const PARTITIONS: usize = 3;
/// User, first and last time, events.
type Plain = (String, i64, i64, u64);

/// A visitor's address and program.
fn who(number: u8) -> (String, &'static str) {
    (format!("10.0.0.{}", number / 2), ["Mozilla/5.0 (X11; \\\"odd\\\")", "curl/8.0"][usize::from(number % 2)])
}

/// `23/Nov/2026:…` in one of several zones.
fn line(number: u8, at_s: i64, zone_h: i64) -> String {
    let local = at_s + zone_h * 3_600;
    let (day, hour, minute, second) = (1 + local / 86_400, local / 3_600 % 24, local / 60 % 60, local % 60);
    let (ip, agent) = who(number);
    let zone = format!("{}{:02}00", if zone_h < 0 { '-' } else { '+' }, zone_h.abs());
    format!(r#"{ip} - - [{day:02}/Nov/2026:{hour:02}:{minute:02}:{second:02} {zone}] "GET /p{at_s} HTTP/1.1" 200 5 "-" "{agent}""#)
}

/// Midnight of the first of November 2026, UTC.
const EPOCH_S: i64 = 1_793_491_200;

fn open(input: &str) -> Result<Option<Files>, String> {
    Files::open(input, &Preparation::default())
}

/// Runs the files through the world and the topology.
fn run(input: &str, windows: Windows) -> (Vec<Session>, u64) {
    run_files(open(input).expect("files").expect("they are there"), windows)
}

fn run_files(files: Files, windows: Windows) -> (Vec<Session>, u64) {
    let mut world = GivenVisitors::new(Box::new(files), "r1".into());
    let topology = topology::of(&Options { run: "r1".into(), windows, sabotage: None }).expect("a topology");
    let mut tasks: Vec<_> = (0..PARTITIONS).map(|_| StreamTask::new(&topology, 0)).collect();
    let (mut out, mut dead, mut offset) = (Emit::default(), 0, 0);
    let mut feed = |task: &mut StreamTask, key: Vec<u8>, value: Vec<u8>| {
        offset += 1;
        let record =
            InputRecord { topic: EVENTS.into(), partition: 0, offset, timestamp_ms: 0, key: Some(key), value: Some(value), trace_id: None };
        task.process(&record).expect("results");
        task.commit();
    };
    while !world.is_over() {
        world.next(&mut out);
        for record in out.take() {
            let (key, value) = (record.key.expect("a key"), record.value.expect("a value"));
            let partition = key.iter().fold(7, |hash, byte| hash64(hash, u64::from(*byte))) as usize % PARTITIONS;
            match record.topic {
                EVENTS => feed(&mut tasks[partition], key, value),
                DEAD_LETTERS => dead += 1,
                other => panic!("{other} is no topic of events"),
            }
        }
    }
    let mut sessions = Vec::new();
    for task in &mut tasks {
        feed(task, b"r1".to_vec(), br#"{"run_end":"r1"}"#.to_vec());
        let published = task.take_published();
        let of_topic = published.iter().filter(|output| &*output.topic == SESSIONS);
        sessions.extend(
            of_topic.map(|output| serde_json::from_slice::<Session>(output.value.as_deref().expect("a value")).expect("a session")),
        );
    }
    (sessions, dead)
}

/// The batch job.
fn batch(events: &[(u8, i64)], gap_ms: i64) -> Vec<Plain> {
    let mut by_user: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (number, at_s) in events {
        let (ip, agent) = who(*number);
        by_user.entry(format!("{ip} {agent}")).or_default().push((EPOCH_S + at_s) * 1_000);
    }
    let mut sessions = Vec::new();
    for (user, mut times) in by_user {
        times.sort_unstable();
        let cut = times.chunk_by(|a, b| b - a <= gap_ms);
        sessions.extend(cut.map(|times| (user.clone(), times[0], times[times.len() - 1], times.len() as u64)));
    }
    sessions.sort();
    sessions
}

fn plain(sessions: &[Session]) -> Vec<Plain> {
    let mut plain: Vec<_> = sessions.iter().map(|it| (it.user_id.to_string(), it.start, it.end, it.events)).collect();
    plain.sort();
    plain
}

fn given(gap_ms: i64) -> Windows {
    let grace_ms = crate::pipelines::clickstream::settings::INPUT_GRACE_MS;
    Windows { sessions: SessionWindows { gap_ms, grace_ms }, ..Windows::at_speed(60) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Lines up to a minute out of order, in several files or partitions, from people in several zones and a robot that never rests.
    #[test]
    fn sessions_of_a_log_equal_a_batch_job(
        events in prop::collection::vec((0_u8..8, 0_i64..40_000, 0_i64..=60), 1..150),
        robot_every_s in 1_i64..400,
        files in 1_usize..4,
        are_partitions: bool,
        skew in 1_usize..40,
        gap_s in prop_oneof![Just(1_800_i64), 30_i64..3_000],
    ) {
        let mut lines: Vec<_> = events.iter().map(|(number, at_s, late_s)| (at_s + late_s, *number, *at_s)).collect();
        lines.extend((0..100).map(|n| (n * robot_every_s, 8, n * robot_every_s)));
        lines.sort_unstable();
        let folder = tempfile::tempdir().expect("a folder");
        let paths: Vec<_> = (0..files).map(|file| folder.path().join(format!("{file}.log"))).collect();
        let mut handles: Vec<_> = paths.iter().map(|path| File::create(path).expect("a file")).collect();
        for (at, (_, number, at_s)) in lines.iter().enumerate() {
            let zone_h = [0, -7, 2][at % 3];
            // Runs of lines: one file may hold hours of which the others know nothing.
            writeln!(handles[at / skew % files], "{}", line(*number, *at_s + 86_400, zone_h)).expect("written");
        }
        drop(handles);
        let expected: Vec<_> = lines.iter().map(|(_, number, at_s)| (*number, *at_s + 86_400)).collect();
        let (sessions, dead) = if are_partitions {
            run_files(Files::parts(&paths, &Mapping::default()).expect("lines"), given(gap_s * 1_000))
        } else {
            run(folder.path().to_str().expect("a path"), given(gap_s * 1_000))
        };
        prop_assert_eq!(plain(&sessions), batch(&expected, gap_s * 1_000));
        prop_assert_eq!(dead, 0);
    }
}

#[test]
fn too_short_a_grace_loses_sessions() {
    // The second line would make the first and the third one, and comes a minute late.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let events = [(0, 86_400), (0, 86_400 + 1_830), (0, 86_400 + 1_790)];
    let text: String = events.iter().map(|(number, at_s)| line(*number, *at_s, 0) + "\n").collect();
    std::fs::write(&path, text).expect("written");
    let input = path.to_str().expect("a path");
    assert_eq!(plain(&run(input, given(1_800_000)).0), batch(&events, 1_800_000));
    let mut short = given(1_800_000);
    short.sessions.grace_ms = 10_000;
    assert_ne!(plain(&run(input, short).0), batch(&events, 1_800_000));
}

#[test]
fn malformed_lines_are_told_and_the_rest_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log.gz");
    let mut file = GzEncoder::new(File::create(&path).expect("a file"), Compression::fast());
    let good = [line(0, 86_400, 0), line(1, 86_401, -7)];
    let binary: &[u8] = b"\xff\xfe\x00 nothing\n";
    file.write_all(binary).expect("written");
    write!(file, "{}\r\n\n{}\nshort\n{}", good[0], good[1], "x".repeat(200_000)).expect("written");
    file.finish().expect("written");
    let (sessions, dead) = run(path.to_str().expect("a path"), given(1_800_000));
    assert_eq!(plain(&sessions), batch(&[(0, 86_400), (1, 86_401)], 1_800_000));
    assert_eq!(dead, 3);
    let mut files = open(path.to_str().expect("a path")).expect("files").expect("they are there");
    let lines: Vec<_> = std::iter::from_fn(|| files.next()).collect();
    let numbers: Vec<_> = lines.iter().map(|line| (line.number, line.read.is_ok())).collect();
    assert_eq!(numbers, [(1, false), (2, true), (4, true), (5, false), (6, false)]);
    assert!(lines[4].read.as_ref().is_err_and(|(why, shown)| why.contains("longer") && shown.len() == SHOWN_MAX));
}

/// What the lines of a file are read as: numbers, and the pages or what is wrong.
fn pages(name: &str, bytes: &[u8]) -> Vec<(u64, Result<String, String>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    let mut files = open(path.to_str().expect("a path")).expect("files").expect("they are there");
    std::iter::from_fn(|| files.next()).map(|line| (line.number, line.read.map(|given| given.page).map_err(|bad| bad.0))).collect()
}

#[test]
fn a_quoted_field_may_hold_line_breaks() {
    let check = |rows: &str, expect: &[(u64, Result<&str, &str>)]| {
        let read = pages("events.csv", format!("time,user,page\n{rows}").as_bytes());
        assert_eq!(read.len(), expect.len(), "{rows}: {read:?}");
        for ((number, read), (expected_number, expected)) in read.iter().zip(expect) {
            let is_as_expected = match (read, expected) {
                (Ok(page), Ok(expected)) => page == expected,
                (Err(why), Err(expected)) => why.contains(expected),
                _ => false,
            };
            assert!(is_as_expected && number == expected_number, "{rows}: {number} {read:?}");
        }
    };
    check("5,u,\"/a\nb\"\n6,u,/c\n", &[(2, Ok("/a\nb")), (4, Ok("/c"))]);
    check("5,u,\"/a\n\n\"\"b\"\"\"\r\n6,u,/c", &[(2, Ok("/a\n\n\"b\"")), (5, Ok("/c"))]);
    // A quote gone astray takes no more than its own row with it.
    check("5,u,\"/a\n6,u,/b\n7,u,/c\n", &[(2, Err("quote")), (3, Ok("/b")), (4, Ok("/c"))]);
    check("5,u,\"/a\n6,u,/b\n7,u,\"/c\n", &[(2, Err("quote")), (3, Ok("/b")), (4, Err("quote"))]);
    let many = "6,u,/b\n".repeat(300);
    assert_eq!(pages("events.csv", format!("time,user,page\n5,u,\"/a\n{many}").as_bytes()).iter().filter(|row| row.1.is_ok()).count(), 300);
}

#[test]
fn a_file_that_breaks_off_says_so() {
    let mut file = GzEncoder::new(Vec::new(), Compression::none());
    (0..400).for_each(|n| writeln!(file, "{}", line(0, 86_400 + n, 0)).expect("written"));
    let bytes = file.finish().expect("written");
    let read = pages("access.log.gz", &bytes[..bytes.len() / 2]);
    assert!(read.len() > 100, "what was read before stands");
    assert!(read.iter().any(|(_, read)| read.as_ref().is_err_and(|why| why.contains("can't be read on"))), "{:?}", read.last());
    assert_eq!(pages("access.log.gz", &bytes).len(), 400);
}

#[test]
fn logs_that_were_just_rotated_are_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("access.log", "\n".to_owned()), ("access.log.1", line(0, 86_400, 0))] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let input = folder.path().to_str().expect("a path");
    assert_eq!(plain(&run(input, given(1_800_000)).0), batch(&[(0, 86_400)], 1_800_000));
    std::fs::remove_file(folder.path().join("access.log.1")).expect("removed");
    assert!(open(input).is_err_and(|why| why.contains("empty")));
}

/// Tables are sorted by anything, and a clock that was wrong once is years ahead of the rest.
#[test]
fn rows_far_out_of_order_are_put_in_order() {
    let by_user: Vec<_> =
        (0..6_u8).flat_map(|number| (0..50).map(move |n| (number, 86_400 + n * 1_700 + i64::from(number) * 13))).collect();
    let clock_ahead = [vec![(7, 2_000_000)], by_user.clone()].concat();
    for events in [by_user, clock_ahead] {
        let folder = tempfile::tempdir().expect("a folder");
        let rows = events
            .iter()
            .map(|(number, at_s)| format!("{},\"{} {}\"\n", EPOCH_S + at_s, who(*number).0, who(*number).1.replace('"', "\"\"")));
        std::fs::write(folder.path().join("events.csv"), format!("time,user\n{}", rows.collect::<String>())).expect("written");
        let (sessions, dead) = run(folder.path().to_str().expect("a path"), given(1_800_000));
        assert_eq!(plain(&sessions), batch(&events, 1_800_000));
        assert_eq!(dead, 0);
    }
    // Who ends the run does not wait for it.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("events.csv"), "time,user\n9000000,u\n5,u\n").expect("written");
    let (is_stopping, (updates, told)) = (Arc::new(AtomicBool::new(false)), updates::channel(|| {}));
    let preparation = Preparation::new(Arc::clone(&is_stopping), updates);
    let opened = || Files::open(folder.path().to_str().expect("a path"), &preparation);
    assert!(opened().is_ok_and(|files| files.is_some()));
    let notice = told.drain(9);
    assert!(matches!(&notice[..], [Update::Notice(notice)] if notice.detail.contains("2 rows were sorted")), "{notice:?}");
    is_stopping.store(true, Ordering::Release);
    assert!(opened().is_err_and(|why| why.contains("was ended")));
    // Rows keep their numbers, and what is none is told.
    let rows = [("9000000", "/c"), ("5", "/a"), ("soon", "/x"), ("70", "/b")].map(|(time, page)| format!("{time},u,{page}\n"));
    let read = pages("events.csv", format!("time,user,page\n{}", rows.concat()).as_bytes());
    let read: Vec<_> = read.iter().map(|(number, page)| (*number, page.as_deref().unwrap_or("none"))).collect();
    assert_eq!(read, [(4, "none"), (3, "/a"), (5, "/b"), (2, "/c")]);
}

#[test]
fn other_logs_of_a_folder_are_told_and_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("error.log"), "2026/11/23 00:00:00 [error] 1#1: *5 open() failed\n").expect("written");
    let input = folder.path().to_str().expect("a path");
    assert!(open(input).is_err_and(|why| why.contains("error.log: it is no access log")));
    std::fs::write(folder.path().join("access.log"), line(0, 86_400, 0)).expect("written");
    let (sessions, dead) = run(input, given(1_800_000));
    assert_eq!((plain(&sessions), dead), (batch(&[(0, 86_400)], 1_800_000), 1));
    assert!(open(&format!("{input}/access.log,{input}/error.log")).is_err(), "who names a file means it");
}

fn first(text: &str, mapping: &str) -> Result<Given, String> {
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let (format, has_header) = Format::of(&lines, &Mapping::parse(mapping)?)?;
    format.read(&lines[usize::from(has_header)])
}

#[test]
fn tables_and_objects_are_read_with_or_without_a_mapping() {
    let rees46 = "event_time,event_type,product_id,price,user_id,user_session\n2019-10-01 00:00:01 UTC,purchase,100,35.79,u7,s1";
    let given = first(rees46, "").expect("an event");
    assert_eq!((&*given.user_id, given.timestamp, given.action_type), ("u7", 1_569_888_001_000, Action::Purchase));
    assert_eq!((given.item_id.as_deref(), given.price_minor, &*given.session_id), (Some("100"), Some(3_579), "s1"));
    let given = first("when;who\n1433221332117;9", "user=who,time=when").expect("an event");
    assert_eq!((&*given.user_id, given.timestamp, given.action_type), ("9", 1_433_221_332_117, Action::View));
    let items = first("time,visitorid,event,itemid\n5,9,addtocart,7", "").expect("an event");
    assert_eq!((&*items.page, items.action_type), ("7", Action::AddToCart), "where only items are told, they are the pages");
    let other = first("time,user,type\n5,2,teleport", "action=").expect("an event");
    assert_eq!((&*other.page, other.action_type), ("unknown", Action::View));
    let own = r#"{"user_id":"u1","timestamp":5,"action_type":"add_to_cart","metadata":{"page_url":"/a","price_minor":7}}"#;
    let given = first(own, "").expect("an event");
    assert_eq!((&*given.page, given.price_minor, given.action_type), ("/a", Some(7), Action::AddToCart));
    let caddy =
        r#"{"level":"info","ts":5.25,"msg":"handled request","user_id":"","status":200,"request":{"remote_ip":"1.2.3.4","host":"shop",
        "method":"GET","uri":"/a","headers":{"User-Agent":["curl/8"],"Accept":["*/*"]}}}"#
            .replace('\n', " ");
    let given = first(&caddy, "").expect("an event");
    assert_eq!((&*given.user_id, given.timestamp, &*given.page, &*given.device), ("1.2.3.4 curl/8", 5_250, "/a", "bot"));
    let log = r#"1.2.3.4 - ann [10/Oct/2000:13:55:36 -0700] "POST /cart?x=1 HTTP/1.0" 200 1 "-" "Mozilla iPhone""#;
    assert_eq!(first(log, "").map(|given| given.user_id), Ok("ann".to_owned()));
    assert_eq!(first(log, "user=ip").map(|given| given.user_id), Ok("1.2.3.4".to_owned()));
    assert_eq!(first(log, "user=ip+agent").map(|given| given.user_id), Ok("1.2.3.4 Mozilla iPhone".to_owned()));
    assert_eq!(
        first(log, "").map(|it| (it.page, it.action_type, it.device)),
        Ok(("/cart".to_owned(), Action::AddToCart, "mobile".to_owned()))
    );
    for (wrong, why) in [
        ("a,b\n1,2", "time"),
        ("time,b\n1,2", "user"),
        ("time,user\n1", "fields"),
        ("time,user\nsoon,2", "`soon`"),
        ("time,user\n-5,2", "1970"),
        ("{\"time\":5}", "user"),
        ("time,user,action\n5,2,teleport", "`teleport` is no action"),
        ("time,user,price\n5,2,cheap", "the price: `cheap` is no number"),
        ("time,user,price_minor\n5,2,1.5", "`1.5` is no price in minor units"),
    ] {
        assert!(first(wrong, "").is_err_and(|error| error.contains(why)), "{wrong}");
    }
}

#[test]
fn logs_of_other_servers_are_read() {
    let iis = "#Software: IIS\r\n#Fields: date time cs-method cs-uri-stem cs-username c-ip cs(User-Agent) sc-status\r\n\
               2025-03-29 14:05:00 POST /cart - 10.0.0.5 Mozilla/5.0+(iPhone) 200\r\n#Fields: date time c-ip cs-uri-stem\r\n\
               2025-03-29 14:05:09 10.0.0.5 /a.png\r\nshort\r\n";
    let read = pages("u_ex.log", iis.as_bytes());
    let read: Vec<_> = read.iter().map(|(number, page)| (*number, page.as_deref().unwrap_or("none"))).collect();
    assert_eq!(read, [(3, "/cart"), (5, "/a.png"), (6, "none")]);
    let row = "2025-03-29 14:05:00 POST /cart ann 10.0.0.5 Mozilla/5.0+(iPhone) 200";
    let log = |mapping: &str| {
        let lines: Vec<_> = iis.lines().map(str::to_owned).collect();
        Format::of(&lines, &Mapping::parse(mapping).expect("a mapping")).and_then(|(format, _)| format.read(row))
    };
    let given = log("").expect("an event");
    assert_eq!(
        (&*given.user_id, given.timestamp, &*given.device, given.action_type),
        ("ann", 1_743_257_100_000, "mobile", Action::AddToCart)
    );
    assert_eq!(log("user=ip+agent").map(|given| given.user_id), Ok("10.0.0.5 Mozilla/5.0 (iPhone)".to_owned()));
    assert_eq!(log("user=c-ip").map(|given| given.user_id), Ok("10.0.0.5".to_owned()));
    let alb = r#"http 2025-03-29T14:05:00.5Z app/lb 10.0.0.5:2817 10.0.0.1:80 0 0 0 200 200 0 57 "GET http://x.example:80/a?b HTTP/1.1" "curl/8""#;
    let given = first(alb, "").expect("an event");
    assert_eq!((&*given.user_id, given.timestamp, &*given.page, &*given.device), ("10.0.0.5 curl/8", 1_743_257_100_500, "/a", "bot"));
}

#[test]
fn dates_and_prices_are_read_as_the_file_writes_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.csv");
    let read = |mapping: &str, text: &[u8]| {
        std::fs::write(&path, text).expect("written");
        let mut files = open(&format!("{}{mapping}", path.display()))?.expect("it is there");
        let of = |line: Line| line.read.map(|given| (given.timestamp / 1_000, given.price_minor)).map_err(|bad| bad.0);
        std::iter::from_fn(|| files.next()).map(of).collect::<Result<Vec<_>, _>>()
    };
    let shop = "Date;Time;User ID;Event Type;Price\r\n03/04/2025;14:05;u;purchase;12,34\r\n29/04/2025;14:05;u;view;\r\n;;;;\r\n";
    let expect = Ok(vec![(1_743_689_100, Some(1_234)), (1_745_935_500, None)]);
    let utf_16: Vec<_> = format!("\u{feff}{shop}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!((read("", shop.as_bytes()), read("", &utf_16)), (expect.clone(), expect));
    let array = br#"[{"time":"Mar 29, 2025 2:05 PM","user":"u","price":"$1,020.50"},
        {"time":"Mar 29, 2025 2:05:30 PM","user":"u","price":12.5}]"#;
    assert_eq!(read("", array), Ok(vec![(1_743_257_100, Some(102_050)), (1_743_257_130, Some(1_250))]));
    let open = b"time,user,price\n03/04/2025,u,\"1,020\"\n";
    assert!(read("", open).is_err_and(|why| why.contains("?dates=dmy")));
    assert!(read("?dates=dmy", open).is_err_and(|why| why.contains("?decimal=point")));
    assert_eq!(read("?dates=dmy&decimal=point", open), Ok(vec![(1_743_638_400, Some(102_000))]));
    assert_eq!(read(":dates=mdy,decimal=comma", open), Ok(vec![(1_741_046_400, Some(102))]));
}

#[test]
fn what_is_not_there_may_be_a_topic() {
    assert!(matches!(open("no-such-file"), Ok(None)));
    assert!(matches!(open("topic:clicks?user=who"), Ok(None)));
    assert!(open("topic:clicks?usr=who").is_err());
    assert!(open("no-such-file:nonsense=1").is_err());
}
