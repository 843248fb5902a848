//! Fuzzes [`fuzz::proofs`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::proofs(data));
