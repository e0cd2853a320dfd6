//! Fuzzes the decoder `fault`; see `weir_broker::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    weir_broker::fuzzing::drive("fault", bytes);
});
