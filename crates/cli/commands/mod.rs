//! One file per command: its arguments, and a thin call of the host library.

mod distill;
mod fine_tune;
mod init;

use clap::Subcommand;
use tinybert_host::Result;

use crate::args::Global;

#[derive(Subcommand)]
pub enum Command {
    Init(init::Args),
    FineTune(fine_tune::Args),
    Distill(distill::Args),
}

/// Runs the command.
pub fn dispatch(command: &Command, global: &Global) -> Result<()> {
    match command {
        Command::Init(args) => init::run(args, global),
        Command::FineTune(args) => fine_tune::run(args, global),
        Command::Distill(args) => distill::run(args, global),
    }
}
