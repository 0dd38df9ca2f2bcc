//! `eval`: how well a folder or an image answers.

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;
use tinybert_base::Result;
use tinybert_data::Split;

use crate::args::{DataArgs, DeviceArgs, Global, ModelArgs};
use crate::output::{self, print_line};
use crate::watch::Watch;

/// Evaluates a model folder or an image on labelled data; an image by the code that runs on the device.
#[derive(ClapArgs)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Part of the data; mm is MNLI's mismatched set.
    #[arg(long, default_value = "dev")]
    split: EvalSplit,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum EvalSplit {
    Train,
    Dev,
    Test,
    DevMm,
    TestMm,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    let split = match args.split {
        EvalSplit::Train => Split::Train,
        EvalSplit::Dev => Split::Dev,
        EvalSplit::Test => Split::Test,
        EvalSplit::DevMm => Split::DevMismatched,
        EvalSplit::TestMm => Split::TestMismatched,
    };
    let watch = Watch::new(global)?;
    let context = watch.context();
    let predictor = args.model.open_on(&args.device.open()?, args.data.embedding)?;
    let spec = args.data.spec(&predictor.labels()?)?;
    let data = args.data.load(&spec, split, context.progress)?;
    let metrics = predictor.evaluate(&data, args.data.metrics(&spec), &context)?;
    if args.json {
        print_line(json!(metrics))
    } else {
        print_line(format_args!("{split} {}", output::metrics(&metrics)))
    }
}
