//! Options of a distillation that several commands share.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::Args;
use tinybert_distill::alignment::Align;
use tinybert_distill::layer_map::LayerMap;
use tinybert_distill::transfer::{ProjectionKind, ProjectionStart, TransferSettings};
use tinybert_distill::{StageRecipe, TaskSettings};

use super::{OptimizerArgs, RecipeOptions, parse_bytes};

/// Batches, optimizer and losses of a distillation.
#[derive(Args)]
pub struct DistillationArgs {
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

impl DistillationArgs {
    /// Settings of a task stage with a float student. Inputs have at most `max_tokens` tokens.
    pub fn task_settings(&self, options: &TaskStageArgs, max_tokens: usize, seed: u64) -> TaskSettings {
        let defaults = TaskSettings::default();
        let recipe = |epochs, learning_rate, stage: &StageRecipe| {
            let options = RecipeOptions {
                epochs,
                batch_size: self.batch_size,
                learning_rate,
                ..RecipeOptions::default()
            };
            options.recipe_with(&self.optimizer, seed, defaults.recipe(stage))
        };
        let intermediate =
            recipe(options.intermediate_epochs, options.intermediate_lr, &defaults.intermediate);
        let prediction = recipe(options.prediction_epochs, options.prediction_lr, &defaults.prediction);
        TaskSettings {
            transfer: self.losses.settings(),
            // The option for the schedule is for the prediction stage.
            intermediate: StageRecipe {
                schedule: defaults.intermediate.schedule,
                ..StageRecipe::from_recipe(&intermediate)
            },
            optimizer: prediction.optimizer,
            prediction: StageRecipe::from_recipe(&prediction),
            seed,
            temperature: options.temperature.unwrap_or(defaults.temperature),
            evaluations_per_epoch: options.evaluations_per_epoch.unwrap_or(defaults.evaluations_per_epoch),
            patience: options.patience,
            max_tokens,
            teacher_cache_bytes: options.teacher_cache.unwrap_or(defaults.teacher_cache_bytes),
            allow_weak_teacher: options.allow_weak_teacher,
            ..defaults
        }
    }
}

/// How the intermediate layers are compared.
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
    /// One projection with bias for embeddings and hidden states, as in the authors' code, instead of two
    /// without.
    #[arg(long)]
    shared_projection: bool,
    /// Start the projections at random, as in the authors' code, instead of from a least-squares fit.
    #[arg(long)]
    random_projection: bool,
    /// Compare pieces, which takes the same vocabulary, or words, which takes any [default: pieces where student and
    /// teacher have the same vocabulary, otherwise words].
    #[arg(long, value_name = "pieces|words")]
    align: Option<Align>,
}

/// Options that only the task stage has.
#[derive(Args, Default)]
#[command(next_help_heading = "Task stage")]
pub struct TaskStageArgs {
    /// Passes that learn embeddings, hidden states and attention [default: 20].
    #[arg(long, value_name = "N")]
    pub intermediate_epochs: Option<u64>,
    /// Constant learning rate of these passes [default: 5e-5].
    #[arg(long, value_name = "RATE")]
    pub intermediate_lr: Option<f64>,
    /// Passes that learn the teacher's answers [default: 3].
    #[arg(long, value_name = "N")]
    pub prediction_epochs: Option<u64>,
    /// Peak learning rate of these passes [default: 3e-5].
    #[arg(long, value_name = "RATE")]
    pub prediction_lr: Option<f64>,
    /// Temperature of the soft cross-entropy [default: 1].
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,
    /// Evaluations on the development set per prediction epoch; the best one's weights are kept [default: 1].
    #[arg(long, value_name = "N")]
    pub evaluations_per_epoch: Option<usize>,
    /// End these passes after so many evaluations in a row of which none is better than the best one before [default:
    /// never].
    #[arg(long, value_name = "N")]
    pub patience: Option<NonZeroU64>,
    /// Compute the teacher's states (in half precision) and answers once and keep them in a cache of at most
    /// so many bytes, such as 20G; what does not fit is computed at every step.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub teacher_cache: Option<u64>,
    /// Folder of that cache; runs with the same teacher and data share it [default: teacher-cache beside
    /// --out].
    #[arg(long, value_name = "FOLDER", requires = "teacher_cache")]
    pub teacher_cache_folder: Option<PathBuf>,
    /// Accept a teacher that is no better than chance on the development set.
    #[arg(long)]
    pub allow_weak_teacher: bool,
}

impl LossArgs {
    /// The losses in the form that distillation takes.
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
            align: self.align,
        }
    }
}
