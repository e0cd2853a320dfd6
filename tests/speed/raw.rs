//! Kafka's protocol as bytes, in its oldest versions that all three brokers serve: a client that costs next to nothing, so that what is
//! measured is the broker.

use std::io::{Error, Read as _, Result, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const CLIENT_ID: &[u8] = b"speed";
const PATIENCE: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(1);
const BATCH_HEADER_BYTES: usize = 61;
const CRC_COVERS_FROM: usize = 21;
const TIMEOUT_MS: i32 = 30_000;

/// One connection. Requests may be pipelined: answers come in order.
pub(crate) struct Connection(TcpStream);

/// What a Fetch brought.
pub(crate) struct Fetched {
    pub(crate) record_bytes: usize,
    /// Where to go on; `None`: nothing came.
    pub(crate) next_offset: Option<i64>,
}

impl Connection {
    pub(crate) fn open(bootstrap: &str) -> Result<Self> {
        let stream = TcpStream::connect(bootstrap)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Metadata v4: brings the topic into being.
    pub(crate) fn ask_for_topic(&mut self, topic: &str) -> Result<()> {
        let mut body = 1_i32.to_be_bytes().to_vec();
        put_text(&mut body, topic);
        body.push(1);
        self.send(&frame(3, 4, &body))?;
        self.receive().map(drop)
    }

    /// CreateTopics v2, and what Kafka leaves to the client: waiting until each partition answers.
    pub(crate) fn create_topic(&mut self, topic: &str, partitions: i32) -> Result<()> {
        let mut body = 1_i32.to_be_bytes().to_vec();
        put_text(&mut body, topic);
        body.extend(partitions.to_be_bytes());
        body.extend(1_i16.to_be_bytes());
        body.extend([0; 8]); // No assignment, no configs.
        body.extend(TIMEOUT_MS.to_be_bytes());
        body.push(0);
        self.send(&frame(19, 2, &body))?;
        let answer = self.receive()?;
        no_error("CreateTopics", i16_at(&answer, 8 + 2 + topic.len())?)?;
        for partition in 0..partitions {
            let patience = Instant::now() + PATIENCE;
            while let Err(error) = self.send(&fetch_now(topic, partition)).and_then(|()| self.fetched(topic)) {
                if Instant::now() > patience {
                    return Err(error);
                }
                std::thread::sleep(RETRY);
            }
        }
        Ok(())
    }

    /// DeleteTopics v1.
    pub(crate) fn delete_topic(&mut self, topic: &str) -> Result<()> {
        let mut body = 1_i32.to_be_bytes().to_vec();
        put_text(&mut body, topic);
        body.extend(TIMEOUT_MS.to_be_bytes());
        self.send(&frame(20, 1, &body))?;
        let answer = self.receive()?;
        no_error("DeleteTopics", i16_at(&answer, 8 + 2 + topic.len())?)
    }

    pub(crate) fn send(&mut self, frame: &[u8]) -> Result<()> {
        self.0.write_all(frame)
    }

    /// The answer to a Produce v3.
    pub(crate) fn produced(&mut self, topic: &str) -> Result<()> {
        let answer = self.receive()?;
        no_error("Produce", i16_at(&answer, 4 + 2 + topic.len() + 4 + 4)?)
    }

    /// The answer to a Fetch v4.
    pub(crate) fn fetched(&mut self, topic: &str) -> Result<Fetched> {
        let answer = self.receive()?;
        let partition = 4 + 4 + 2 + topic.len() + 4;
        no_error("Fetch", i16_at(&answer, partition + 4)?)?;
        let aborted_at = partition + 4 + 2 + 8 + 8;
        let aborted = i32_at(&answer, aborted_at)?.max(0) as usize;
        let records = answer.get(aborted_at + 4 + aborted * 16 + 4..).unwrap_or_default();
        Ok(Fetched { record_bytes: records.len(), next_offset: next_offset(records) })
    }

    /// A frame without its length and correlation id.
    fn receive(&mut self) -> Result<Vec<u8>> {
        let mut head = [0; 8];
        self.0.read_exact(&mut head)?;
        let length = i32_at(&head, 0)?.max(4) as usize - 4;
        let mut answer = Vec::with_capacity(length);
        (&mut self.0).take(length as u64).read_to_end(&mut answer)?;
        if answer.len() == length { Ok(answer) } else { Err(Error::other("the connection ended inside an answer")) }
    }
}

/// Produce v3, acks=all, one batch to one partition.
pub(crate) fn produce(topic: &str, partition: i32, batch: &[u8]) -> Vec<u8> {
    let mut body = (-1_i16).to_be_bytes().to_vec();
    body.extend((-1_i16).to_be_bytes());
    body.extend(TIMEOUT_MS.to_be_bytes());
    one_topic(&mut body, topic);
    body.extend(partition.to_be_bytes());
    body.extend((batch.len() as i32).to_be_bytes());
    body.extend(batch);
    frame(0, 3, &body)
}

/// Fetch v4 of one partition, waiting up to half a second for something.
pub(crate) fn fetch(topic: &str, partition: i32, offset: i64, max_bytes: i32) -> Vec<u8> {
    fetch_waiting(500, topic, partition, offset, max_bytes)
}

fn fetch_now(topic: &str, partition: i32) -> Vec<u8> {
    fetch_waiting(0, topic, partition, 0, 1)
}

fn fetch_waiting(max_wait_ms: i32, topic: &str, partition: i32, offset: i64, max_bytes: i32) -> Vec<u8> {
    let mut body = (-1_i32).to_be_bytes().to_vec();
    for field in [max_wait_ms, 1, 50 << 20] {
        body.extend(i32::to_be_bytes(field));
    }
    body.push(0);
    one_topic(&mut body, topic);
    body.extend(partition.to_be_bytes());
    body.extend(offset.to_be_bytes());
    body.extend(max_bytes.to_be_bytes());
    frame(1, 4, &body)
}

/// An uncompressed batch of records with these values.
pub(crate) fn batch<'a>(timestamp_ms: i64, values: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut batch = vec![0; BATCH_HEADER_BYTES];
    let mut count = 0;
    for value in values {
        let mut record = vec![0, 0]; // No attributes, timestamp delta 0.
        put_varint(&mut record, count);
        put_varint(&mut record, -1);
        put_varint(&mut record, value.len() as i64);
        record.extend(value);
        record.push(0);
        put_varint(&mut batch, record.len() as i64);
        batch.extend(record);
        count += 1;
    }
    let length = (batch.len() - 12) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[16] = 2;
    batch[23..27].copy_from_slice(&(count as i32 - 1).to_be_bytes());
    batch[27..35].copy_from_slice(&timestamp_ms.to_be_bytes());
    batch[35..43].copy_from_slice(&timestamp_ms.to_be_bytes());
    batch[43..57].fill(0xff);
    batch[57..61].copy_from_slice(&(count as i32).to_be_bytes());
    let crc = crc32c::crc32c(&batch[CRC_COVERS_FROM..]);
    batch[17..CRC_COVERS_FROM].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn frame(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let length = 10 + CLIENT_ID.len() + body.len();
    let mut frame = Vec::with_capacity(4 + length);
    frame.extend((length as i32).to_be_bytes());
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend((CLIENT_ID.len() as i16).to_be_bytes());
    frame.extend(CLIENT_ID);
    frame.extend(body);
    frame
}

fn one_topic(body: &mut Vec<u8>, topic: &str) {
    body.extend(1_i32.to_be_bytes());
    put_text(body, topic);
    body.extend(1_i32.to_be_bytes());
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend((text.len() as i16).to_be_bytes());
    body.extend(text.as_bytes());
}

fn put_varint(bytes: &mut Vec<u8>, value: i64) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Behind the last whole batch.
fn next_offset(mut records: &[u8]) -> Option<i64> {
    let mut next = None;
    while records.len() >= BATCH_HEADER_BYTES {
        let size = 12 + i32_at(records, 8).ok()?.max(0) as usize;
        if size > records.len() {
            break;
        }
        let base = i64::from(i32_at(records, 0).ok()?) << 32 | i64::from(i32_at(records, 4).ok()? as u32);
        next = Some(base + i64::from(i32_at(records, 23).ok()?) + 1);
        records = &records[size..];
    }
    next
}

fn no_error(api: &str, code: i16) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(Error::other(format!("{api} was answered with error {code}"))) }
}

fn i16_at(bytes: &[u8], at: usize) -> Result<i16> {
    let bytes = bytes.get(at..at + 2).ok_or_else(|| Error::other("the answer is too short"))?;
    Ok(i16::from_be_bytes([bytes[0], bytes[1]]))
}

fn i32_at(bytes: &[u8], at: usize) -> Result<i32> {
    let bytes = bytes.get(at..at + 4).ok_or_else(|| Error::other("the answer is too short"))?;
    Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}
