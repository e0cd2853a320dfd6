//! A record as one line of JSON, in the envelope of `kcat -J`.
//!
//! Fields: `topic`, `partition`, `offset`, `tstype` (`create`, `logappend`, `unknown`), `ts` (epoch ms or null), `headers` (names and values
//! in turns, duplicates kept), `key`, `payload`. Null stays null. Bytes that are not UTF-8 can't stand in JSON: then `key` or `payload` is
//! null and `key_hex` or `payload_hex` holds them, so that nothing is lost; a header's value then stands as `hex:…`.

use serde::Serialize;
use weir_model::Record;

/// The record as one line, without the line's end.
pub fn envelope(record: &Record) -> String {
    let (key, key_hex) = text_or_hex(record.key.as_deref());
    let (payload, payload_hex) = text_or_hex(record.value.as_deref());
    let headers = record.headers.iter().flat_map(|header| {
        let value = header.value.as_deref().map(|value| match text_or_hex(Some(value)) {
            (Some(text), _) => text.to_owned(),
            (None, hex) => format!("hex:{}", hex.unwrap_or_default()),
        });
        [Some(header.name.to_string()), value]
    });
    let line = Line {
        topic: record.topic.as_str(),
        partition: record.partition.0,
        offset: record.offset.0,
        tstype: record.timestamp_type.as_str(),
        ts: record.timestamp.map(|at| at.0),
        headers: headers.collect(),
        key,
        key_hex,
        payload,
        payload_hex,
    };
    // Plain data with text keys: serialising it can't fail.
    serde_json::to_string(&line).unwrap_or_default()
}

#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    tstype: &'static str,
    ts: Option<i64>,
    headers: Vec<Option<String>>,
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hex: Option<String>,
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
}

fn text_or_hex(bytes: Option<&[u8]>) -> (Option<&str>, Option<String>) {
    match bytes.map(std::str::from_utf8) {
        None => (None, None),
        Some(Ok(text)) => (Some(text), None),
        Some(Err(_)) => (None, Some(bytes.unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect())),
    }
}

#[cfg(test)]
mod tests {
    use weir_model::{Offset, PartitionId, RecordHeader, TimestampMs, TimestampType, TopicName};

    use super::*;

    #[test]
    fn nothing_is_lost() {
        let record = |key: Option<&[u8]>, value: Option<&[u8]>| Record {
            topic: TopicName::from("t"),
            partition: PartitionId(1),
            offset: Offset(9_007_199_254_740_993),
            timestamp: Some(TimestampMs(5)),
            timestamp_type: TimestampType::CreateTime,
            headers: vec![
                RecordHeader { name: "h".into(), value: Some(b"1"[..].into()) },
                RecordHeader { name: "h".into(), value: Some(b"\xff"[..].into()) },
                RecordHeader { name: "n".into(), value: None },
            ],
            key: key.map(Into::into),
            value: value.map(Into::into),
        };
        let check = |record: &Record, end: &str| {
            let start = r#"{"topic":"t","partition":1,"offset":9007199254740993,"tstype":"create","ts":5,"headers":["h","1","h","hex:ff","n",null],"#;
            assert_eq!(envelope(record), format!("{start}{end}"));
        };
        check(&record(Some(b"k"), Some(b"v\n")), r#""key":"k","payload":"v\n"}"#);
        check(&record(None, Some(b"")), r#""key":null,"payload":""}"#);
        check(&record(Some(b""), None), r#""key":"","payload":null}"#);
        check(&record(None, Some(b"\xff\x00")), r#""key":null,"payload":null,"payload_hex":"ff00"}"#);
    }
}
