//! Settings of task distillation.

use std::num::NonZeroU64;

use super::super::quantization_aware::QuantizationAware;
use super::super::transfer::TransferSettings;
use tinybert_base::{Error, Result};
use tinybert_train::optimizer::OptimizerSettings;
use tinybert_train::schedule::Schedule;
use tinybert_train::sparsity::SparsitySettings;
use tinybert_train::{ClassWeighting, Recipe, TimeLimit};

/// Settings of [`distill_task`](crate::distill_task); the defaults are the paper's.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TaskSettings {
    /// Losses of the intermediate stage.
    pub transfer: TransferSettings,
    /// How the student learns embeddings, hidden states and attention; 0 epochs leave the stage out.
    pub intermediate: StageRecipe,
    /// How the student learns the answers; 0 epochs leave the stage out.
    pub prediction: StageRecipe,
    /// Ends the prediction stage, and its schedule, after so many steps if that is earlier than its last epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// t of the soft cross-entropy.
    pub temperature: f64,
    /// w of the gold answers: the loss of an answer is (1 − w) times its distance from the teacher's and w times
    /// its distance from the gold one. An answer without a gold one is compared with the teacher's alone.
    #[serde(skip_serializing_if = "is_zero")]
    pub gold_weight: f64,
    /// Weights of the classes in the distance from the gold answers; `None` if all have the same weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeighting>,
    /// Evaluations on the development set per epoch of the prediction stage. The best evaluated weights are
    /// kept.
    pub evaluations_per_epoch: usize,
    /// Ends the prediction stage after so many evaluations in a row of which none is better than the best one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<NonZeroU64>,
    /// Longest input in tokens; longer text is cut.
    pub max_tokens: usize,
    /// The variant of Adam that trains both stages, with its weight decay.
    pub optimizer: OptimizerSettings,
    /// Seed of both stages: of projections, head, order and dropout.
    pub seed: u64,
    /// Bytes that a cache of the teacher's states and answers may take on disk; 0 for no cache. Cached states
    /// and scores have half precision.
    pub teacher_cache_bytes: u64,
    /// Zeros that are added to the weights in the prediction stage. With `None` the zeros of a pruned student
    /// stay.
    pub sparsity: Option<SparsitySettings>,
    /// Learn even from a teacher that is no better than chance.
    pub allow_weak_teacher: bool,
    /// Train the student as it will be quantized; `None` for a float student.
    pub quantization_aware: Option<QuantizationAware>,
}

/// The part of the recipe that each of the two stages has for itself. Both stages share optimizer and seed.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StageRecipe {
    /// Passes over the training data.
    pub epochs: u64,
    /// Examples per optimizer step.
    pub batch_size: usize,
    /// Examples per forward and backward pass at most.
    pub micro_batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How the learning rate changes over the stage.
    pub schedule: Schedule,
    /// How long the stage may take.
    #[serde(rename = "budget")]
    pub time_limit: TimeLimit,
}

impl Default for TaskSettings {
    fn default() -> Self {
        let recipe = Recipe::default();
        let stage = StageRecipe::from_recipe(&recipe);
        Self {
            transfer: TransferSettings::default(),
            intermediate: StageRecipe { epochs: 20, schedule: Schedule::Constant, ..stage.clone() },
            prediction: StageRecipe { learning_rate: 3e-5, ..stage },
            max_steps: None,
            temperature: 1.0,
            gold_weight: 0.0,
            class_weights: None,
            evaluations_per_epoch: 1,
            patience: None,
            max_tokens: 128,
            optimizer: OptimizerSettings::paper(),
            seed: recipe.seed,
            teacher_cache_bytes: 0,
            sparsity: None,
            allow_weak_teacher: false,
            quantization_aware: None,
        }
    }
}

impl TaskSettings {
    /// The whole recipe of one of the stages.
    pub fn recipe(&self, stage: &StageRecipe) -> Recipe {
        let &StageRecipe { epochs, batch_size, micro_batch, learning_rate, schedule, time_limit } = stage;
        let (optimizer, seed) = (self.optimizer, self.seed);
        Recipe { epochs, batch_size, micro_batch, learning_rate, schedule, optimizer, seed, time_limit }
    }

    /// Steps of the prediction stage over so many samples.
    pub fn prediction_steps(&self, samples: usize) -> u64 {
        let all = self.recipe(&self.prediction).steps(samples);
        self.max_steps.map_or(all, |limit| limit.min(all))
    }

    /// Makes sure that the settings fit together.
    ///
    /// # Errors
    /// [`Error::Usage`] naming what does not.
    pub fn check(&self) -> Result<()> {
        let (intermediate, prediction) = (&self.intermediate, &self.prediction);
        self.recipe(intermediate).check()?;
        self.recipe(prediction).check()?;
        if intermediate.epochs == 0 && prediction.epochs == 0 {
            return Err(Error::Usage("both stages have 0 epochs: there is nothing to do".into()));
        }
        if self.evaluations_per_epoch == 0 {
            return Err(Error::Usage("task distillation needs at least one evaluation per epoch".into()));
        }
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return Err(Error::Usage(format!(
                "temperature {}: it must be a positive number",
                self.temperature
            )));
        }
        if !(0.0..=1.0).contains(&self.gold_weight) {
            return Err(Error::Usage(format!(
                "gold weight {}: it must be from 0 to 1, and the teacher has the rest",
                self.gold_weight
            )));
        }
        if self.gold_weight > 0.0 && prediction.epochs == 0 {
            return Err(Error::Usage(
                "gold labels are learned in the prediction stage: give it epochs".into(),
            ));
        }
        if self.class_weights.is_some() && self.gold_weight == 0.0 {
            return Err(Error::Usage(
                "class weights are for gold labels: give the gold labels a weight above 0 too".into(),
            ));
        }
        let Some(sparsity) = &self.sparsity else { return Ok(()) };
        sparsity.check()?;
        let limited = prediction.time_limit.max_minutes.is_some();
        if sparsity.share > 0.0 && (prediction.epochs == 0 || limited) {
            let what =
                "zeros come in over the steps of the prediction stage: give it epochs and no time limit";
            return Err(Error::Usage(what.into()));
        }
        Ok(())
    }
}

impl StageRecipe {
    /// The settings of the stage among those of `recipe`.
    pub fn from_recipe(recipe: &Recipe) -> Self {
        let &Recipe { epochs, batch_size, micro_batch, learning_rate, schedule, time_limit, .. } = recipe;
        Self { epochs, batch_size, micro_batch, learning_rate, schedule, time_limit }
    }
}

/// Settings that earlier versions did not have are recorded only where they are used, so that runs of these
/// versions can be resumed.
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Records and checkpoints that earlier versions wrote have this form.
    #[test]
    fn the_recorded_form_stays() {
        let recorded = json!({
            "transfer": TransferSettings::default(),
            "intermediate": {
                "epochs": 20, "batch_size": 32, "micro_batch": 32, "learning_rate": 5e-5, "schedule": "constant",
                "budget": { "max_minutes": null },
            },
            "prediction": {
                "epochs": 3, "batch_size": 32, "micro_batch": 32, "learning_rate": 3e-5,
                "schedule": { "linear": { "warmup": 0.1 } }, "budget": { "max_minutes": null },
            },
            "temperature": 1.0,
            "evaluations_per_epoch": 1,
            "max_tokens": 128,
            "optimizer": {
                "method": "paper", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-6, "weight_decay": 0.01,
                "clip_norm": 1.0,
            },
            "seed": 7,
            "teacher_cache_bytes": 0,
            "sparsity": null,
            "allow_weak_teacher": false,
            "quantization_aware": null,
        });
        assert_eq!(json!(TaskSettings { seed: 7, ..TaskSettings::default() }), recorded);
    }
}
