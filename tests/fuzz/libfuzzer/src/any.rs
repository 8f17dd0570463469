//! libFuzzer's entry: the first byte picks the decoder.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| culvert_fuzz::any(input));
