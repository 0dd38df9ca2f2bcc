//! The terminal of a long command: it shows the command's progress and passes on the user's wish to stop.

mod progress;
mod signals;
mod text;

use std::sync::Arc;

use tinybert_base::collective::Collective;
use tinybert_base::{Context, Result};

use self::progress::ProgressDisplay;
use self::signals::SignalListener;
pub use self::text::{on_one_line, safe_lines, say};
use crate::invocation::Invocation;

/// Shows the progress of a long command and hears the signals that ask it to stop.
pub struct Terminal {
    progress: ProgressDisplay,
    signals: SignalListener,
    ranks: Arc<dyn Collective>,
}

impl Terminal {
    /// Opens the display and listens to signals until the terminal is dropped. Only the first rank shows
    /// anything.
    ///
    /// # Errors
    /// [`Error::Io`](tinybert_base::Error::Io) if the system refuses signal handlers or a thread.
    pub fn open(invocation: &Invocation) -> Result<Self> {
        let shows = invocation.is_first();
        Ok(Self {
            progress: ProgressDisplay::new(invocation.global.quiet || !shows),
            signals: SignalListener::start(shows)?,
            ranks: Arc::clone(&invocation.ranks),
        })
    }

    /// The surroundings of the command's long steps.
    pub fn context(&self) -> Context<'_> {
        Context { progress: &self.progress, stop: self.signals.stop(), ranks: &*self.ranks }
    }
}
