//! What stands behind a batch's header when it is compressed: opened and closed, never larger than allowed.
//!
//! Clients compress as they like; the broker opens a batch only when it must: for a time inside it, for a compacted topic's keys, or to
//! store it in the topic's own `compression.type`. What comes out is bounded, whatever a hostile batch claims (a kilobyte can hold a gigabyte).

use std::borrow::Cow;
use std::io::{self, Read, Write as _};

/// Kafka's compression codecs, by their number in a batch's attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// 0.
    None,
    /// 1. `None`: gzip's own level.
    Gzip {
        /// 1 to 9.
        level: Option<u32>,
    },
    /// 2.
    Snappy,
    /// 3.
    Lz4,
    /// 4.
    Zstd {
        /// As zstd counts them.
        level: i32,
    },
}

/// How Java's snappy stream begins ("xerial"): a magic, then two version numbers, then chunks of raw snappy with their lengths.
const XERIAL_MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;
const XERIAL_VERSION: u32 = 1;
const XERIAL_CHUNK_BYTES: usize = 32 * 1024;
/// Kafka's default.
const ZSTD_LEVEL: i32 = 3;

impl Codec {
    /// The codec with this number.
    pub(super) fn from_id(id: i16) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::Gzip { level: None }),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd { level: ZSTD_LEVEL }),
            _ => None,
        }
    }

    pub(super) fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip { .. } => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd { .. } => 4,
        }
    }

    /// What was compressed. An error when it is no such stream, or holds more than `max_bytes`.
    pub(super) fn decompress(self, bytes: &[u8], max_bytes: usize) -> io::Result<Cow<'_, [u8]>> {
        let plain = match self {
            Self::None => return Ok(Cow::Borrowed(bytes)),
            Self::Gzip { .. } => read_all(flate2::read::MultiGzDecoder::new(bytes), max_bytes)?,
            Self::Snappy => snappy(bytes, max_bytes)?,
            Self::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(bytes), max_bytes)?,
            Self::Zstd { .. } => read_all(zstd::stream::read::Decoder::with_buffer(bytes)?, max_bytes)?,
        };
        Ok(Cow::Owned(plain))
    }

    /// The opposite.
    pub(super) fn compress(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(plain.to_vec()),
            Self::Gzip { level } => {
                let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Snappy => xerial(plain),
            Self::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(plain)?;
                encoder.finish().map_err(io::Error::other)
            }
            Self::Zstd { level } => zstd::stream::encode_all(plain, level),
        }
    }
}

fn read_all(stream: impl Read, max_bytes: usize) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    stream.take(max_bytes as u64 + 1).read_to_end(&mut plain)?;
    if plain.len() > max_bytes { Err(too_large(max_bytes)) } else { Ok(plain) }
}

fn snappy(mut bytes: &[u8], max_bytes: usize) -> io::Result<Vec<u8>> {
    if !bytes.starts_with(XERIAL_MAGIC) {
        // librdkafka and others send one raw block.
        let mut plain = Vec::new();
        raw_snappy(bytes, &mut plain, max_bytes)?;
        return Ok(plain);
    }
    bytes = bytes.get(XERIAL_HEADER_BYTES..).ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut plain = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (chunk, rest) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        raw_snappy(chunk, &mut plain, max_bytes)?;
        bytes = rest;
    }
    if bytes.is_empty() { Ok(plain) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn raw_snappy(block: &[u8], plain: &mut Vec<u8>, max_bytes: usize) -> io::Result<()> {
    let length = snap::raw::decompress_len(block).map_err(io::Error::other)?;
    let at = plain.len();
    if length > max_bytes.saturating_sub(at) {
        return Err(too_large(max_bytes));
    }
    plain.resize(at + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut plain[at..]).map_err(io::Error::other)?;
    Ok(())
}

/// Every client reads this form; Java reads no other.
fn xerial(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = XERIAL_MAGIC.to_vec();
    bytes.extend_from_slice(&XERIAL_VERSION.to_be_bytes());
    bytes.extend_from_slice(&XERIAL_VERSION.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for chunk in plain.chunks(XERIAL_CHUNK_BYTES) {
        let block = encoder.compress_vec(chunk).map_err(io::Error::other)?;
        bytes.extend_from_slice(&u32::try_from(block.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&block);
    }
    Ok(bytes)
}

fn too_large(max_bytes: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the batch holds more than {max_bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip { level: Some(9) }, Codec::Snappy, Codec::Lz4, Codec::Zstd { level: 5 }];

    #[test]
    fn what_is_compressed_comes_out_again_up_to_the_limit() {
        for size in [0, 1, 1_000, 100_000] {
            let plain: Vec<u8> = (0..size).map(|index: u32| (index / 7) as u8).collect();
            for codec in CODECS {
                let bytes = codec.compress(&plain).unwrap();
                assert_eq!(codec.decompress(&bytes, plain.len()).unwrap(), plain, "{codec:?}, {size} bytes");
                if codec != Codec::None && size > 0 {
                    assert!(codec.decompress(&bytes, plain.len() - 1).is_err(), "{codec:?}, {size} bytes");
                }
                assert_eq!(Codec::from_id(codec.id()).map(Codec::id), Some(codec.id()));
            }
        }
        let raw = snap::raw::Encoder::new().compress_vec(b"one raw block").unwrap();
        assert_eq!(Codec::Snappy.decompress(&raw, 100).unwrap().as_ref(), b"one raw block");
        assert_eq!(Codec::from_id(5), None);
    }

    #[test]
    fn damaged_streams_are_errors() {
        for codec in &CODECS[1..] {
            let bytes = codec.compress(&[7; 5_000]).unwrap();
            for at in 0..bytes.len() {
                let cut = codec.decompress(&bytes[..at], 10_000);
                assert!(cut.is_err() || cut.is_ok_and(|plain| [7; 5_000].starts_with(&plain)), "{codec:?} cut at {at}");
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x40;
                // An error or other bytes, but an end, and a bounded one.
                let _ = codec.decompress(&damaged, 10_000).map(|plain| assert!(plain.len() <= 10_000));
            }
        }
    }
}
