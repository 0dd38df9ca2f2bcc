//! `prune --heads --ffn`: removes the attention heads and neurons that matter least, at once or in steps.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use tinybert_base::{Error, Result};
use tinybert_model::Checkpoint;
use tinybert_prune::{
    Importance, ImportanceMeasure, KeptParts, PruneRound, PruneWithRecovery, PrunedModel, ShareScope,
    StructureSettings,
};
use tinybert_train::Output;

use super::PruneRun;
use crate::args::{DistillationArgs, LayoutName, TaskStageArgs, parse_bytes};

/// How many heads and neurons stay, and how they are chosen.
#[derive(Args)]
#[command(next_help_heading = "Heads and neurons")]
pub struct StructureArgs {
    /// Share of the attention heads that stay, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    heads: f64,
    /// Share of the feed-forward neurons that stay, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    ffn: f64,
    /// Whether the shares are of the model or of each layer.
    #[arg(long, value_name = "WHAT", default_value = "global")]
    scope: ScopeName,
    /// How the importance of heads and neurons is measured.
    #[arg(long, value_name = "MEASURE", default_value = "taylor")]
    importance: ImportanceName,
    /// Training examples that importance is measured on.
    #[arg(long, value_name = "N", default_value_t = 512)]
    importance_examples: usize,
    /// The neurons of a layer are a multiple of this number [default: the multiple that fills the kernels of
    /// --layout].
    #[arg(long, value_name = "N")]
    multiple_of: Option<usize>,
    /// Weight layout of the image that will be made of the model.
    #[arg(long, value_name = "NAME", default_value = "dotprod")]
    layout: LayoutName,
}

/// Scopes of the shares by name.
#[derive(Clone, Copy, ValueEnum)]
enum ScopeName {
    /// All layers together: layers that matter more keep more heads and neurons.
    Global,
    /// Each layer by itself.
    Layer,
}

/// Measures of importance by name.
#[derive(Clone, Copy, ValueEnum)]
enum ImportanceName {
    /// First-order change of the loss if the head or neuron is removed. The loss is the distance from
    /// --teacher's answers or, without a teacher, from the labels.
    Taylor,
    /// Size of the weights that read the output of the head or neuron.
    Magnitude,
}

/// Pruning in rounds, with a distillation after each.
#[derive(Args)]
#[command(next_help_heading = "In steps")]
pub struct PruneRoundsArgs {
    /// Prune in so many rounds, in which the shares fall geometrically to the given ones, and distil from
    /// --teacher after each round.
    #[arg(long, value_name = "N", requires = "teacher")]
    pub steps: Option<NonZeroU32>,
    /// Passes of each distillation that learn the teacher's answers.
    #[arg(long, alias = "recover-epochs", value_name = "N", default_value_t = 3)]
    recovery_epochs: u64,
    /// Peak learning rate of these passes.
    #[arg(long, alias = "recover-lr", value_name = "RATE", default_value_t = 2e-4)]
    recovery_lr: f64,
    /// Passes of each distillation that learn embeddings, hidden states and attention, before the answers.
    #[arg(long, alias = "recover-intermediate-epochs", value_name = "N", default_value_t = 0)]
    recovery_intermediate_epochs: u64,
    /// Constant learning rate of these passes.
    #[arg(long, alias = "recover-intermediate-lr", value_name = "RATE", default_value_t = 2e-4)]
    recovery_intermediate_lr: f64,
    /// Evaluations on the development set per pass; the best one's weights are kept.
    #[arg(long, value_name = "N", default_value_t = 1)]
    evaluations_per_epoch: usize,
    /// End the passes of a round after so many evaluations in a row of which none is better than the best one before
    /// [default: never].
    #[arg(long, value_name = "N")]
    patience: Option<NonZeroU64>,
    /// Cache of the teacher's states and answers, as in distill.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    teacher_cache: Option<u64>,
    /// Folder of that cache [default: teacher-cache beside --out].
    #[arg(long, value_name = "FOLDER", requires = "teacher_cache")]
    teacher_cache_folder: Option<PathBuf>,
}

impl StructureArgs {
    /// True if the command line asks to remove heads or neurons.
    pub fn is_given(&self) -> bool {
        self.heads != 1.0 || self.ffn != 1.0
    }

    /// Removes the heads and neurons that matter least, all at once.
    pub fn prune(&self, model: &Checkpoint, run: &mut PruneRun) -> Result<Checkpoint> {
        let measure = self.measure(run.max_tokens);
        let train = match measure {
            ImportanceMeasure::Magnitude => None,
            ImportanceMeasure::Taylor { .. } => Some(run.train()?),
        };
        let importance = match &train {
            None => Importance::magnitude(model)?,
            Some(train) => {
                Importance::measure(measure, model, train, run.teacher.as_ref(), &run.terminal.context())?
            }
        };
        let pruned = KeptParts::choose(&importance, &self.shares())?.prune(model)?;
        run.record.settings["structure"] = json!({ "shares": self.shares(), "importance": measure });
        run.lines.extend(kept(&pruned, model));
        Ok(pruned)
    }

    /// Removes them in rounds. The caller has to remove the folder of the rounds after it has written the
    /// model.
    pub fn prune_in_steps(
        &self,
        model: &Checkpoint,
        rounds: NonZeroU32,
        options: &PruneRoundsArgs,
        distillation: &DistillationArgs,
        output: Output,
        run: &mut PruneRun,
    ) -> Result<PrunedModel> {
        let data = run.data.training(&run.answers, run.terminal.context().progress)?;
        run.record.inputs.extend(data.view().hashes()?);
        run.compare_inputs();
        let Some(teacher) = &run.teacher else {
            return Err(Error::Usage("--steps needs --teacher".into()));
        };
        let task = TaskStageArgs {
            intermediate_epochs: Some(options.recovery_intermediate_epochs),
            intermediate_lr: Some(options.recovery_intermediate_lr),
            prediction_epochs: Some(options.recovery_epochs),
            prediction_lr: Some(options.recovery_lr),
            evaluations_per_epoch: Some(options.evaluations_per_epoch),
            patience: options.patience,
            teacher_cache: options.teacher_cache,
            ..TaskStageArgs::default()
        };
        let recovery = distillation.task_settings(&task, run.max_tokens, run.record.seed);
        let steps = PruneWithRecovery {
            rounds: rounds.get(),
            shares: self.shares(),
            measure: self.measure(run.max_tokens),
            recovery,
            teacher,
            model,
            made_by: run.record.settings.clone(),
            data: data.view(),
        };
        let output = Output { teacher_cache: options.teacher_cache_folder.clone(), ..output };
        let stepped = steps.run(&output, &run.terminal.context())?;
        run.record.settings["device"] = output.compute.record();
        run.record.settings["structure"] = json!({
            "shares": steps.shares,
            "importance": steps.measure,
            "steps": rounds,
            "recovery": steps.recovery,
        });
        run.record.metrics["steps"] = json!(stepped.rounds);
        run.record.metrics["seconds"] = json!(stepped.seconds);
        run.lines.extend(stepped.rounds.iter().enumerate().map(describe));
        run.lines.extend(kept(&stepped.model, model));
        Ok(stepped)
    }

    fn shares(&self) -> StructureSettings {
        StructureSettings {
            heads: self.heads,
            neurons: self.ffn,
            scope: match self.scope {
                ScopeName::Global => ShareScope::Global,
                ScopeName::Layer => ShareScope::Layer,
            },
            multiple_of: self.multiple_of.unwrap_or(self.layout.layout().multiple()),
        }
    }

    fn measure(&self, max_tokens: usize) -> ImportanceMeasure {
        match self.importance {
            ImportanceName::Magnitude => ImportanceMeasure::Magnitude,
            ImportanceName::Taylor => {
                ImportanceMeasure::Taylor { examples: self.importance_examples, max_tokens }
            }
        }
    }
}

/// Describes how many heads and neurons of each layer of `model` are kept.
fn kept(pruned: &Checkpoint, model: &Checkpoint) -> impl Iterator<Item = String> {
    let (after, before) = (pruned.config.clone(), model.config.clone());
    (0..after.num_hidden_layers).map(move |layer| {
        format!(
            "layer {}: {} of {} heads, {} of {} neurons kept",
            layer + 1,
            after.heads(layer),
            before.heads(layer),
            after.ffn(layer),
            before.ffn(layer)
        )
    })
}

/// Describes a round; `at` is its index.
fn describe((at, round): (usize, &PruneRound)) -> String {
    format!(
        "round {}: {} heads, {} neurons, {} parameters; dev {} {:.4}, recovered {:.4}",
        at + 1,
        round.heads.iter().sum::<usize>(),
        round.neurons.iter().sum::<usize>(),
        round.parameters,
        round.metric,
        round.pruned,
        round.recovered
    )
}
