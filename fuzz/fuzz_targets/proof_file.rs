//! Fuzzes [`fuzz::proof_file`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::proof_file(data));
