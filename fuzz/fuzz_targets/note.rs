//! Fuzzes [`fuzz::note`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::note(data));
