//! Tests of training on toy models. One program, because linking candle takes longer than these tests.

mod fine_tune;
mod gold;
mod masked_lm;
mod multi_label;
mod patience;
mod resume;
mod tensorboard;
mod tuning;
