//! Fuzzes [`fuzz::persons`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::persons(data));
