//! The guard's shapes are the codec's: whatever a shape can describe the codec reads to the last byte. And what lies is refused.

use bytes::{Buf as _, BufMut as _, Bytes};
use kafka_protocol::messages::*;

use super::*;

const MAX_ELEMENTS: usize = 1_000;
const ROUNDS: u64 = 20;

/// Small, seeded, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Writes a random body of this shape.
struct Writer<'a> {
    random: &'a mut Random,
    bytes: Vec<u8>,
}

impl Writer<'_> {
    fn structure(&mut self, fields: &[Field], form: Form) {
        let present = |field: &&Field| field.versions.0 <= form.version && form.version <= field.versions.1;
        for field in fields.iter().filter(|field| field.tag.is_none()).filter(present) {
            self.value(&field.kind, form);
        }
        if !form.flexible {
            return;
        }
        let known: Vec<&Field> = fields.iter().filter(|field| field.tag.is_some()).filter(present).collect();
        let known: Vec<&Field> = known.into_iter().filter(|_| self.random.below(2) == 0).collect();
        self.varint(known.len() as u32 + 1);
        for field in known {
            let outside = std::mem::take(&mut self.bytes);
            self.value(&field.kind, form);
            let inside = std::mem::replace(&mut self.bytes, outside);
            self.varint(field.tag.unwrap());
            self.varint(inside.len() as u32);
            self.bytes.extend(inside);
        }
        // And one that nobody knows.
        self.varint(4_000);
        self.varint(2);
        self.bytes.put_u16(7);
    }

    fn value(&mut self, kind: &Kind, form: Form) {
        match kind {
            Kind::Fixed(size) => (0..*size).for_each(|_| self.bytes.push(1)),
            Kind::Text => {
                let length = self.random.below(5) as usize;
                if form.flexible {
                    self.varint(length as u32 + 1)
                } else {
                    self.bytes.put_i16(length as i16)
                }
                self.bytes.extend(std::iter::repeat_n(b'x', length));
            }
            Kind::Bytes => {
                let length = self.random.below(200) as usize;
                self.count(length, form);
                self.bytes.extend(std::iter::repeat_n(b'x', length));
            }
            Kind::Array(element) => {
                let count = self.random.below(4) as usize;
                self.count(count, form);
                (0..count).for_each(|_| self.value(element, form));
            }
            Kind::Struct(fields) => self.structure(fields, form),
            Kind::Nullable(fields) => {
                if self.random.below(2) == 0 {
                    self.bytes.put_i8(-1);
                } else {
                    self.bytes.put_i8(1);
                    self.structure(fields, form);
                }
            }
        }
    }

    fn count(&mut self, count: usize, form: Form) {
        if form.flexible { self.varint(count as u32 + 1) } else { self.bytes.put_i32(count as i32) }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

fn check<R: kafka_protocol::protocol::Request>() {
    let versions = R::VERSIONS;
    let parsed = PARSED.iter().find(|parsed| parsed.key == R::KEY).expect("every API has a shape");
    for version in versions.min..=versions.max {
        for seed in 1..=ROUNDS {
            let mut random = Random(seed * 0x9E37_79B9 + u64::from(version.unsigned_abs()));
            let form = Form { version, flexible: version >= parsed.flexible_from };
            let mut writer = Writer { random: &mut random, bytes: Vec::new() };
            writer.structure(&parsed.fields, form);
            let body = Bytes::from(writer.bytes);
            let name = std::any::type_name::<R>();
            assert_eq!(Guard::new(&body, MAX_ELEMENTS).body(R::KEY, version), Ok(()), "{name} {version}, seed {seed}");
            let mut left = body.clone();
            R::decode(&mut left, version).unwrap_or_else(|error| panic!("{name} {version}, seed {seed}: {error:#}"));
            assert_eq!(left.remaining(), 0, "{name} {version}, seed {seed}: the codec read less than the guard");
            // No prefix passes, so nothing short of the whole reaches the codec.
            for length in 0..body.len() {
                assert!(Guard::new(&body[..length], MAX_ELEMENTS).body(R::KEY, version).is_err(), "{name} {version}: {length} bytes");
            }
        }
    }
}

macro_rules! check_all {
    ($($request:ident)*) => {{
        $(check::<$request>();)*
        [$(<$request as kafka_protocol::protocol::Request>::KEY),*]
    }};
}

#[test]
fn shapes_are_the_codecs() {
    let checked = check_all!(
        ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest FindCoordinatorRequest
        JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest SaslHandshakeRequest
        ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest
        AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest TxnOffsetCommitRequest DescribeAclsRequest CreateAclsRequest
        DeleteAclsRequest DescribeConfigsRequest AlterConfigsRequest DescribeLogDirsRequest SaslAuthenticateRequest CreatePartitionsRequest
        DeleteGroupsRequest ElectLeadersRequest IncrementalAlterConfigsRequest AlterPartitionReassignmentsRequest
        ListPartitionReassignmentsRequest OffsetDeleteRequest DescribeClientQuotasRequest AlterClientQuotasRequest
        DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest DescribeQuorumRequest UpdateFeaturesRequest
        DescribeClusterRequest DescribeProducersRequest DescribeTransactionsRequest ListTransactionsRequest ConsumerGroupHeartbeatRequest
        ConsumerGroupDescribeRequest GetTelemetrySubscriptionsRequest PushTelemetryRequest ListConfigResourcesRequest
        DescribeTopicPartitionsRequest
    );
    let unchecked: Vec<i16> = SHAPES.iter().map(|shape| shape.key).filter(|key| !checked.contains(key)).collect();
    assert_eq!(unchecked, Vec::<i16>::new(), "shapes that no test holds against the codec");
}

#[test]
fn every_api_served_has_a_shape() {
    for entry in crate::api::APIS {
        assert!(SHAPES.iter().any(|shape| shape.key == entry.key), "{} needs a shape", entry.name);
    }
}

#[test]
fn lying_counts_are_refused() {
    // Metadata 1: an array of topics that claims 2^31-1 of them.
    let error = Guard::new(&[0x7f, 0xff, 0xff, 0xff], MAX_ELEMENTS).body(3, 1);
    assert!(matches!(error, Err(GuardError::TooLong { .. })), "{error:?}");
    // Metadata 9: the same, compact.
    let error = Guard::new(&[0xff, 0xff, 0xff, 0xff, 0x0f], MAX_ELEMENTS).body(3, 9);
    assert!(matches!(error, Err(GuardError::TooLong { .. })), "{error:?}");
    // Produce 3: no transactional id, acks, timeout, then the lie.
    let error = Guard::new(&[0xff, 0xff, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff], MAX_ELEMENTS).body(0, 3);
    assert!(matches!(error, Err(GuardError::TooLong { .. })), "{error:?}");
    // As many elements as there are bytes, but more than anyone needs.
    let mut many = vec![0, 0, 0x10, 0];
    many.resize(4 + 2 * 0x1000, 0);
    assert_eq!(Guard::new(&many, MAX_ELEMENTS).body(3, 1), Err(GuardError::TooManyElements));
}
