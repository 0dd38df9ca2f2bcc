//! Options of a distillation that several commands have.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tinybert_distill::layer_map::LayerMap;
use tinybert_distill::transfer::{ProjectionKind, ProjectionStart, TransferSettings};
use tinybert_distill::{Stage, TaskSettings};
use tinybert_train::sparsity::{Pattern, SparsityMethod, SparsitySettings};

use crate::args::{OptimizerArgs, parse_bytes};

/// Batches, optimizer and losses.
#[derive(Args)]
pub struct StepArgs {
    /// Examples per step [default: 32].
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Longest input in tokens; longer text is cut [default: 128, or what the models have positions for].
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,
    #[command(flatten)]
    pub optimizer: OptimizerArgs,
    #[command(flatten)]
    pub losses: LossArgs,
}

impl StepArgs {
    /// Settings of a task stage with a float student, of inputs of at most `max_tokens` tokens.
    pub fn task_settings(&self, options: &TaskArgs, max_tokens: usize, seed: u64) -> TaskSettings {
        let defaults = TaskSettings::default();
        TaskSettings {
            transfer: self.losses.settings(),
            optimizer: self.optimizer.optimizer(defaults.optimizer),
            intermediate: Stage {
                epochs: options.intermediate_epochs.unwrap_or(defaults.intermediate.epochs),
                batch_size: self.batch_size.unwrap_or(defaults.intermediate.batch_size),
                micro_batch: self.optimizer.micro_batch(defaults.intermediate.micro_batch),
                learning_rate: options.intermediate_lr.unwrap_or(defaults.intermediate.learning_rate),
                ..defaults.intermediate
            },
            prediction: Stage {
                epochs: options.prediction_epochs.unwrap_or(defaults.prediction.epochs),
                batch_size: self.batch_size.unwrap_or(defaults.prediction.batch_size),
                micro_batch: self.optimizer.micro_batch(defaults.prediction.micro_batch),
                schedule: self.optimizer.schedule(),
                learning_rate: options.prediction_lr.unwrap_or(defaults.prediction.learning_rate),
                ..defaults.prediction
            },
            temperature: options.temperature.unwrap_or(defaults.temperature),
            evaluations_per_epoch: options.evaluations_per_epoch.unwrap_or(defaults.evaluations_per_epoch),
            max_tokens,
            seed,
            sparsity: None,
            teacher_cache_bytes: options.teacher_cache.unwrap_or(defaults.teacher_cache_bytes),
            allow_weak_teacher: options.allow_weak_teacher,
            quantization_aware: None,
        }
    }
}

/// What the intermediate layers are compared by.
#[derive(Args)]
#[command(next_help_heading = "Losses")]
pub struct LossArgs {
    /// Teacher layer of each student layer: uniform, top, bottom, or a list such as 1,3,5,6.
    #[arg(long, value_name = "MAP", default_value_t)]
    layer_map: LayerMap,
    /// Weights of the embeddings and of each student layer, such as 1,1,1,1,2 [default: 1 each].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    layer_weights: Vec<f64>,
    /// Factor on the embedding loss; 0 leaves it out.
    #[arg(long, value_name = "W", default_value_t = TransferSettings::default().embedding_weight)]
    embedding_weight: f64,
    /// Factor on the hidden losses; 0 leaves them out.
    #[arg(long, value_name = "W", default_value_t = TransferSettings::default().hidden_weight)]
    hidden_weight: f64,
    /// Factor on the attention losses; 0 leaves them out.
    #[arg(long, value_name = "W", default_value_t = TransferSettings::default().attention_weight)]
    attention_weight: f64,
    /// One projection with bias for embeddings and hidden states, as in the authors' code, instead of two without.
    #[arg(long)]
    shared_projection: bool,
    /// Start the projections at random, as in the authors' code, instead of from a least-squares fit.
    #[arg(long)]
    random_projection: bool,
}

/// What only the task stage has.
#[derive(Args, Default)]
#[command(next_help_heading = "Task stage")]
pub struct TaskArgs {
    /// Passes that learn embeddings, hidden states and attention [default: 20].
    #[arg(long, value_name = "N")]
    pub intermediate_epochs: Option<u64>,
    /// Their constant learning rate [default: 5e-5].
    #[arg(long, value_name = "RATE")]
    pub intermediate_lr: Option<f64>,
    /// Passes that learn the teacher's answers [default: 3].
    #[arg(long, value_name = "N")]
    pub prediction_epochs: Option<u64>,
    /// Their peak learning rate [default: 3e-5].
    #[arg(long, value_name = "RATE")]
    pub prediction_lr: Option<f64>,
    /// Temperature of the soft cross-entropy [default: 1].
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,
    /// Evaluations on the development set per prediction epoch; the best one's weights are kept [default: 1].
    #[arg(long, value_name = "N")]
    pub evaluations_per_epoch: Option<usize>,
    /// Compute the teacher's states (in half precision) and answers once and keep them in a cache of at most so many
    /// bytes, such as 20G; what does not fit is computed at every step.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub teacher_cache: Option<u64>,
    /// Folder of that cache; runs with the same teacher and data share it [default: teacher-cache beside --out].
    #[arg(long, value_name = "FOLDER", requires = "teacher_cache")]
    pub teacher_cache_folder: Option<PathBuf>,
    /// Learn from a teacher that is no better than chance on the development set too.
    #[arg(long)]
    pub allow_weak_teacher: bool,
}

impl LossArgs {
    /// As the host takes them.
    pub fn settings(&self) -> TransferSettings {
        TransferSettings {
            layer_map: self.layer_map.clone(),
            layer_weights: self.layer_weights.clone(),
            embedding_weight: self.embedding_weight,
            hidden_weight: self.hidden_weight,
            attention_weight: self.attention_weight,
            projection: if self.shared_projection {
                ProjectionKind::Shared
            } else {
                ProjectionKind::Separate
            },
            projection_start: if self.random_projection {
                ProjectionStart::Random
            } else {
                ProjectionStart::Fitted
            },
        }
    }
}

/// Zeros among the student's weights.
#[derive(Args)]
#[command(next_help_heading = "Sparsity, task stage")]
pub struct SparsityArgs {
    /// Share of zeros in each of the layers' matrices at the end, 0 to 1; they come in during the prediction passes. Zeros
    /// of a student that has them stay in any case, but with 0 they do not.
    #[arg(long, value_name = "SHARE")]
    sparsity: Option<f64>,
    /// What tells the weights that become 0.
    #[arg(long, value_name = "NAME", default_value = "magnitude", requires = "sparsity")]
    sparsity_method: SparsityName,
    /// Where zeros may be: unstructured, or N:M for N weights left of each M inputs, such as 2:4.
    #[arg(long, value_name = "PATTERN", default_value = "unstructured", requires = "sparsity")]
    sparsity_pattern: Pattern,
    /// Share of the steps after which the first zeros come in.
    #[arg(long, value_name = "SHARE", default_value_t = SparsitySettings::new(0.0).begin, requires = "sparsity")]
    sparsity_begin: f64,
    /// Share of the steps after which all are there and the other weights recover.
    #[arg(long, value_name = "SHARE", default_value_t = SparsitySettings::new(0.0).end, requires = "sparsity")]
    sparsity_end: f64,
}

#[derive(Clone, Copy, ValueEnum)]
enum SparsityName {
    /// The smallest.
    Magnitude,
    /// Those that training moves towards 0.
    Movement,
}

impl SparsityArgs {
    /// As the host takes them.
    pub fn settings(&self) -> Option<SparsitySettings> {
        self.sparsity.map(|share| SparsitySettings {
            share,
            method: match self.sparsity_method {
                SparsityName::Magnitude => SparsityMethod::Magnitude,
                SparsityName::Movement => SparsityMethod::Movement,
            },
            pattern: self.sparsity_pattern,
            begin: self.sparsity_begin,
            end: self.sparsity_end,
        })
    }
}
