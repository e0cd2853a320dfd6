//! Fuzzes the decoder `scram_message`; see `weir_broker::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    weir_broker::fuzzing::drive("scram_message", bytes);
});
