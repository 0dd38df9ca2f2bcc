//! Tests of pruning on toy models. One program, because linking candle takes longer than these tests.

mod steps;
mod structure;
mod vocabulary;
