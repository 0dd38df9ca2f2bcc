//! Arguments that several commands share. Those of one command stand in its own file.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser};
use tinybert_host::data::{Columns, DataSpec, GlueTask, Source};
use tinybert_host::task::TaskKind;
use tinybert_host::{Error, Result};

use crate::commands::Command;

/// Turns a BERT teacher and labelled text into one int8 model image for devices without an operating system.
#[derive(Parser)]
#[command(name = "tinybert-compress", version, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done, 1 fault of this program, 2 usage, 3 bad input, 4 I/O or disk full, \
                        5 training diverged, 130 interrupted."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

/// Options of every command.
#[derive(Args)]
pub struct Global {
    /// Seed of everything random: initialisation, shuffling, dropout.
    #[arg(long, global = true, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Threads to compute with; results do not depend on it [default: all cores].
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Print results and errors only: no progress.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// Where labelled text comes from: a GLUE task's folder, or files with named columns.
#[derive(Args)]
pub struct DataArgs {
    /// GLUE task of --data: sst-2, cola, rte, sts-b, mrpc, mnli, qqp or qnli.
    #[arg(long, value_name = "NAME", requires = "data", help_heading = "Data")]
    pub task: Option<GlueTask>,
    /// Folder with the task's files in GLUE's own layout (train.tsv, dev.tsv).
    #[arg(long, value_name = "FOLDER", requires = "task", help_heading = "Data")]
    pub data: Option<PathBuf>,
    /// Training file: .jsonl, .csv or .tsv with named columns.
    #[arg(long, value_name = "FILE", conflicts_with = "task", help_heading = "Data")]
    pub train: Option<PathBuf>,
    /// Development file, as --train.
    #[arg(long, value_name = "FILE", conflicts_with = "task", help_heading = "Data")]
    pub dev: Option<PathBuf>,
    /// Test file, as --train.
    #[arg(long, value_name = "FILE", conflicts_with = "task", help_heading = "Data")]
    pub test: Option<PathBuf>,
    /// Column of the (first) sentence.
    #[arg(long, value_name = "NAME", default_value = "text", help_heading = "Data")]
    pub text_column: String,
    /// Column of the second sentence, for pairs.
    #[arg(long, value_name = "NAME", help_heading = "Data")]
    pub pair_column: Option<String>,
    /// Column of the label or score.
    #[arg(long, value_name = "NAME", default_value = "label", help_heading = "Data")]
    pub label_column: String,
    /// Labels are real numbers to be predicted.
    #[arg(long, conflicts_with = "task", help_heading = "Data")]
    pub regression: bool,
}

impl DataArgs {
    /// What the host is to read. `labels` are those of a model that already has a head.
    pub fn spec(&self, labels: Option<Vec<String>>) -> Result<DataSpec> {
        let source = match (self.task, &self.data) {
            (Some(task), Some(folder)) => Source::Glue { task, folder: folder.clone() },
            _ if !self.is_given() => {
                return Err(Error::Usage(
                    "no data: give --task NAME --data FOLDER for a GLUE task, or --train, --dev and --test files"
                        .into(),
                ));
            }
            _ => Source::Table {
                train: self.train.clone(),
                dev: self.dev.clone(),
                test: self.test.clone(),
                format: None,
                columns: Columns {
                    text: self.text_column.clone(),
                    pair: self.pair_column.clone(),
                    label: Some(self.label_column.clone()),
                },
                kind: if self.regression { TaskKind::Regression } else { TaskKind::Classification },
            },
        };
        Ok(DataSpec { source, labels })
    }

    /// True where the command line names any data.
    pub fn is_given(&self) -> bool {
        let files = [&self.data, &self.train, &self.dev, &self.test];
        files.into_iter().any(Option::is_some)
    }
}
