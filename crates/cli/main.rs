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
use tinybert_host::Result;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    exit::explain_panics();
    exit::code_of(|| run(&args::Cli::parse()))
}

fn run(cli: &args::Cli) -> Result<()> {
    if cli.command.computes() {
        environment::settle(cli.global.threads)?;
    }
    commands::dispatch(&cli.command, &cli.global)
}
