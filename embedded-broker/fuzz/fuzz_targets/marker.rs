//! Fuzzes the decoder `marker`; see `weir_broker::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    weir_broker::fuzzing::drive("marker", bytes);
});
