//! What surrounds a long step: who watches it, how it is asked to stop, and which processes share its work.

use crate::collective::{Collective, Single};

/// The surroundings of a long step. The command line draws bars; tests and library users take [`Silent`].
pub trait Progress: Sync {
    /// A step begins: its name, and how many units (steps, sentences) it has.
    fn begin(&self, _name: &str, _total: u64) {}
    /// The first `done` units of the step that just began were finished by an earlier process.
    fn resume(&self, _done: u64) {}
    /// `done` units of the current step are finished; `note` is a short line such as `loss 0.123`.
    fn advance(&self, _done: u64, _note: &str) {}
    /// The current step is over.
    fn end(&self) {}
    /// A line worth keeping above the bar.
    fn say(&self, _line: &str) {}
    /// True once the user has asked to stop (Ctrl-C, SIGTERM). Long loops look between steps.
    fn interrupted(&self) -> bool {
        false
    }
    /// The processes that work on the step together, this one among them.
    fn ranks(&self) -> &dyn Collective {
        &Single
    }
}

/// Watches nothing, never interrupts, and works alone.
pub struct Silent;
impl Progress for Silent {}
