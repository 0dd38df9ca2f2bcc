//! `eval`: measures how well a folder or an image answers.

mod against;
mod judged;
mod per_class;
mod predictions;

use std::fmt::Display;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use tinybert_base::atomic::write_file;
use tinybert_base::{Error, Result};
use tinybert_data::Split;
use tinybert_data::metrics::Outcomes;
use tinybert_data::task::TaskKind;
use tinybert_evaluate::ScopedJudgement;

use self::against::Comparison;
use self::judged::{Candidate, Judged};
use crate::args::{DataArgs, DeviceArgs, ModelArgs, ModelFolder, SplitName};
use crate::invocation::Invocation;
use crate::output_paths;
use crate::standard_output::{describe_metrics, print_json, print_line};
use crate::terminal::Terminal;

/// Evaluates a model folder or an image on labelled data; an image is evaluated by the code that runs on the
/// device. The metrics are printed with their 95 % intervals.
#[derive(Args)]
pub struct EvalArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Part of the data; mm stands for MNLI's mismatched set.
    #[arg(long, default_value = "dev")]
    split: SplitName,
    /// Print precision, recall, F1 and support of each label (with --tagging of each type of entity), their means, and
    /// which labels are taken for which.
    #[arg(long)]
    per_class: bool,
    /// File to write the answer to every example to, a JSON object on each line: text, right answer, answer,
    /// probabilities and logits.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// A second model folder or image, which answers the same examples: says whether the difference is more than
    /// chance.
    #[arg(long, value_name = "PATH|ORG/NAME")]
    against: Option<ModelFolder>,
    /// The label of rows that are none of the other labels: prints how many of them the model rejects, and how many of
    /// the others it answers rightly.
    #[arg(long, value_name = "LABEL", conflicts_with_all = ["regression", "multi_label", "tagging", "embedding"])]
    out_of_scope: Option<String>,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

pub fn run(args: &EvalArgs, invocation: &Invocation) -> Result<()> {
    if let Some(file) = &args.predictions {
        let inputs = args.data.inputs().with("--model", [args.model.name()]).with("--against", &args.against);
        let what = "a file that `eval --predictions` wrote";
        output_paths::check_json("--predictions", file, &inputs, what, predictions::is_like)?;
    }
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let model = Candidate::open(args, &args.model, &context)?;
    if args.per_class
        && matches!(model.judged_by.data.labelled.kind, TaskKind::Regression | TaskKind::Embedding)
    {
        return Err(Error::Usage(
            "--per-class: scores have no classes; leave --per-class out, or give --predictions FILE for the score of \
             every example"
                .into(),
        ));
    }
    let rival = match &args.against {
        Some(name) => Some(Candidate::open_rival(args, &args.model.with_model(name), &model, &context)?),
        None => None,
    };
    let model = model.judge(&context)?;
    let rival = rival.map(|rival| rival.judge(&context)).transpose()?;
    let comparison = rival.as_ref().map(|rival| Comparison::new(&model, rival)).transpose()?;
    // What was measured is printed before a file is written, for which there may be no room. A pipe that its reader has
    // closed does not keep the file from being written.
    let printed = match args.json {
        true => print_json(&to_json(args, &model, comparison.as_ref())),
        false => print(args, &model, comparison.as_ref()),
    };
    let Some(file) = &args.predictions else { return printed };
    write_file(file, predictions::lines(&model).as_bytes())?;
    printed?;
    if args.json { Ok(()) } else { print_line(format_args!("wrote {}", file.display())) }
}

/// Prints everything for people.
fn print(args: &EvalArgs, model: &Judged, comparison: Option<&Comparison>) -> Result<()> {
    let split = Split::from(args.split);
    match comparison {
        None => {
            print_line(format_args!("{split} {}", describe_metrics(&model.metrics)))?;
            print_confidence(&model.answers, format_args!("{split}"))?;
        }
        Some(comparison) => comparison.print(split)?,
    }
    if args.per_class
        && let Some(report) = model.answers.labelled.outcomes.per_class()
    {
        print_line(per_class::to_text(&report).trim_end())?;
    }
    Ok(())
}

/// Prints how far the answers can be trusted, if each is one label.
fn print_confidence(answers: &ScopedJudgement, before: impl Display) -> Result<()> {
    let Some(confidence) = &answers.confidence else { return Ok(()) };
    let rows = match confidence.out_of_scope() {
        0 => String::new(),
        rows => format!(" ({rows} examples out of scope)"),
    };
    print_line(format_args!("{before} {}{rows}", confidence.telling_metrics()))
}

/// Everything as a JSON object.
fn to_json(args: &EvalArgs, model: &Judged, comparison: Option<&Comparison>) -> Value {
    let mut json = json!(model.metrics);
    if let Some(confidence) = &model.answers.confidence {
        json["confidence"] = json!(confidence.metrics.values);
        json["confidence_intervals"] = json!(confidence.metrics.intervals);
        json["out_of_scope_samples"] = json!(confidence.out_of_scope());
    }
    if let Some(report) =
        Some(&model.answers.labelled.outcomes).filter(|_| args.per_class).and_then(Outcomes::per_class)
    {
        json["classification_report"] = report.to_json();
        if let Some(confusion) = &report.confusion {
            json["labels"] = report.labels.iter().map(|(name, _)| json!(name)).collect();
            json["confusion_matrix"] = json!(confusion);
        }
    }
    if let Some(comparison) = comparison {
        json["against"] = comparison.to_json();
    }
    json
}
