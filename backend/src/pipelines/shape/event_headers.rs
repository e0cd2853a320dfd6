//! The headers of an event as it enters a pipeline: when it was sent, which one it is, what it looks like, what it begins.
//!
//! | header | value |
//! |---|---|
//! | `sent_at_ms` | wall clock when it was sent, epoch milliseconds: the record's own timestamp is event time |
//! | `event_id` | a [ULID](https://github.com/ulid/spec) of its event time; equal seeds give equal ids |
//! | `trace_id` | the same number in the 32 hexadecimal digits of W3C Trace Context; results carry the one of the event that brought them about |
//! | `gen_seq` | how many events its generator made before it |
//! | `schema` | what the value looks like, `NAME@VERSION`; the name is the topic's |

use std::fmt::Write as _;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use ulid::{ULID_LEN, Ulid};
use weir_model::TimestampMs;

use crate::stream::{TRACE_ID, app::SENT_AT_MS};

/// Of all values so far. A change that old readers can't follow makes it two, for that topic.
const SCHEMA_VERSION: u32 = 1;

/// Makes headers, one event after the other.
#[derive(Debug)]
pub(in crate::pipelines) struct EventHeaders {
    ids: ChaCha8Rng,
    made: u64,
    sent_at: String,
    event_id: [u8; ULID_LEN],
    trace_id: String,
    seq: String,
    schema: String,
}

impl EventHeaders {
    /// Equal seeds give equal ids.
    pub(in crate::pipelines) fn new(seed: u64) -> Self {
        Self {
            ids: ChaCha8Rng::seed_from_u64(seed),
            made: 0,
            sent_at: String::new(),
            event_id: [0; ULID_LEN],
            trace_id: String::new(),
            seq: String::new(),
            schema: String::new(),
        }
    }

    /// The headers of the next event: of this topic, event time and wall clock.
    pub(in crate::pipelines) fn next(&mut self, topic: &str, event_ms: i64, now: TimestampMs) -> [(&'static str, Option<&[u8]>); 5] {
        let id = Ulid::from_parts(u64::try_from(event_ms).unwrap_or(0), self.ids.random());
        id.array_to_str(&mut self.event_id);
        for text in [&mut self.sent_at, &mut self.trace_id, &mut self.seq, &mut self.schema] {
            text.clear();
        }
        // Writing to a string can't fail.
        let _ = write!(self.sent_at, "{}", now.0);
        let _ = write!(self.trace_id, "{:032x}", u128::from(id));
        let _ = write!(self.seq, "{}", self.made);
        let _ = write!(self.schema, "{topic}@{SCHEMA_VERSION}");
        self.made += 1;
        [
            (SENT_AT_MS, Some(self.sent_at.as_bytes())),
            ("event_id", Some(&self.event_id)),
            (TRACE_ID, Some(self.trace_id.as_bytes())),
            ("gen_seq", Some(self.seq.as_bytes())),
            ("schema", Some(self.schema.as_bytes())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(headers: &[(&str, Option<&'a [u8]>)], name: &str) -> &'a str {
        let value = headers.iter().find(|(header, _)| *header == name).and_then(|(_, value)| *value).expect("the header");
        std::str::from_utf8(value).expect("text")
    }

    #[test]
    fn ids_are_of_the_event_and_of_the_seed() {
        let event_ms = 1_800_000_000_123;
        let ids = |seed: u64| -> Vec<String> {
            let mut headers = EventHeaders::new(seed);
            (0..100).map(|_| text(&headers.next("clicks", event_ms, TimestampMs(5)), "event_id").to_owned()).collect()
        };
        assert_eq!(ids(1), ids(1));
        let mut all = [ids(1), ids(2)].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 200);
        assert!(all.iter().all(|id| id.parse::<Ulid>().is_ok_and(|id| id.timestamp_ms() == event_ms as u64)), "{all:?}");
    }

    #[test]
    fn headers_say_what_an_event_is() {
        let mut headers = EventHeaders::new(7);
        let headers = headers.next("clicks", -1, TimestampMs(1_800_000_000_456));
        assert_eq!((text(&headers, SENT_AT_MS), text(&headers, "schema")), ("1800000000456", "clicks@1"));
        let id: Ulid = text(&headers, "event_id").parse().expect("a ULID");
        assert_eq!((id.timestamp_ms(), text(&headers, "trace_id")), (0, format!("{:032x}", u128::from(id)).as_str()));
    }
}
