//! The summary of a training session.

use std::collections::BTreeMap;

/// Steps, tokens and time of a finished session, as reports and checkpoints record them.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// Optimizer steps taken.
    pub steps: u64,
    /// Tokens seen, without padding.
    pub tokens: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// True if [`TimeLimit::max_minutes`](crate::TimeLimit::max_minutes) ended the session before its planned
    /// length.
    pub out_of_time: bool,
    /// True if the session ended before its planned length because its evaluations no longer improved
    /// ([`SessionConfig::patience`](crate::session::SessionConfig::patience)).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_patience: bool,
    /// Ranks that shared the steps at the end of the session. The order in which gradients are added depends
    /// on it.
    #[serde(default = "one_rank")]
    pub ranks: usize,
}

/// The steps of all `finished` sessions of a run.
pub(crate) fn total_steps(finished: &BTreeMap<String, Summary>) -> u64 {
    finished.values().map(|summary| summary.steps).sum()
}

/// The number of ranks in records that were written before runs could have several.
pub(crate) fn one_rank() -> usize {
    1
}
