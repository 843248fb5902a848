//! Fuzzes [`fuzz::secret`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::secret(data));
