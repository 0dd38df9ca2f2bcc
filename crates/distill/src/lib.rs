//! Transformer distillation after TinyBERT (arXiv 1909.10351): a small student learns from a large teacher.
//!
//! [`distill_general`] teaches the student on raw text, [`distill_task`] on the texts of a task. [`augment`] makes more
//! texts of a task, and [`ablations`] measures what each part of the method is worth.

pub mod ablations;
pub mod augment;
mod distillation;

pub use distillation::{
    EncodedCorpus, GeneralReport, GeneralSettings, QuantizationAware, TaskReport, TaskSettings,
    check_student_answers, check_vocabulary, distill_general, distill_task,
};
pub use distillation::{layer_map, losses, teacher, transfer};
