//! The whole command line: a command, and the options that every command has.

use clap::Parser;

use crate::args::GlobalArgs;
use crate::commands::Command;

/// Turns a teacher (BERT, DistilBERT, ELECTRA, MPNet, RoBERTa or XLM-RoBERTa) and the text of a task into one model
/// image, whose weights have eight or four bits, for devices without an operating system.
#[derive(Parser)]
#[command(name = "tinybert-compress", version, max_term_width = 110)]
#[command(
    after_help = "FOLDER|ORG/NAME: a model folder, or the id of a model on the Hugging Face Hub (ORG/NAME or \
                        ORG/NAME@REVISION), which is fetched once. A path that exists is a path.\n\n\
                        Exit codes: 0 done, 1 fault of this program, 2 usage, 3 bad input, 4 I/O or disk full, \
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
