//! Every decoder that the fuzzer drives, with random and with almost right bytes: none panics, and each can take something.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

use proptest::prelude::*;
use weir_broker::fuzzing::{TARGETS, drive};

/// What some decoders take, as a start for mutations.
fn sound() -> Vec<(&'static str, Vec<u8>)> {
    let mut batch = vec![0; 61];
    batch[8..12].copy_from_slice(&49_i32.to_be_bytes());
    batch[16] = 2;
    vec![
        ("request", b"\0\x12\0\0\0\0\0\x01\0\x04test".to_vec()),
        ("record_batch", batch),
        ("compressed_records", b"\0plain".to_vec()),
        ("group_record", b"\x06\0\x02\0\x02gg\0\x03\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0".to_vec()),
        (
            "transaction_record",
            b"\x05\0\0\0\x01x\0\x01\0\0\0\0\0\0\0\x07\0\x03\0\0\xea\x60\0\x01\0\0\0\0\0\0\0\x0c\0\0\0\0\0\0\0\x0b\0".to_vec(),
        ),
        ("scram_message", b"n,,n=user,r=nonce".to_vec()),
        ("fault", b"delay:ms=5,api=Fetch".to_vec()),
    ]
}

#[test]
fn what_is_sound_is_taken() {
    for (name, bytes) in sound() {
        assert!(drive(name, &bytes), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for (_, target) in TARGETS {
            target(&bytes);
        }
    }

    #[test]
    fn nor_do_almost_right_ones(which in 0..7_usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let (name, mut bytes) = sound().swap_remove(which);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        drive(name, &bytes);
        bytes.truncate(cut.index(bytes.len() + 1));
        drive(name, &bytes);
    }
}
