//! The display of a long step.

/// Shows how far a long step is. The command line draws bars; tests and library users take [`Silent`].
pub trait Progress: Sync {
    /// A step begins: its name, and how many units (steps, sentences) it has.
    fn begin(&self, _name: &str, _total: u64) {}
    /// An earlier process has finished the first `done` units of the step that just began.
    fn resume(&self, _done: u64) {}
    /// `done` units of the current step are finished; `note` is a short line such as `loss 0.123`.
    fn advance(&self, _done: u64, _note: &str) {}
    /// The current step is over.
    fn end(&self) {}
    /// Shows a line that stays above the bar.
    fn say(&self, _line: &str) {}
}

/// Shows nothing.
pub struct Silent;
impl Progress for Silent {}
