//! The instruction sets to compare, and the number of cases. Each test binary uses a part of this module.
#![allow(dead_code)]

use proptest::test_runner::Config;
use tinybert_kernels::{Isa, Kernels};

// Without the feature, this build's target decides, and on x86-64 there would be no kernels to compare with the scalar
// ones.
const _: () =
    assert!(cfg!(feature = "std"), "fast kernels are found by the feature std: give --features std");

/// The fast kernels of this machine; the scalar ones are what they are compared with.
pub fn fast() -> impl Iterator<Item = Kernels> {
    Isa::ALL.into_iter().filter(|&isa| isa != Isa::Scalar).filter_map(Kernels::with_isa)
}

/// The number of random cases of each property: `KERNEL_CASES`, or 256 if it is not set.
pub fn cases() -> Config {
    let cases = std::env::var("KERNEL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256);
    Config { cases, failure_persistence: None, ..Config::default() }
}
