#![doc = include_str!("../README.md")]

pub mod ablations;
pub mod augment;
mod distillation;

pub use distillation::{
    EncodedCorpus, GeneralReport, GeneralSettings, QuantizationAware, StageRecipe, TaskReport, TaskSettings,
    Teacher, check_models, check_student_answers, check_teacher, check_vocabulary, distill_general,
    distill_task, distill_task_at_best_rate, student_head,
};
pub use distillation::{alignment, layer_map, losses, teacher, transfer};
