//! What the tests of several crates share: toy models that learn their task in seconds, and reference values that
//! other programs computed.

#![allow(missing_docs, reason = "the names in tests say it")]

pub mod reference_values;
pub mod runs;
pub mod toy;
