//! Options of every command.

use std::num::NonZeroUsize;

use clap::Args;

/// Options of every command.
#[derive(Args)]
#[command(next_help_heading = "Every command")]
pub struct GlobalArgs {
    /// Seed of everything random: initialisation, shuffling, dropout.
    #[arg(long, global = true, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Threads to compute with; results do not depend on it [default: all cores].
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Print results and errors only: no progress.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}
