//! Helpers that the tests of several crates share: toy models that learn their task in seconds, runs of every
//! kind of training on them, and reference values that other programs computed. All of them panic where a
//! test should fail.

pub mod reference_values;
pub mod runs;
pub mod toy;
