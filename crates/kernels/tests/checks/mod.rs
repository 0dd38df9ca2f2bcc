//! Comparisons of a family's kernels with the scalar ones, over random operands. They need a heap but no operating
//! system: the tests of this crate make them, and so does the firmware of `targets/cortex-m`. A difference panics.
#![allow(dead_code)]

pub mod attention;
pub mod attention_f32;
pub mod linear;
pub mod operands;
pub mod rows;
pub mod subnormal;

use tinybert_kernels::Kernels;

use operands::RandomOperands;

/// An operation, and a function that compares its kernels in one random case.
pub type Check = (&'static str, fn(&Kernels, u64));

/// Every operation. The sizes of a case follow from its seed.
pub const ALL: [Check; 7] = [
    ("linear", |kernels, seed| {
        let [m, n, k] = sizes(seed, [20, 60, 200]);
        linear::check(kernels, m, n, k, seed);
    }),
    ("linear, encoded weights", |kernels, seed| {
        let [m, n, k] = sizes(seed, [12, 30, 150]);
        linear::check_encoded(kernels, m, n, k, seed);
    }),
    ("attention", |kernels, seed| {
        let [tokens, heads, head_dim] = sizes(seed, [40, 3, 40]);
        attention::check(kernels, tokens, heads, head_dim, seed);
    }),
    ("attention in f32", |kernels, seed| {
        let [tokens, heads, head_dim] = sizes(seed, [30, 3, 30]);
        attention_f32::check(kernels, tokens, heads, head_dim, seed);
    }),
    ("rows", |kernels, seed| {
        let [m, n, _] = sizes(seed, [5, 200, 1]);
        rows::check(kernels, m, n, seed);
    }),
    ("embeddings", |kernels, seed| {
        let [_, _, n] = sizes(seed, [1, 1, 300]);
        rows::check_embed(kernels, n, seed);
    }),
    ("subnormal numbers", |kernels, seed| {
        let [m, n, k] = sizes(seed, [5, 50, 60]);
        subnormal::check(kernels, m, n, k, seed);
    }),
];

/// Three sizes, each from 1 to its limit.
fn sizes(seed: u64, most: [usize; 3]) -> [usize; 3] {
    let mut random = RandomOperands(!seed);
    most.map(|most| 1 + random.below(most))
}
