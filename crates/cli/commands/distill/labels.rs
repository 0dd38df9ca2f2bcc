//! Options of `distill` for the answers that a student learns.

use std::path::PathBuf;

use clap::Args;
use tinybert_distill::TaskSettings;
use tinybert_train::ClassWeighting;

use crate::args::DataArgs;

/// What only a teacher can be asked for, and data that have no labels or no column of soft labels.
const NOT_WITH_SOFT_LABELS: [&str; 19] = [
    "teacher",
    "align",
    "teacher_cache",
    "teacher_cache_folder",
    "allow_weak_teacher",
    "teacher_bf16",
    "intermediate_lr",
    "layer_map",
    "layer_weights",
    "embedding_weight",
    "hidden_weight",
    "attention_weight",
    "shared_projection",
    "random_projection",
    "unlabelled",
    "task",
    "regression",
    "tagging",
    "embedding",
];

/// The answers that a student learns.
#[derive(Args)]
#[command(next_help_heading = "Answers, task stage")]
pub struct LabelArgs {
    /// Learn from the probabilities in this column of --train instead of from a teacher: an object of label and
    /// probability, or a list in the order of the labels. What `run --json` prints can be such a file.
    #[arg(long, value_name = "COLUMN", conflicts_with_all = NOT_WITH_SOFT_LABELS)]
    pub soft_labels: Option<String>,
    /// Weight of the gold labels in the loss, 0 to 1; the teacher or the soft labels have the rest. A row without a
    /// gold label is learned from these alone [default: 0].
    #[arg(long, value_name = "W")]
    gold_weight: Option<f64>,
    /// How much each gold label counts: balanced, or weights such as refund=4,other=0.5 (1 for a label that is not
    /// named). With --multi-label it is how much a text with the label counts against one without it.
    #[arg(long, value_name = "WEIGHTS", requires = "gold_weight")]
    class_weights: Option<ClassWeighting>,
    /// Text without labels, which the teacher labels: .txt with a text on each line, or a file in a format of
    /// --train with its columns of text. The rows join those of --train.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub unlabelled: Vec<PathBuf>,
}

impl LabelArgs {
    /// `settings` with the gold labels' weight.
    pub fn settings(&self, settings: TaskSettings) -> TaskSettings {
        let gold_weight = self.gold_weight.unwrap_or(settings.gold_weight);
        TaskSettings { gold_weight, class_weights: self.class_weights.clone(), ..settings }
    }

    /// `data` with the column of soft labels, if there is one.
    pub fn data(&self, data: &DataArgs) -> DataArgs {
        DataArgs { soft_labels: self.soft_labels.clone(), ..data.clone() }
    }
}
