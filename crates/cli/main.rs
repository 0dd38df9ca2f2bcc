//! The command line of tinybert-compress: reads arguments, calls the host library, prints, and turns errors into
//! exit codes.

mod args;
mod commands;
mod environment;
mod exit;
mod output;
mod precision;
mod ranks;
mod shipped;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use tinybert_base::{Error, Result};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    exit::explain_panics();
    let mut cli = args::Cli::parse();
    let code = exit::code_of(|| run(&mut cli));
    ranks::leave(&*cli.global.ranks, code);
    ExitCode::from(code)
}

/// Stack of each thread in bytes: that of a main thread on Linux.
const STACK: usize = 8 << 20;

fn run(cli: &mut args::Cli) -> Result<()> {
    if !cli.command.computes() {
        return commands::dispatch(&cli.command, &cli.global);
    }
    // First: the program may not be started again once it has joined others.
    environment::settle(cli.global.threads)?;
    cli.global.ranks = ranks::join(&cli.command)?;
    let threads = rayon::ThreadPoolBuilder::new().stack_size(STACK).build();
    let threads = threads.map_err(|error| Error::Usage(format!("cannot start the threads: {error}")))?;
    // Inside the pool: a caller outside sleeps and is woken again for each of a training step's hundreds of operations.
    let result = threads.install(|| commands::dispatch(&cli.command, &cli.global));
    ranks::speak_in_turn(&*cli.global.ranks, result)
}
