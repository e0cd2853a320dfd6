//! Lines to paste into a terminal, and texts to put on the clipboard. Pure.

use weir_model::{Record, TopicName};

/// The line that reads this record again.
pub(crate) fn kcat_read(bootstrap: Option<&str>, record: &Record) -> String {
    let Record { topic, partition, offset, .. } = record;
    format!("kcat -b {} -C -t {topic} -p {partition} -o {offset} -c 1 -J", address(bootstrap))
}

/// The line that writes what is typed to a topic.
pub(crate) fn kcat_write(bootstrap: Option<&str>, topic: &TopicName) -> String {
    format!("kcat -b {} -P -t {topic}", address(bootstrap))
}

fn address(bootstrap: Option<&str>) -> &str {
    bootstrap.unwrap_or("HOST:PORT")
}

/// A payload as text for the clipboard: itself when it is UTF-8, hex digits otherwise.
pub(super) fn copyable(bytes: Option<&[u8]>) -> String {
    match bytes.map(std::str::from_utf8) {
        None => "null".to_owned(),
        Some(Ok(text)) => text.to_owned(),
        Some(Err(_)) => super::payload::hex_digits(bytes.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use weir_model::{Offset, PartitionId, TimestampType};

    use super::*;

    #[test]
    fn a_line_reads_exactly_one_record() {
        let record = Record {
            topic: "orders".into(),
            partition: PartitionId(3),
            offset: Offset(42),
            timestamp: None,
            timestamp_type: TimestampType::Unknown,
            headers: Vec::new(),
            key: None,
            value: None,
        };
        assert_eq!(kcat_read(Some("127.0.0.1:9092"), &record), "kcat -b 127.0.0.1:9092 -C -t orders -p 3 -o 42 -c 1 -J");
        assert_eq!(kcat_write(None, &"hello".into()), "kcat -b HOST:PORT -P -t hello");
    }

    #[test]
    fn bytes_that_are_no_text_are_copied_as_hex() {
        let check = |bytes: Option<&[u8]>, expect: &str| assert_eq!(copyable(bytes), expect);
        check(None, "null");
        check(Some(b""), "");
        check(Some(b"a"), "a");
        check(Some(b"\xff\x00"), "ff00");
    }
}
