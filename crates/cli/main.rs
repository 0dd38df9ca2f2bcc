//! The command line of tinybert-compress: reads arguments, calls the host library, prints, and turns errors into
//! exit codes.

mod allocator;
mod args;
mod commands;
mod exit;
mod output;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use tinybert_host::{Error, Result};

fn main() -> ExitCode {
    allocator::keep_freed_memory();
    exit::explain_panics();
    exit::code_of(|| run(&args::Cli::parse()))
}

fn run(cli: &args::Cli) -> Result<()> {
    if let Some(threads) = cli.global.threads {
        // The host parallelises through rayon only, candle's matrix products included.
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()
            .map_err(|error| Error::Usage(format!("--threads {threads}: {error}")))?;
    }
    commands::dispatch(&cli.command, &cli.global)
}
