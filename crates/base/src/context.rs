//! The surroundings of a long step: its display, the signal that asks it to stop, and the processes that
//! share its work.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::collective::{Collective, Single};
use crate::progress::{Progress, Silent};

/// Asks a long step to stop (Ctrl-C, SIGTERM). Long loops look at it between two units of work.
pub trait StopSignal: Sync {
    /// True once the step is asked to stop.
    fn is_raised(&self) -> bool;
}

impl StopSignal for AtomicBool {
    fn is_raised(&self) -> bool {
        self.load(Ordering::Relaxed)
    }
}

/// The surroundings of a long step. The default shows nothing, never stops, and works in one process.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Shows how far the step is. Results do not depend on it.
    pub progress: &'a dyn Progress,
    /// Asks the step to stop.
    pub stop: &'a dyn StopSignal,
    /// The processes that work on the step together, this one among them.
    pub ranks: &'a dyn Collective,
}

impl Context<'_> {
    /// True once the step is asked to stop.
    pub fn should_stop(&self) -> bool {
        self.stop.is_raised()
    }
}

/// The signal that is never raised.
static NEVER: AtomicBool = AtomicBool::new(false);

impl Default for Context<'_> {
    fn default() -> Self {
        Self { progress: &Silent, stop: &NEVER, ranks: &Single }
    }
}
