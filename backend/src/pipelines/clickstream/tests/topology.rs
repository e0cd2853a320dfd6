//! The topology, event by event.

use super::super::{
    records::{ClosedBy, Session, Stats},
    settings::{EVENTS, SESSIONS, STATS},
    topology,
};
use crate::stream::{InputRecord, Publish, StreamTask};

/// A task over one partition; what it published is in the order in which it was.
struct Driver {
    task: StreamTask,
    next_offset: i64,
}

impl Driver {
    fn process(&mut self, value: &[u8], out: &mut Vec<Publish>) {
        let offset = self.next_offset;
        self.next_offset += 1;
        let (key, value) = (Some(b"u".to_vec()), Some(value.to_vec()));
        self.task
            .process(&InputRecord { topic: EVENTS.into(), partition: 0, offset, timestamp_ms: 0, key, value, trace_id: None })
            .expect("a result");
        self.task.commit();
        out.extend(self.task.take_published());
    }

    fn finish(&mut self, out: &mut Vec<Publish>) {
        self.process(br#"{"run_end":"r1"}"#, out);
    }
}

fn run(events: &[(&str, i64, &str)]) -> (Driver, Vec<Publish>) {
    let topology = topology(&"r1".into(), 60).expect("a topology");
    let (mut task, mut out) = (Driver { task: StreamTask::new(&topology, 0), next_offset: 0 }, Vec::new());
    for (offset, (user, second, action)) in events.iter().enumerate() {
        let value = format!(
            r#"{{"user_id":"{user}","session_id":"{user}-1","timestamp":{},"action_type":"{action}","page":"/p{offset}","variant":"A","price_minor":500}}"#,
            second * 1_000
        );
        task.process(value.as_bytes(), &mut out);
    }
    (task, out)
}

fn sessions(out: &[Publish]) -> Vec<Session> {
    let of_topic = out.iter().filter(|output| &*output.topic == SESSIONS);
    of_topic.map(|output| serde_json::from_slice(output.value.as_deref().expect("a value")).expect("a session")).collect()
}

#[test]
fn a_session_tells_what_happened_in_event_time() {
    // The purchase comes first into the log, and the first view last.
    let (mut task, mut out) = run(&[("u", 30, "purchase"), ("u", 20, "add_to_cart"), ("u", 40, "scroll"), ("u", 10, "view")]);
    task.finish(&mut out);
    let session = &sessions(&out)[0];
    assert_eq!((session.start, session.end, session.events, session.pages), (10_000, 40_000, 4, 1));
    assert_eq!((&*session.entry_page, &*session.exit_page), ("/p3", "/p2"));
    assert_eq!((session.funnel, session.converted, session.bounced, session.revenue_minor), (3, true, false, 500));
    assert_eq!((session.closed_by, &*session.variant), (ClosedBy::RunEnd, "A"));
}

#[test]
fn the_funnel_wants_the_steps_in_order() {
    let depth = |events: &[(&str, i64, &str)]| {
        let (mut task, mut out) = run(events);
        task.finish(&mut out);
        sessions(&out)[0].funnel
    };
    assert_eq!(depth(&[("u", 1, "scroll")]), 0);
    assert_eq!(depth(&[("u", 1, "view")]), 1);
    assert_eq!(depth(&[("u", 1, "add_to_cart"), ("u", 2, "view")]), 1);
    assert_eq!(depth(&[("u", 1, "view"), ("u", 2, "purchase"), ("u", 3, "add_to_cart")]), 2);
    assert_eq!(depth(&[("u", 1, "view"), ("u", 2, "add_to_cart"), ("u", 2, "purchase")]), 3, "equal times count as in order");
}

#[test]
fn a_bounce_is_one_page_and_gone() {
    let bounced = |events: &[(&str, i64, &str)]| {
        let (mut task, mut out) = run(events);
        task.finish(&mut out);
        sessions(&out)[0].bounced
    };
    assert!(bounced(&[("u", 1, "view")]));
    assert!(bounced(&[("u", 1, "view"), ("u", 2, "scroll")]));
    assert!(!bounced(&[("u", 1, "view"), ("u", 2, "view")]));
    assert!(!bounced(&[("u", 1, "view"), ("u", 2, "click")]));
}

#[test]
fn windows_count_events_and_active_users() {
    let (_, out) = run(&[("a", 1, "view"), ("b", 2, "click"), ("a", 59, "view"), ("c", 70, "view")]);
    let stats: Stats = serde_json::from_slice(
        out.iter().find(|output| &*output.topic == STATS).expect("closed at 70 s").value.as_deref().expect("a value"),
    )
    .expect("counts");
    assert_eq!((stats.window_start, stats.window_end, stats.events, stats.actions["view"]), (0, 60_000, 3, 2));
    assert_eq!((stats.active_users, stats.sessions_open), (3, 3), "the one who came in the grace counts");
}

#[test]
fn what_is_no_event_is_a_dead_letter_with_the_reason() {
    let (mut task, mut out) = run(&[("a", 1, "view")]);
    for bad in [
        &b"garbage"[..],
        b"{}",
        b"\xff\xfe",
        br#"{"user_id":"u1","timestamp":"1","action_type":"view","page":"/"}"#,
        br#"{"user_id":"u1","timestamp":1,"action_type":"teleport","page":"/"}"#,
        br#"{"user_id":"u1","timestamp":-1,"action_type":"view","page":"/"}"#,
        br#"{"user_id":"u1","timestamp":9223372036854775807,"action_type":"view","page":"/"}"#,
        br#"{"timestamp":1,"action_type":"view","page":"/"}"#,
        br#"{"user_id":"u1","timestamp":1,"action_type":"view"}"#,
    ] {
        out.clear();
        task.process(bad, &mut out);
        assert_eq!(out.len(), 1, "{}", String::from_utf8_lossy(bad));
        assert_eq!((&*out[0].topic, out[0].value.as_deref()), (super::super::settings::DEAD_LETTERS, Some(bad)));
        assert_eq!(out[0].headers[0].0, "error");
    }
    assert_eq!(task.task.dropped().malformed, 9);
}

#[test]
fn an_end_of_another_run_ends_nothing() {
    let (mut task, mut out) = run(&[("a", 1, "view")]);
    task.process(br#"{"run_end":"r0"}"#, &mut out);
    assert!(sessions(&out).is_empty());
    task.finish(&mut out);
    assert_eq!(sessions(&out).len(), 1);
}
