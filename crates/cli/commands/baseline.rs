//! `baseline`: trains a linear classifier and measures it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tinybert_base::atomic::write_file;
use tinybert_base::{Error, Result};
use tinybert_baseline::{BaselineRow, check_kind};
use tinybert_data::Split;
use tinybert_data::task::Dataset;

use crate::args::{DataArgs, ModelAnswers, SplitName};
use crate::invocation::Invocation;
use crate::output_paths;
use crate::standard_output::{print_baseline, print_json, print_line};
use crate::terminal::Terminal;

/// Trains a linear classifier on n-grams of words and characters, or of tagged words on their neighbours and parts, and
/// prints its metrics, size and speed: what a Transformer has to be better than.
#[derive(Args)]
// There is no baseline for sentence embeddings.
#[command(mut_arg("embedding", |option| option.hide(true)))]
#[command(mut_arg("prompt", |option| option.hide(true)))]
#[command(mut_arg("pair_prompt", |option| option.hide(true)))]
pub struct BaselineArgs {
    /// Parts of the data that it is judged on; mm stands for MNLI's mismatched set [default: dev, and test if there is
    /// a --test file].
    #[arg(long, num_args = 1..)]
    split: Vec<SplitName>,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
    /// File for the result as JSON, which `report --baseline` reads.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &BaselineArgs, invocation: &Invocation) -> Result<()> {
    if let Some(out) = &args.out {
        let is_like = |file: &Path| BaselineRow::read(file).is_ok();
        output_paths::check_json("--out", out, &args.data.inputs(), "the result of a baseline", is_like)?;
    }
    check_kind(args.data.task_kind())?;
    if !args.data.has_training() || !args.data.has_dev() {
        return Err(Error::Usage(
            "a baseline needs training data, and a development set that chooses the strength of its penalty: give \
             --task NAME --data FOLDER for a GLUE task, or --train and --dev (or --dev-share)"
                .into(),
        ));
    }
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let data = args.data.training(&ModelAnswers::default(), context.progress)?;
    let data = data.view();
    let spec = args.data.spec(&ModelAnswers::labelled(&data.train.labels))?;
    let splits = args.splits();
    let loaded: Vec<Option<Dataset>> = splits
        .iter()
        .map(|split| match split {
            Split::Train | Split::Dev => Ok(None),
            split => args.data.load(&spec, *split, context.progress).map(Some),
        })
        .collect::<Result<_>>()?;
    let judged: Vec<(Split, &Dataset)> = splits
        .iter()
        .zip(&loaded)
        .map(|(&split, loaded)| match (split, loaded) {
            (_, Some(loaded)) => (split, loaded),
            (Split::Train, None) => (split, data.train),
            (_, None) => (split, data.dev),
        })
        .collect();
    let row = BaselineRow::measure((data.train, data.dev), data.metrics, &judged, &context)?;
    if let Some(out) = &args.out {
        write_file(out, format!("{:#}\n", json!(row)).as_bytes())?;
    }
    if args.json {
        return print_json(&json!(row));
    }
    print_baseline(&row)?;
    print_line(format_args!("size     {} bytes, {} features", row.bytes, row.features))?;
    print_line(format_args!(
        "speed    {:.1} µs a text on one core of this machine, median",
        row.microseconds
    ))?;
    print_line(format_args!("training {:.1} s, penalty {}", row.seconds, row.penalty))
}

impl BaselineArgs {
    /// The parts of the data to judge on, each once.
    fn splits(&self) -> Vec<Split> {
        let mut splits: Vec<Split> = Vec::new();
        for split in self.split.iter().copied().map(Split::from) {
            if !splits.contains(&split) {
                splits.push(split);
            }
        }
        if splits.is_empty() {
            splits.push(Split::Dev);
            splits.extend(self.data.test.is_some().then_some(Split::Test));
        }
        splits
    }
}
