//! One module per command: its options, and a thin call of the host crates.

mod ablations;
mod augment;
mod baseline;
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

use crate::invocation::Invocation;

/// The commands and their options.
#[derive(Subcommand)]
pub enum Command {
    Compress(compress::CompressArgs),
    Init(init::InitArgs),
    FineTune(fine_tune::FineTuneArgs),
    Augment(augment::AugmentArgs),
    Baseline(baseline::BaselineArgs),
    Distill(Box<distill::DistillArgs>),
    Ablations(ablations::AblationsArgs),
    Prune(prune::PruneArgs),
    Quantize(quantize::QuantizeArgs),
    Sign(sign::SignArgs),
    Eval(eval::EvalArgs),
    Run(run::RunArgs),
    Inspect(inspect::InspectArgs),
    Report(report::ReportArgs),
    Bench(bench::BenchArgs),
    Demo(demo::DemoArgs),
}

impl Command {
    /// True for commands that compute with candle for long and need a thread pool and a settled environment.
    /// The other commands have to answer at once.
    pub fn computes(&self) -> bool {
        !matches!(self, Self::Sign(_) | Self::Run(_) | Self::Inspect(_) | Self::Bench(_))
    }

    /// True for commands whose work several processes can share.
    pub fn shares_work(&self) -> bool {
        matches!(self, Self::FineTune(_) | Self::Augment(_) | Self::Distill(_))
    }

    /// Runs the command.
    ///
    /// # Errors
    /// The error of the command, which is printed by the caller.
    pub fn run(&self, invocation: &Invocation) -> Result<()> {
        match self {
            Self::Compress(args) => compress::run(args, invocation),
            Self::Init(args) => init::run(args, invocation),
            Self::FineTune(args) => fine_tune::run(args, invocation),
            Self::Augment(args) => augment::run(args, invocation),
            Self::Baseline(args) => baseline::run(args, invocation),
            Self::Distill(args) => distill::run(args, invocation),
            Self::Ablations(args) => ablations::run(args, invocation),
            Self::Prune(args) => prune::run(args, invocation),
            Self::Quantize(args) => quantize::run(args, invocation),
            Self::Sign(args) => sign::run(args),
            Self::Eval(args) => eval::run(args, invocation),
            Self::Run(args) => run::run(args, invocation),
            Self::Inspect(args) => inspect::run(args, invocation),
            Self::Report(args) => report::run(args, invocation),
            Self::Bench(args) => bench::run(args, invocation),
            Self::Demo(args) => demo::run(args, invocation),
        }
    }
}
