//! Transformer distillation after TinyBERT (arXiv 1909.10351).

pub mod ablations;
pub mod augment;
mod general;
mod inherit;
pub mod layer_map;
mod linalg;
pub mod losses;
mod pair;
mod preflight;
mod projection;
mod quantization_aware;
mod task;
pub mod teacher;
mod teachers_text;
pub mod transfer;

pub use pair::check_vocabulary;

pub use general::{Corpus, GeneralReport, GeneralSettings, general};
pub use quantization_aware::QuantizationAware;
pub use quantization_aware::check_pair;
pub use task::{Stage, TaskReport, TaskSettings, task};
