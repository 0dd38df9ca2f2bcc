//! Settings of task distillation.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::super::quantization_aware::QuantizationAware;
use super::super::transfer::TransferSettings;
use tinybert_base::{Error, Result};
use tinybert_train::optimizer::OptimizerSettings;
use tinybert_train::schedule::Schedule;
use tinybert_train::sparsity::SparsitySettings;
use tinybert_train::{Recipe, TimeLimit};

/// Settings of [`distill_task`](crate::distill_task); the defaults are the paper's.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSettings {
    /// Losses of the intermediate stage.
    pub transfer: TransferSettings,
    /// How the student learns embeddings, hidden states and attention; 0 epochs leave the stage out.
    pub intermediate: Recipe,
    /// How the student learns the answers; 0 epochs leave the stage out. Both stages have the same optimizer
    /// and seed.
    pub prediction: Recipe,
    /// t of the soft cross-entropy.
    pub temperature: f64,
    /// Evaluations on the development set per epoch of the prediction stage. The best evaluated weights are
    /// kept.
    pub evaluations_per_epoch: usize,
    /// Longest input in tokens; longer text is cut.
    pub max_tokens: usize,
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

impl Default for TaskSettings {
    fn default() -> Self {
        let recipe = Recipe { optimizer: OptimizerSettings::paper(), ..Recipe::default() };
        Self {
            transfer: TransferSettings::default(),
            intermediate: Recipe { epochs: 20, schedule: Schedule::Constant, ..recipe.clone() },
            prediction: Recipe { learning_rate: 3e-5, ..recipe },
            temperature: 1.0,
            evaluations_per_epoch: 1,
            max_tokens: 128,
            teacher_cache_bytes: 0,
            sparsity: None,
            allow_weak_teacher: false,
            quantization_aware: None,
        }
    }
}

impl TaskSettings {
    /// The seed of both stages: of projections, head, order and dropout.
    pub fn seed(&self) -> u64 {
        self.prediction.seed
    }

    /// The same settings with another seed for both stages.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        for stage in [&mut self.intermediate, &mut self.prediction] {
            stage.seed = seed;
        }
        self
    }

    /// Makes sure that the settings fit together.
    ///
    /// # Errors
    /// [`Error::Usage`] naming what does not.
    pub fn check(&self) -> Result<()> {
        let (intermediate, prediction) = (&self.intermediate, &self.prediction);
        intermediate.check()?;
        prediction.check()?;
        if (intermediate.optimizer, intermediate.seed) != (prediction.optimizer, prediction.seed) {
            return Err(Error::Usage("both stages need the same optimizer and the same seed".into()));
        }
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

impl Serialize for TaskSettings {
    /// The form of `run.json` and of checkpoints: optimizer and seed, which both stages share, stand beside
    /// the stages.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Self {
            transfer,
            intermediate,
            prediction,
            temperature,
            evaluations_per_epoch,
            max_tokens,
            teacher_cache_bytes,
            sparsity,
            allow_weak_teacher,
            quantization_aware,
        } = self;
        let mut fields = serializer.serialize_struct("TaskSettings", 12)?;
        fields.serialize_field("transfer", transfer)?;
        fields.serialize_field("intermediate", &RecordedStage::from(intermediate))?;
        fields.serialize_field("prediction", &RecordedStage::from(prediction))?;
        fields.serialize_field("temperature", temperature)?;
        fields.serialize_field("evaluations_per_epoch", evaluations_per_epoch)?;
        fields.serialize_field("max_tokens", max_tokens)?;
        fields.serialize_field("optimizer", &prediction.optimizer)?;
        fields.serialize_field("seed", &prediction.seed)?;
        fields.serialize_field("teacher_cache_bytes", teacher_cache_bytes)?;
        fields.serialize_field("sparsity", sparsity)?;
        fields.serialize_field("allow_weak_teacher", allow_weak_teacher)?;
        fields.serialize_field("quantization_aware", quantization_aware)?;
        fields.end()
    }
}

/// A stage's recipe as it is recorded, without optimizer and seed.
#[derive(serde::Serialize)]
struct RecordedStage {
    epochs: u64,
    batch_size: usize,
    micro_batch: usize,
    learning_rate: f64,
    schedule: Schedule,
    budget: TimeLimit,
}

impl From<&Recipe> for RecordedStage {
    fn from(recipe: &Recipe) -> Self {
        let &Recipe { epochs, batch_size, micro_batch, learning_rate, schedule, time_limit, .. } = recipe;
        Self { epochs, batch_size, micro_batch, learning_rate, schedule, budget: time_limit }
    }
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
        assert_eq!(json!(TaskSettings::default().with_seed(7)), recorded);
    }

    #[test]
    fn stages_of_different_seeds_are_refused() {
        let mut settings = TaskSettings::default();
        settings.check().unwrap();
        settings.intermediate.seed += 1;
        assert!(settings.check().unwrap_err().to_string().contains("same seed"));
    }
}
