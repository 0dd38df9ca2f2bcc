//! Tests of distillation, augmentation and ablations on toy models. One program, because linking candle takes longer
//! than most of these tests.

mod ablations;
mod augment;
mod families;
mod mpnet;
mod quantization_aware;
mod ranks;
mod sparsity;
mod stages;
mod teacher_cache;
mod tuning;
