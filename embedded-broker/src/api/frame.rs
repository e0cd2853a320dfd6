//! A response frame: bytes of ours and, in a Fetch, records that are sent from where they lie in the log.

use bytes::{BufMut as _, BytesMut};
use tokio::sync::OwnedSemaphorePermit;

use crate::codec::messages::FetchResponse;
use crate::codec::{self, CodecError, Encodable as _, LENGTH_BYTES};
use crate::log::Slice;

/// From this version on lengths are variable and structures end with tags (KIP-482).
const FIRST_FLEXIBLE: i16 = 12;
/// No tagged fields: what a flexible structure ends with.
const NO_TAGS_BYTES: usize = 1;
/// Bytes of a [`stand_in`]. No record batch is so short.
const STAND_IN_BYTES: usize = 4;

/// What goes to the client.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) head: BytesMut,
    /// Records, each with what follows them.
    pub(crate) rest: Vec<(HeldSlice, BytesMut)>,
}

/// Records on their way, with the right to hold their file open until they are sent.
#[derive(Debug)]
pub(crate) struct HeldSlice {
    pub(crate) slice: Slice,
    pub(crate) _permit: OwnedSemaphorePermit,
}

impl Frame {
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.rest.iter().map(|(records, bytes)| records.slice.bytes() + bytes.len()).sum::<usize>()
    }
}

impl From<BytesMut> for Frame {
    fn from(head: BytesMut) -> Self {
        Self { head, rest: Vec::new() }
    }
}

/// What stands in a Fetch response for the records of this number.
pub(super) fn stand_in(number: usize) -> [u8; STAND_IN_BYTES] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}

/// A Fetch response with `slices` in place of their stand-ins; those whose stand-in was taken out again, by access or a fault, are left out.
/// Records are the last field of a partition, which tells where they are.
pub(super) fn with_slices(
    correlation_id: i32,
    response: &FetchResponse,
    version: i16,
    slices: Vec<HeldSlice>,
) -> Result<Frame, CodecError> {
    let mut whole = codec::encode_response(correlation_id, response, version)?;
    if slices.is_empty() {
        return Ok(whole.into());
    }
    // Only those that are still in the answer: access may have been denied since (see `access`).
    let found = stand_ins(response, version, whole.len())?;
    let sent = found.iter().filter_map(|(number, _)| slices.get(*number));
    let added_bytes: usize = sent.map(|held| held.slice.bytes() + length_field(held.slice.bytes(), version).len()).sum();
    let taken_bytes = found.len() * (STAND_IN_BYTES + length_field(STAND_IN_BYTES, version).len());
    let length = i32::try_from(whole.len() - LENGTH_BYTES + added_bytes - taken_bytes).map_err(|_| misplaced())?;
    whole[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());

    let mut slices: Vec<Option<HeldSlice>> = slices.into_iter().map(Some).collect();
    let mut pieces: Vec<(Option<HeldSlice>, BytesMut)> = vec![(None, BytesMut::new())];
    let mut done = 0;
    for (number, at) in found {
        let held = slices.get_mut(number).and_then(Option::take).ok_or_else(misplaced)?;
        let length_at = at.checked_sub(length_field(STAND_IN_BYTES, version).len()).ok_or_else(misplaced)?;
        if whole.get(at..at + STAND_IN_BYTES) != Some(&stand_in(number)) {
            return Err(misplaced());
        }
        let before = whole.get(done..length_at).ok_or_else(misplaced)?;
        if let Some((_, piece)) = pieces.last_mut() {
            piece.extend_from_slice(before);
            piece.extend_from_slice(&length_field(held.slice.bytes(), version));
        }
        pieces.push((Some(held), BytesMut::new()));
        done = at + STAND_IN_BYTES;
    }
    if let Some((_, piece)) = pieces.last_mut() {
        piece.extend_from_slice(&whole[done..]);
    }
    let mut frame = Frame::default();
    for (held, piece) in pieces {
        match held {
            Some(held) => frame.rest.push((held, piece)),
            None => frame.head = piece,
        }
    }
    if frame.len() == LENGTH_BYTES + length as usize { Ok(frame) } else { Err(misplaced()) }
}

/// The stand-ins of an encoded response: their numbers and where they begin.
fn stand_ins(response: &FetchResponse, version: i16, frame_bytes: usize) -> Result<Vec<(usize, usize)>, CodecError> {
    let size_failed = |reason| CodecError::Encode(format!("{reason:#}"));
    let tags_bytes = if version >= FIRST_FLEXIBLE { NO_TAGS_BYTES } else { 0 };
    let mut found = Vec::new();
    let mut end = frame_bytes.checked_sub(tags_bytes).ok_or_else(misplaced)?;
    for topic in response.responses.iter().rev() {
        let topic_start = end.checked_sub(topic.compute_size(version).map_err(size_failed)?).ok_or_else(misplaced)?;
        let mut partition_end = end - tags_bytes;
        for partition in topic.partitions.iter().rev() {
            let number = partition.records.as_deref().and_then(|records| <[u8; STAND_IN_BYTES]>::try_from(records).ok());
            if let Some(number) = number {
                let at = partition_end.checked_sub(tags_bytes + STAND_IN_BYTES).ok_or_else(misplaced)?;
                found.push((u32::from_be_bytes(number) as usize, at));
            }
            let bytes = partition.compute_size(version).map_err(size_failed)?;
            partition_end = partition_end.checked_sub(bytes).ok_or_else(misplaced)?;
        }
        end = topic_start;
    }
    found.reverse();
    Ok(found)
}

/// How the length of records is written: as four bytes or, plus one, as a varint.
fn length_field(bytes: usize, version: i16) -> BytesMut {
    let mut field = BytesMut::with_capacity(5);
    if version < FIRST_FLEXIBLE {
        field.put_u32(u32::try_from(bytes).unwrap_or(u32::MAX));
        return field;
    }
    let mut left = bytes + 1;
    while left >= 0x80 {
        field.put_u8(left as u8 | 0x80);
        left >>= 7;
    }
    field.put_u8(left as u8);
    field
}

fn misplaced() -> CodecError {
    CodecError::Encode("records are not where they should be".to_owned())
}
