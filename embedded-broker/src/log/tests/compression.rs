//! Batches that are opened: to be held to their counts, and to be stored as the topic wants them.

use super::*;
use crate::log::compression::Codec;

const CODECS: [(&str, i16); 5] = [("uncompressed", 0), ("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4)];
const OPEN_BYTES: usize = 1_000_000;

fn compressed(plain: &Bytes, id: i16) -> Bytes {
    let codec = Codec::from_id(id).unwrap();
    batch::with_contents(plain, codec, &codec.compress(&plain[batch::HEADER_BYTES..]).unwrap())
}

#[test]
fn batches_are_stored_in_the_topics_own_compression() {
    let sent = plain(20, 100, NOW_MS);
    for (compression_type, stored_id) in CODECS {
        let log = World::new(&[("compression.type", compression_type)]).open();
        for (_, sent_id) in CODECS {
            append(&log, &compressed(&sent, sent_id));
        }
        for stored in read_all(&log) {
            let header = batch::check(&stored).unwrap();
            assert_eq!((header.codec_id(), header.record_count, header.max_timestamp_ms), (stored_id, 20, NOW_MS), "{compression_type}");
            assert_eq!(batch::contents(&stored, &header, OPEN_BYTES).unwrap().as_ref(), &sent[batch::HEADER_BYTES..], "{compression_type}");
        }
    }
    let log = World::new(&[]).open();
    for (_, sent_id) in CODECS {
        append(&log, &compressed(&sent, sent_id));
    }
    assert!(
        read_all(&log).iter().zip(CODECS).all(|(stored, (_, id))| stored[16..] == compressed(&sent, id)[16..]),
        "as the producer sent them"
    );
}

#[test]
fn what_is_compressed_is_held_to_the_same_rules() {
    let log = World::new(&[]).open();
    let sent = compressed(&plain(3, 100, NOW_MS), 4);
    let changed = |change: &dyn Fn(&mut BytesMut)| {
        let mut bytes = BytesMut::from(&sent[..]);
        change(&mut bytes);
        batch::seal(&mut bytes);
        log.append(&bytes.freeze(), Origin::Client).unwrap_err()
    };
    let both = |bytes: &mut BytesMut| (bytes[26], bytes[60]) = (8, 9);
    assert!(matches!(changed(&both), AppendError::Invalid(_)), "nine records claimed, three there");
    assert!(matches!(changed(&|bytes| bytes[22] = 3), AppendError::Batch(batch::BatchError::Contents)), "another codec");
    assert!(matches!(changed(&|bytes| bytes[22] = 6), AppendError::Batch(batch::BatchError::Contents)), "no codec");
    let log = World::new(&[("cleanup.policy", "compact")]).open();
    assert!(matches!(log.append(&sent, Origin::Client), Err(AppendError::NoKey { index: 0 })));
}

#[test]
fn a_small_batch_that_holds_too_much_is_refused() {
    let log = World::new(&[]).open();
    let bomb = compressed(&plain(1, 80_000_000, NOW_MS), 4);
    assert!(bomb.len() < 100_000);
    assert!(matches!(log.append(&bomb, Origin::Client), Err(AppendError::Batch(batch::BatchError::Contents))));
}
