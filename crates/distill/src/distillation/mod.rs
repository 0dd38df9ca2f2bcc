//! The two stages of distillation, general and task, and what they are made of.

pub mod alignment;
mod compatibility;
mod general;
mod inherit;
pub mod layer_map;
mod linalg;
pub mod losses;
mod preflight;
mod projection;
mod quantization_aware;
mod task;
pub mod teacher;
mod teacher_inputs;
pub mod transfer;

pub use self::compatibility::{check_vocabulary, student_head};
pub use self::general::{EncodedCorpus, GeneralReport, GeneralSettings, distill_general};
pub use self::quantization_aware::{QuantizationAware, check_student_answers};
pub use self::task::{
    StageRecipe, TaskReport, TaskSettings, Teacher, check_models, check_teacher, distill_task,
    distill_task_at_best_rate,
};
