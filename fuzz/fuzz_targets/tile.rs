//! Fuzzes [`fuzz::tile`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::tile(data));
