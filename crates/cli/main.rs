//! The command line of tinybert-compress: reads arguments, calls the host library, prints, and turns errors into
//! exit codes.

mod args;
mod commands;
mod environment;
mod exit;
mod output;
mod shipped;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use tinybert_host::{Error, Result};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    exit::explain_panics();
    exit::code_of(|| run(&args::Cli::parse()))
}

/// Stack of each thread in bytes: that of a main thread on Linux.
const STACK: usize = 8 << 20;

fn run(cli: &args::Cli) -> Result<()> {
    let command = || commands::dispatch(&cli.command, &cli.global);
    if !cli.command.computes() {
        return command();
    }
    environment::settle(cli.global.threads)?;
    let threads = rayon::ThreadPoolBuilder::new().stack_size(STACK).build();
    let threads = threads.map_err(|error| Error::Usage(format!("cannot start the threads: {error}")))?;
    // Inside the pool: a caller outside sleeps and is woken again for each of a training step's hundreds of operations.
    threads.install(command)
}
