//! Fuzzes [`fuzz::access`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::access(data));
