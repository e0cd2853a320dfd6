//! What makes a record out of typed text. Pure. Null and empty are different things, so each has a choice of its own.

use std::sync::Arc;

use weir_model::{PartitionId, ProduceRecord, RecordHeader, TopicName};

/// The fields of the dialog, as typed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct ProduceForm {
    pub(super) key: Field,
    pub(super) value: Field,
    /// `name=value`, one a line; a name alone is a null header.
    pub(super) headers: String,
    /// Empty lets the partitioner choose.
    pub(super) partition: String,
}

/// A key or a value.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Field {
    pub(super) is_null: bool,
    pub(super) text: String,
}

impl Field {
    fn bytes(&self) -> Option<Arc<[u8]>> {
        (!self.is_null).then(|| self.text.as_bytes().into())
    }

    /// What will be written, in words.
    pub(super) fn note(&self, null_means: &'static str) -> String {
        match (self.is_null, self.text.len()) {
            (true, _) => null_means.to_owned(),
            (false, 0) => "empty, 0 bytes (not null)".to_owned(),
            (false, 1) => "1 byte".to_owned(),
            (false, len) => format!("{len} bytes"),
        }
    }
}

impl ProduceForm {
    /// The record to write, or what is wrong.
    pub(super) fn record(&self, topic: &TopicName, partitions: usize) -> Result<ProduceRecord, String> {
        Ok(ProduceRecord {
            topic: topic.clone(),
            partition: parse_partition(self.partition.trim(), partitions)?,
            key: self.key.bytes(),
            value: self.value.bytes(),
            headers: parse_headers(&self.headers)?,
        })
    }
}

fn parse_partition(text: &str, partitions: usize) -> Result<Option<PartitionId>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<i32>() {
        Ok(number) if usize::try_from(number).is_ok_and(|number| number < partitions) => Ok(Some(PartitionId(number))),
        _ => Err(format!("`{text}` is no partition of this topic; it has 0 to {}", partitions.saturating_sub(1))),
    }
}

fn parse_headers(text: &str) -> Result<Vec<RecordHeader>, String> {
    let header = |line: &str| {
        let (name, value) = line.split_once('=').map_or((line, None), |(name, value)| (name, Some(value)));
        if name.trim().is_empty() {
            return Err(format!("`{line}` has no header name"));
        }
        Ok(RecordHeader { name: name.trim().into(), value: value.map(|value| value.as_bytes().into()) })
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_stay_apart() {
        let check = |is_null: bool, text: &str, expect: Option<&[u8]>| {
            let field = Field { is_null, text: text.to_owned() };
            assert_eq!(field.bytes().as_deref(), expect);
        };
        check(true, "left over", None);
        check(false, "", Some(b""));
        check(false, "null", Some(b"null"));
    }

    #[test]
    fn headers_keep_order_duplicates_and_null() {
        let headers = parse_headers("trace=a=b\n\ntrace=\nflag").expect("they are valid");
        let seen: Vec<_> = headers.iter().map(|header| (&*header.name, header.value.as_deref())).collect();
        assert_eq!(seen, [("trace", Some(&b"a=b"[..])), ("trace", Some(&b""[..])), ("flag", None)]);
        assert!(parse_headers("=x").is_err());
    }

    #[test]
    fn a_partition_must_exist() {
        let check = |text: &str, expect: Option<Option<i32>>| {
            assert_eq!(parse_partition(text, 3).ok().map(|partition| partition.map(|it| it.0)), expect, "{text}");
        };
        check("", Some(None));
        check("2", Some(Some(2)));
        check("3", None);
        check("-1", None);
    }
}
