//! Gradient training: optimizers, schedules, the step loop and fine-tuning.

pub mod optimizer;
pub mod schedule;
