//! The summary of a training session.

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
    /// Ranks that shared the steps at the end of the session. The order in which gradients are added depends
    /// on it.
    #[serde(default = "one_rank")]
    pub ranks: usize,
}

/// The number of ranks in records that were written before runs could have several.
pub(crate) fn one_rank() -> usize {
    1
}
