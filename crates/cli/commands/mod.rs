//! One file per command: its arguments, and a thin call of the host library.

mod ablations;
mod augment;
mod bench;
mod compress;
mod demo;
mod distill;
mod eval;
mod fine_tune;
mod init;
mod inspect;
mod prune;
mod quantize;
mod report;
mod run;
mod sign;

use clap::Subcommand;
use tinybert_base::Result;

use crate::args::Global;

#[derive(Subcommand)]
pub enum Command {
    Compress(compress::Args),
    Init(init::Args),
    FineTune(fine_tune::Args),
    Augment(augment::Args),
    Distill(distill::Args),
    Ablations(ablations::Args),
    Prune(prune::Args),
    Quantize(quantize::Args),
    Sign(sign::Args),
    Eval(eval::Args),
    Run(run::Args),
    Inspect(inspect::Args),
    Report(report::Args),
    Bench(bench::Args),
    Demo(demo::Args),
}

impl Command {
    /// True for commands that compute with candle for long, and so want its environment settled. The others are to
    /// answer at once.
    pub fn computes(&self) -> bool {
        !matches!(self, Self::Sign(_) | Self::Run(_) | Self::Inspect(_) | Self::Bench(_))
    }

    /// True for commands whose work several processes can share.
    pub fn shares_work(&self) -> bool {
        matches!(self, Self::FineTune(_) | Self::Augment(_) | Self::Distill(_))
    }
}

/// Runs the command.
pub fn dispatch(command: &Command, global: &Global) -> Result<()> {
    match command {
        Command::Compress(args) => compress::run(args, global),
        Command::Init(args) => init::run(args, global),
        Command::FineTune(args) => fine_tune::run(args, global),
        Command::Augment(args) => augment::run(args, global),
        Command::Distill(args) => distill::run(args, global),
        Command::Ablations(args) => ablations::run(args, global),
        Command::Prune(args) => prune::run(args, global),
        Command::Quantize(args) => quantize::run(args, global),
        Command::Sign(args) => sign::run(args),
        Command::Eval(args) => eval::run(args, global),
        Command::Run(args) => run::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Report(args) => report::run(args, global),
        Command::Bench(args) => bench::run(args, global),
        Command::Demo(args) => demo::run(args, global),
    }
}
