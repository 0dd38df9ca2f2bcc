//! One file per command: its arguments, and a thin call of the host library.

mod init;

use clap::Subcommand;
use tinybert_host::Result;

use crate::args::Global;

#[derive(Subcommand)]
pub enum Command {
    Init(init::Args),
}

/// Runs the command.
pub fn dispatch(command: &Command, global: &Global) -> Result<()> {
    match command {
        Command::Init(args) => init::run(args, global),
    }
}
