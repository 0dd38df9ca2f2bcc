//! `eval`: measures how well a folder or an image answers.

use clap::Args;
use serde_json::json;
use tinybert_base::Result;
use tinybert_data::Split;

use crate::args::{DataArgs, DeviceArgs, ModelArgs, SplitName};
use crate::invocation::Invocation;
use crate::standard_output::{describe_metrics, print_line};
use crate::terminal::Terminal;

/// Evaluates a model folder or an image on labelled data; an image is evaluated by the code that runs on the
/// device.
#[derive(Args)]
pub struct EvalArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Part of the data; mm stands for MNLI's mismatched set.
    #[arg(long, default_value = "dev")]
    split: SplitName,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

pub fn run(args: &EvalArgs, invocation: &Invocation) -> Result<()> {
    let split = Split::from(args.split);
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let place = args.model.locate(&context)?;
    let predictor = args.model.open_at(&place, &args.device.open()?, args.data.embedding)?;
    let data_args = args.data.read_by(&place.path, context.progress)?;
    let spec = data_args.spec(&predictor.labels()?)?;
    let data = data_args.load(&spec, split, context.progress)?;
    let metrics = predictor.evaluate(&data, data_args.metrics(&spec, &data)?, &context)?;
    if args.json {
        print_line(json!(metrics))
    } else {
        print_line(format_args!("{split} {}", describe_metrics(&metrics)))
    }
}
