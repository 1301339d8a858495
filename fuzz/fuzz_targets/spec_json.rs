#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| landlord_fuzz::spec_json(bytes));
