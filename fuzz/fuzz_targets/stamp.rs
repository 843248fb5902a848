//! Fuzzes [`fuzz::stamp`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::stamp(data));
