//! Sessions against the rules of KIP-227, with a clock of our own.

use bytes::Bytes;

use super::*;
use crate::codec::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};

fn request(session_id: i32, epoch: i32, partitions: &[(&str, i32)]) -> FetchRequest {
    let topic = |(name, index): &(&str, i32)| {
        let partition = FetchPartition::default().with_partition(*index).with_fetch_offset(7).with_partition_max_bytes(100);
        FetchTopic::default().with_topic(TopicName(text(*name))).with_partitions(vec![partition])
    };
    FetchRequest::default().with_session_id(session_id).with_session_epoch(epoch).with_topics(partitions.iter().map(topic).collect())
}

fn forget(request: FetchRequest, name: &str, partition: i32) -> FetchRequest {
    request.with_forgotten_topics_data(vec![ForgottenTopic::default().with_topic(TopicName(text(name))).with_partitions(vec![partition])])
}

/// What the log holds: high watermark, records, error.
fn data(partition: i32, high_watermark: i64, records: &'static str, error_code: i16) -> PartitionData {
    PartitionData::default()
        .with_partition_index(partition)
        .with_high_watermark(high_watermark)
        .with_log_start_offset(0)
        .with_error_code(error_code)
        .with_records(Some(Bytes::from_static(records.as_bytes())))
}

/// Fetches, the log being the same for all partitions. The error, the session, and the partitions told in their order.
fn fetch(
    sessions: &FetchSessions,
    request: &FetchRequest,
    now_ms: i64,
    log: impl Fn(&Asked) -> PartitionData,
) -> (Option<ResponseError>, i32, Vec<String>) {
    let fetching = match sessions.begin(request, false, now_ms) {
        Ok(fetching) => fetching,
        Err(error) => return (Some(error), 0, Vec::new()),
    };
    let results = fetching.asked.iter().map(log).collect();
    let answered = sessions.finish(fetching, results, now_ms);
    let told = answered.partitions.iter().map(|(topic, data)| format!("{}-{}", topic.name.as_str(), data.partition_index));
    (answered.error, answered.session_id, told.collect())
}

fn quiet(asked: &Asked) -> PartitionData {
    data(asked.partition, 9, "", 0)
}

#[test]
fn an_incremental_answer_holds_only_what_changed() {
    let sessions = FetchSessions::new(10, 100);
    let all = [("a", 0), ("a", 1), ("b", 0)];
    let (error, id, told) = fetch(&sessions, &request(0, 0, &all), 0, quiet);
    assert_eq!((error, told.len()), (None, 3));
    assert_ne!(id, 0);
    assert_eq!(fetch(&sessions, &request(id, 1, &[]), 0, quiet), (None, id, vec![]));
    let records_in_a =
        |asked: &Asked| if asked.topic.name.as_str() == "a" && asked.partition == 0 { data(0, 10, "xx", 0) } else { quiet(asked) };
    assert_eq!(fetch(&sessions, &request(id, 2, &[]), 0, records_in_a), (None, id, vec!["a-0".into()]));
    let watermark_of_b = |asked: &Asked| match asked.topic.name.as_str() {
        "b" => data(0, 11, "", 0),
        _ if asked.partition == 0 => data(0, 10, "", 0),
        _ => quiet(asked),
    };
    assert_eq!(fetch(&sessions, &request(id, 3, &[]), 0, watermark_of_b), (None, id, vec!["b-0".into()]));
    // An error is told each time, and its end as well.
    let b_fails = |asked: &Asked| if asked.topic.name.as_str() == "b" { data(0, 11, "", 1) } else { watermark_of_b(asked) };
    assert_eq!(fetch(&sessions, &request(id, 4, &[]), 0, b_fails), (None, id, vec!["b-0".into()]));
    assert_eq!(fetch(&sessions, &request(id, 5, &[]), 0, b_fails), (None, id, vec!["b-0".into()]));
    assert_eq!(fetch(&sessions, &request(id, 6, &[]), 0, watermark_of_b), (None, id, vec!["b-0".into()]));
    assert_eq!(fetch(&sessions, &request(id, 7, &[]), 0, watermark_of_b), (None, id, vec![]));
}

#[test]
fn who_was_served_waits_for_the_others() {
    let sessions = FetchSessions::new(10, 100);
    let full = |asked: &Asked| data(asked.partition, 9, "x", 0);
    let (_, id, told) = fetch(&sessions, &request(0, 0, &[("a", 0), ("a", 1), ("a", 2)]), 0, quiet);
    assert_eq!(told, ["a-0", "a-1", "a-2"]);
    let only_first = |asked: &Asked| if asked.partition == 0 { full(asked) } else { quiet(asked) };
    fetch(&sessions, &request(id, 1, &[]), 0, only_first);
    assert_eq!(fetch(&sessions, &request(id, 2, &[]), 0, full).2, ["a-1", "a-2", "a-0"]);
}

#[test]
fn partitions_come_change_and_go() {
    let sessions = FetchSessions::new(10, 100);
    let (_, id, _) = fetch(&sessions, &request(0, 0, &[("a", 0)]), 0, quiet);
    assert_eq!(fetch(&sessions, &request(id, 1, &[("b", 5)]), 0, quiet).2, ["b-5"]);
    let mut moved = request(id, 2, &[("a", 0)]);
    moved.topics[0].partitions[0].fetch_offset = 77;
    let fetching = sessions.begin(&moved, false, 0).unwrap();
    let offsets: Vec<i64> = fetching.asked.iter().map(|asked| asked.offset).collect();
    assert_eq!(offsets, [77, 7]);
    let fetching = sessions.begin(&forget(request(id, 3, &[]), "a", 0), false, 0).unwrap();
    assert_eq!(fetching.asked.len(), 1);
    // The last partition goes, and the session with it.
    assert_eq!(fetch(&sessions, &forget(request(id, 4, &[]), "b", 5), 0, quiet), (None, 0, vec![]));
    assert_eq!(fetch(&sessions, &request(id, 5, &[]), 0, quiet).0, Some(ResponseError::FetchSessionIdNotFound));
    assert_eq!(lock(&sessions.cache).partitions, 0);
}

#[test]
fn wrong_sessions_and_epochs_are_refused() {
    let sessions = FetchSessions::new(10, 100);
    let (_, id, _) = fetch(&sessions, &request(0, 0, &[("a", 0)]), 0, quiet);
    let check = |session_id, epoch, has_topic_ids, expect: ResponseError| {
        let refused = sessions.begin(&request(session_id, epoch, &[]), has_topic_ids, 0).err();
        assert_eq!(refused, Some(expect), "session {session_id} epoch {epoch}");
    };
    check(id + 1, 1, false, ResponseError::FetchSessionIdNotFound);
    check(id, 2, false, ResponseError::InvalidFetchSessionEpoch);
    check(id, 1, true, ResponseError::FetchSessionTopicIdError);
    // Overtaken by a later request of the same session.
    let first = sessions.begin(&request(id, 1, &[]), false, 0).unwrap();
    let second = sessions.begin(&request(id, 2, &[]), false, 0).unwrap();
    assert_eq!(sessions.finish(first, vec![], 0).error, Some(ResponseError::InvalidFetchSessionEpoch));
    assert_eq!(sessions.finish(second, vec![], 0).error, None);
    // Said to be over.
    assert_eq!(fetch(&sessions, &request(id, FINAL_EPOCH, &[("a", 0)]), 0, quiet), (None, 0, vec!["a-0".into()]));
    check(id, 3, false, ResponseError::FetchSessionIdNotFound);
    assert!(lock(&sessions.cache).sessions.is_empty());
}

#[test]
fn a_full_cache_keeps_who_is_at_work() {
    let sessions = FetchSessions::new(2, 100);
    let open = |partitions: &[(&str, i32)], now_ms| fetch(&sessions, &request(0, 0, partitions), now_ms, quiet).1;
    let lives = |id: i32| lock(&sessions.cache).sessions.contains_key(&id);
    let first = open(&[("a", 0)], 0);
    let second = open(&[("a", 0), ("a", 1)], 0);
    assert_eq!(open(&[("c", 0), ("c", 1), ("c", 2)], EVICTION_MS), 0, "both are young and at work");
    fetch(&sessions, &request(second, 1, &[]), EVICTION_MS, quiet);
    let third = open(&[("c", 0)], EVICTION_MS + 1);
    assert!(!lives(first) && lives(second) && third != 0, "the idle one gave way");
    fetch(&sessions, &request(second, 2, &[]), EVICTION_MS + 1, quiet);
    assert_eq!(open(&[("d", 0), ("d", 1)], EVICTION_MS + 2), 0, "the old one is not smaller");
    assert_ne!(open(&[("d", 0), ("d", 1), ("d", 2)], EVICTION_MS + 2), 0, "the old one is smaller");
    assert!(!lives(second));
}

#[test]
fn partitions_of_all_sessions_are_bounded() {
    let sessions = FetchSessions::new(10, 3);
    let (_, id, _) = fetch(&sessions, &request(0, 0, &[("a", 0), ("a", 1)]), 0, quiet);
    assert_ne!(id, 0);
    assert_eq!(fetch(&sessions, &request(0, 0, &[("b", 0), ("b", 1)]), 0, quiet).1, 0, "answered, but not remembered");
    assert_eq!(fetch(&sessions, &request(id, 1, &[("a", 2)]), 0, quiet).0, None);
    assert_eq!(fetch(&sessions, &request(id, 2, &[("a", 3)]), 0, quiet).0, Some(ResponseError::FetchSessionIdNotFound));
    assert_eq!(lock(&sessions.cache).partitions, 0);
}
