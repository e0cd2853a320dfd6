//! Fuzzes the decoder `producer_snapshot`; see `weir_broker::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    weir_broker::fuzzing::drive("producer_snapshot", bytes);
});
