//! The recipe of a training session, as the command line says it.

use tinybert_train::{Recipe, TimeLimit};

use super::OptimizerArgs;

/// Passes, batches, peak rate and time limit of a training session; `None` leaves the default.
#[derive(Clone, Copy, Default)]
pub struct RecipeOptions {
    pub epochs: Option<u64>,
    pub batch_size: Option<usize>,
    pub learning_rate: Option<f64>,
    pub max_minutes: Option<f64>,
}

impl RecipeOptions {
    /// The recipe of a command without options of the optimizer.
    pub fn recipe(self, seed: u64, defaults: Recipe) -> Recipe {
        Recipe {
            epochs: self.epochs.unwrap_or(defaults.epochs),
            batch_size: self.batch_size.unwrap_or(defaults.batch_size),
            learning_rate: self.learning_rate.unwrap_or(defaults.learning_rate),
            time_limit: TimeLimit { max_minutes: self.max_minutes.or(defaults.time_limit.max_minutes) },
            seed,
            ..defaults
        }
    }

    /// The recipe of a command with options of the optimizer.
    pub fn recipe_with(self, optimizer: &OptimizerArgs, seed: u64, defaults: Recipe) -> Recipe {
        Recipe {
            micro_batch: optimizer.micro_batch(defaults.micro_batch),
            schedule: optimizer.schedule(),
            optimizer: optimizer.optimizer(defaults.optimizer),
            ..self.recipe(seed, defaults)
        }
    }
}
