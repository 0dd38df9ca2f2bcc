//! Transformer distillation after TinyBERT (arXiv 1909.10351).

pub mod layer_map;
pub mod losses;
