//! Fuzzes [`fuzz::as_of`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::as_of(data));
