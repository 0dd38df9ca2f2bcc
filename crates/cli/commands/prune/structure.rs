//! `prune --heads --ffn`: without the attention heads and neurons that matter least, at once or in steps.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use tinybert_base::{Error, Result};
use tinybert_model::Checkpoint;
use tinybert_prune::{Importance, KeptParts, Measure, PruneRound, Scope, Stepped, Steps, StructureSettings};
use tinybert_train::Output;

use super::Job;
use crate::args::LayoutName;
use crate::commands::distill::{StepArgs, TaskArgs};

/// What stays of heads and neurons.
#[derive(Args)]
#[command(next_help_heading = "Heads and neurons")]
pub struct Structure {
    /// Share of the attention heads that stay, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    heads: f64,
    /// Share of the feed-forward neurons that stay, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    ffn: f64,
    /// What the shares are of.
    #[arg(long, value_name = "WHAT", default_value = "global")]
    scope: ScopeName,
    /// What tells important from unimportant.
    #[arg(long, value_name = "MEASURE", default_value = "taylor")]
    importance: ImportanceName,
    /// Training examples that importance is measured on.
    #[arg(long, value_name = "N", default_value_t = 512)]
    importance_examples: usize,
    /// Neurons of a layer come in multiples of this [default: what the kernels of --layout fill].
    #[arg(long, value_name = "N")]
    multiple_of: Option<usize>,
    /// Weight layout of the later image.
    #[arg(long, value_name = "NAME", default_value = "dotprod")]
    layout: LayoutName,
}

#[derive(Clone, Copy, ValueEnum)]
enum ScopeName {
    /// All layers together: layers that matter more keep more.
    Global,
    /// Each layer.
    Layer,
}

#[derive(Clone, Copy, ValueEnum)]
enum ImportanceName {
    /// First-order change without the part of the distance from --teacher's answers or, without one, from the labels.
    Taylor,
    /// Size of the weights that read the part.
    Magnitude,
}

/// Pruning in rounds, with a distillation after each.
#[derive(Args)]
#[command(next_help_heading = "In steps")]
pub struct StepsArgs {
    /// Prune in so many rounds, shares falling geometrically to the given ones, and distil from --teacher after each.
    #[arg(long, value_name = "N", requires = "teacher")]
    pub steps: Option<NonZeroU32>,
    /// Passes of each distillation that learn the teacher's answers.
    #[arg(long, value_name = "N", default_value_t = 3)]
    recover_epochs: u64,
    /// Their peak learning rate.
    #[arg(long, value_name = "RATE", default_value_t = 2e-4)]
    recover_lr: f64,
    /// Passes before them that learn embeddings, hidden states and attention.
    #[arg(long, value_name = "N", default_value_t = 0)]
    recover_intermediate_epochs: u64,
    /// Their constant learning rate.
    #[arg(long, value_name = "RATE", default_value_t = 2e-4)]
    recover_intermediate_lr: f64,
    /// Evaluations on the development set per pass; the best one's weights are kept.
    #[arg(long, value_name = "N", default_value_t = 1)]
    evaluations_per_epoch: usize,
    /// Cache of the teacher's states and answers, as of distill.
    #[arg(long, value_name = "BYTES", value_parser = crate::args::parse_bytes)]
    teacher_cache: Option<u64>,
    /// Folder of that cache [default: teacher-cache beside --out].
    #[arg(long, value_name = "FOLDER", requires = "teacher_cache")]
    teacher_cache_folder: Option<PathBuf>,
}

impl Structure {
    /// True where there is something to take away.
    pub fn is_given(&self) -> bool {
        self.heads != 1.0 || self.ffn != 1.0
    }

    /// The model without the parts that matter least, all at once.
    pub fn prune(&self, model: &Checkpoint, job: &mut Job) -> Result<Checkpoint> {
        let measure = self.measure(job.max_tokens);
        let train = match measure {
            Measure::Magnitude => None,
            Measure::Taylor { .. } => Some(job.train()?),
        };
        let importance = match &train {
            None => Importance::magnitude(model)?,
            Some(train) => Importance::by(measure, model, train, job.teacher.as_ref(), &job.watch.context())?,
        };
        let pruned = KeptParts::choose(&importance, &self.shares())?.prune(model)?;
        job.record.settings["structure"] = json!({ "shares": self.shares(), "importance": measure });
        job.lines.extend(kept(&pruned, model));
        Ok(pruned)
    }

    /// The same in rounds; the caller has to finish them once the model is written.
    pub fn prune_in_steps(
        &self,
        model: &Checkpoint,
        rounds: NonZeroU32,
        options: &StepsArgs,
        training: &StepArgs,
        output: Output,
        job: &mut Job,
    ) -> Result<Stepped> {
        let data = job.data.training(&job.labels, &job.watch)?;
        let Some(teacher) = &job.teacher else {
            return Err(Error::Usage("--steps needs --teacher".into()));
        };
        let task = TaskArgs {
            intermediate_epochs: Some(options.recover_intermediate_epochs),
            intermediate_lr: Some(options.recover_intermediate_lr),
            prediction_epochs: Some(options.recover_epochs),
            prediction_lr: Some(options.recover_lr),
            evaluations_per_epoch: Some(options.evaluations_per_epoch),
            teacher_cache: options.teacher_cache,
            ..TaskArgs::default()
        };
        let recovery = training.task_settings(&task, job.max_tokens, job.record.seed);
        let steps = Steps {
            rounds: rounds.get(),
            shares: self.shares(),
            measure: self.measure(job.max_tokens),
            recovery,
            teacher,
            model,
            made_by: job.record.settings.clone(),
            data: data.view(),
        };
        let output = Output { teacher_cache: options.teacher_cache_folder.clone(), ..output };
        let stepped = steps.run(&output, &job.watch.context())?;
        job.record.settings["device"] = output.compute.record();
        job.record.inputs.extend(data.view().hashes()?);
        job.record.settings["structure"] = json!({
            "shares": steps.shares,
            "importance": steps.measure,
            "steps": rounds,
            "recovery": steps.recovery,
        });
        job.record.metrics["steps"] = json!(stepped.rounds);
        job.record.metrics["seconds"] = json!(stepped.seconds);
        job.lines.extend(stepped.rounds.iter().enumerate().map(describe));
        job.lines.extend(kept(&stepped.model, model));
        Ok(stepped)
    }

    fn shares(&self) -> StructureSettings {
        StructureSettings {
            heads: self.heads,
            neurons: self.ffn,
            scope: match self.scope {
                ScopeName::Global => Scope::Global,
                ScopeName::Layer => Scope::Layer,
            },
            multiple_of: self.multiple_of.unwrap_or(self.layout.layout().multiple()),
        }
    }

    fn measure(&self, max_tokens: usize) -> Measure {
        match self.importance {
            ImportanceName::Magnitude => Measure::Magnitude,
            ImportanceName::Taylor => Measure::Taylor { examples: self.importance_examples, max_tokens },
        }
    }
}

/// What is left of each layer of `model`.
fn kept(pruned: &Checkpoint, model: &Checkpoint) -> impl Iterator<Item = String> {
    let (is, was) = (pruned.config.clone(), model.config.clone());
    (0..is.num_hidden_layers).map(move |layer| {
        format!(
            "layer {}: {} of {} heads, {} of {} neurons kept",
            layer + 1,
            is.heads(layer),
            was.heads(layer),
            is.ffn(layer),
            was.ffn(layer)
        )
    })
}

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
