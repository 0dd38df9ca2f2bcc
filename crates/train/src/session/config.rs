//! The configuration of a session.

use std::num::NonZeroU64;

use crate::recipe::Recipe;
use crate::sparsity::SparsitySettings;
use tinybert_data::EncodedSet;

/// Planned length of a session in the unit that its schedule and its progress bar count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionLength {
    /// Optimizer steps.
    Steps(u64),
    /// Tokens without padding.
    Tokens(u64),
}

impl SessionLength {
    /// All optimizer steps of a recipe over a set, or `limit` steps if that is fewer.
    pub fn in_steps(recipe: &Recipe, set: &EncodedSet, limit: Option<u64>) -> Self {
        let all = recipe.steps(set.len());
        Self::Steps(limit.map_or(all, |limit| limit.min(all)))
    }

    /// All tokens of a recipe's epochs over a set, or `limit` tokens if that is fewer.
    pub fn in_tokens(recipe: &Recipe, set: &EncodedSet, limit: Option<u64>) -> Self {
        let all = recipe.epochs.saturating_mul(set.total_tokens() as u64);
        Self::Tokens(limit.map_or(all, |limit| limit.min(all)))
    }
}

/// Settings of a session.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Name in progress, metrics and checkpoints: `fine-tune`, `general`, ...
    pub name: &'static str,
    /// Batches, learning rate, optimizer, seed and time limit.
    pub recipe: Recipe,
    /// The length after which the schedule and the session end.
    pub length: SessionLength,
    /// Evaluations of the selection per epoch, if there is a selection.
    pub evaluations_per_epoch: usize,
    /// Ends the session after so many evaluations in a row of which none is better than the best one before; `None`
    /// for a session of its planned length. The learning-rate schedule does not depend on it.
    pub patience: Option<NonZeroU64>,
    /// Zeros that come in among the weights. With `None` none come in, and the zeros of a pruned model stay.
    pub sparsity: Option<SparsitySettings>,
}
