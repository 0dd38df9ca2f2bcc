//! Options that several commands share, one file per group. Options of one command stand in the command's own
//! file.

mod data;
mod device;
mod distillation;
mod global;
mod layout;
mod model;
mod optimizer;
mod output;
mod precision;
mod present;
mod units;

use clap::Parser;

pub use self::data::DataArgs;
pub use self::device::DeviceArgs;
pub use self::distillation::{DistillationArgs, TaskStageArgs};
pub use self::global::GlobalArgs;
pub use self::layout::LayoutName;
pub use self::model::{ModelArgs, isa_parser, max_tokens};
pub use self::optimizer::OptimizerArgs;
pub use self::output::OutputArgs;
pub use self::precision::{PrecisionArgs, PrecisionInputs};
pub use self::present::PresentOptions;
pub use self::units::{parse_bytes, parse_memory_size, parse_milliseconds, parse_time_limit};
use crate::commands::Command;

/// Turns a BERT teacher and labelled text into one int8 model image for devices without an operating system.
#[derive(Parser)]
#[command(name = "tinybert-compress", version, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done, 1 fault of this program, 2 usage, 3 bad input, 4 I/O or disk full, \
                        5 training diverged, 6 a process of a run on several machines was lost, 130 interrupted."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: GlobalArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_of_all_options_agree_with_each_other() {
        super::Cli::command().debug_assert();
    }
}
