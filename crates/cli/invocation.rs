//! One call of the command line.

use std::sync::Arc;

use clap::ArgMatches;
use tinybert_base::collective::{Collective, Single};
use tinybert_model::RecordedOptions;

use crate::args::{GlobalArgs, PresentOptions};
use crate::replay::recorded_options;

/// One call of the command line: everything that a command gets besides its own arguments.
pub struct Invocation {
    /// Options that every command has.
    pub global: GlobalArgs,
    /// The options that the command line names itself.
    pub present: PresentOptions,
    /// The same options as `run.json` records them.
    pub options: RecordedOptions,
    /// The processes that share the command's work; until they are joined, this process alone.
    pub ranks: Arc<dyn Collective>,
}

impl Invocation {
    /// The invocation of a command in this process alone. `matches` are those of the whole command line.
    pub fn new(global: GlobalArgs, matches: &ArgMatches) -> Self {
        let present = PresentOptions::of_subcommand(matches);
        Self { global, present, options: recorded_options(matches), ranks: Arc::new(Single) }
    }

    /// True for the process that writes and prints.
    pub fn is_first(&self) -> bool {
        self.ranks.is_first()
    }
}
