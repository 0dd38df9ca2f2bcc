//! How a model is trained: the settings that every kind of training has.

use super::optimizer::OptimizerSettings;
use super::schedule::Schedule;
use tinybert_base::{Error, Result};
use tinybert_data::EncodedSet;

/// Passes, batches, learning rate, optimizer, seed and time limit of one training session.
///
/// Fine-tuning, masked-LM training and general distillation embed one recipe. Task distillation makes one for each
/// of its two stages.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Recipe {
    /// Passes over the training data.
    pub epochs: u64,
    /// Examples per optimizer step.
    pub batch_size: usize,
    /// Examples per forward and backward pass at most. The gradients of a step's micro-batches are added up,
    /// so that a smaller micro-batch needs less memory.
    pub micro_batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How the learning rate changes over the session.
    pub schedule: Schedule,
    /// The variant of Adam, with its weight decay.
    pub optimizer: OptimizerSettings,
    /// Seed of everything that is drawn: fresh weights, the order of the data, dropout.
    pub seed: u64,
    /// How long the session may take.
    #[serde(rename = "budget")]
    pub time_limit: TimeLimit,
}

/// How long a session may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TimeLimit {
    /// Ends the session after so many minutes of training; the run finishes with the weights that it has by
    /// then. The schedule ignores this limit: limit epochs or tokens instead where a run has to be
    /// repeatable.
    pub max_minutes: Option<f64>,
}

impl Default for Recipe {
    /// Three epochs of AdamW at 5e-5 in batches of 32, after a warm-up of a tenth of the steps.
    fn default() -> Self {
        Self {
            epochs: 3,
            batch_size: 32,
            micro_batch: 32,
            learning_rate: 5e-5,
            schedule: Schedule::Linear { warmup: 0.1 },
            optimizer: OptimizerSettings::adamw(),
            seed: 42,
            time_limit: TimeLimit::default(),
        }
    }
}

impl Recipe {
    /// Makes sure that every number is one that training can work with. The number of epochs is left to the
    /// caller: a stage of task distillation may have none.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let rate = self.learning_rate;
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(Error::Usage(format!("learning rate {rate}: it must be a positive number")));
        }
        for (name, size) in [("batch size", self.batch_size), ("micro-batch", self.micro_batch)] {
            if size == 0 {
                return Err(Error::Usage(format!("{name} 0: it must be at least 1")));
            }
        }
        self.schedule.check()?;
        self.optimizer.check()
    }

    /// Makes sure that training on the windows of a corpus has anything to do.
    ///
    /// # Errors
    /// [`Error::Usage`] for no epochs or no tokens; [`Error::Input`] for a corpus without windows.
    pub fn check_corpus(&self, windows: &EncodedSet, max_train_tokens: Option<u64>) -> Result<()> {
        if self.epochs == 0 || max_train_tokens == Some(0) {
            return Err(Error::Usage("epochs and training tokens must be at least 1".into()));
        }
        match windows.is_empty() {
            true => Err(Error::Input("the corpus has no text".into())),
            false => Ok(()),
        }
    }

    /// Optimizer steps over a set of so many samples.
    pub fn steps(&self, samples: usize) -> u64 {
        self.epochs * samples.div_ceil(self.batch_size) as u64
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Records and checkpoints that earlier versions wrote have these names.
    #[test]
    fn the_recorded_names_stay() {
        let recorded = json!({
            "epochs": 3,
            "batch_size": 32,
            "micro_batch": 32,
            "learning_rate": 5e-5,
            "schedule": { "linear": { "warmup": 0.1 } },
            "optimizer": {
                "method": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01,
                "clip_norm": 1.0,
            },
            "seed": 42,
            "budget": { "max_minutes": null },
        });
        assert_eq!(json!(Recipe::default()), recorded);
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        for (recipe, named) in [
            (Recipe { learning_rate: 0.0, ..Recipe::default() }, "learning rate 0"),
            (Recipe { learning_rate: f64::INFINITY, ..Recipe::default() }, "learning rate inf"),
            (Recipe { batch_size: 0, ..Recipe::default() }, "batch size 0"),
            (Recipe { micro_batch: 0, ..Recipe::default() }, "micro-batch 0"),
            (Recipe { schedule: Schedule::Linear { warmup: 1.0 }, ..Recipe::default() }, "warm-up 1"),
        ] {
            let error = recipe.check().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_last_batch_of_an_epoch_may_be_smaller() {
        assert_eq!(Recipe { epochs: 2, batch_size: 8, ..Recipe::default() }.steps(17), 6);
    }
}
