//! Subnormal numbers: all kernels, the scalar ones too, against the definition.

extern crate alloc;

mod checks;
mod common;

use checks::subnormal;
use common::{cases, fast};
use proptest::prelude::*;
use tinybert_kernels::Kernels;

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn subnormal_numbers_are_not_zeros(m in 1usize..5, n in 1usize..70, k in 1usize..100, seed: u64) {
        fast().chain([Kernels::scalar()]).for_each(|kernels| subnormal::check(&kernels, m, n, k, seed));
    }
}
