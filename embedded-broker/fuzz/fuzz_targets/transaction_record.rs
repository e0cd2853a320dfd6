//! Fuzzes the decoder `transaction_record`; see `weir_broker::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    weir_broker::fuzzing::drive("transaction_record", bytes);
});
