//! `demo`: takes every step on the data and the teacher that ship with the program.

mod files;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use tinybert_base::{Context, Error, Result};
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_data::{ColumnNames, DataSpec, Source, Split, TableFiles};
use tinybert_distill::{StageRecipe, TaskSettings};
use tinybert_evaluate::latency;
use tinybert_evaluate::predictor::{FloatModel, PredictedAnswer, Predictor};
use tinybert_model::image_file::{self, ImageFile};
use tinybert_model::{BertConfig, Checkpoint, Head, RunRecord};
use tinybert_nn::init_parameters;
use tinybert_quantize::{KernelLayout, QuantizeSettings, quantize};
use tinybert_train::{Output, TaskData};

use crate::invocation::Invocation;
use crate::output_paths::{self, ProtectedPaths};
use crate::standard_output::print_line;
use crate::terminal::Terminal;

/// Longest input in tokens.
const MAX_TOKENS: usize = 48;
/// Name of the student's folder in the folder of the demo.
const STUDENT: &str = "student";
/// Sentences that the image answers at the end.
const SENTENCES: [&str; 4] = [
    "play some jazz from the sixties",
    "book a table for two in oslo tonight",
    "will it rain in lisbon on sunday",
    "add this song to my workout playlist",
];

/// Distils, quantizes and runs a small model; teacher and data ship with the program, so that nothing is
/// downloaded.
#[derive(Args)]
pub struct DemoArgs {
    /// Folder to write: the folders teacher, snips (the data), student-fresh and student, and the image
    /// model.tbim.
    #[arg(long, value_name = "FOLDER", default_value = "tinybert-demo")]
    out: PathBuf,
    /// One pass in every stage: this shows that all steps work, not which accuracy they can reach.
    #[arg(long)]
    quick: bool,
}

/// A row of the result table.
struct ModelRow {
    name: &'static str,
    bytes: u64,
    accuracy: f64,
}

pub fn run(args: &DemoArgs, invocation: &Invocation) -> Result<()> {
    let begun = Instant::now();
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let path = args.out.join("model.tbim");
    let no_inputs = ProtectedPaths::default();
    output_paths::probe_folder(&args.out, &no_inputs)?;
    output_paths::check_folder(&args.out.join(STUDENT), &no_inputs)?;
    files::unpack(&args.out)?;
    output_paths::check_image(&path, &no_inputs)?;
    let teacher = Checkpoint::load(&args.out.join("teacher"))?;
    let snips = |split| tinybert_data::load(&snips(&args.out, &teacher.head), split, context.progress);
    let (train, dev, test) = (snips(Split::Train)?, snips(Split::Dev)?, snips(Split::Test)?);

    print_line("Distilling a 4-layer student from the 12-layer teacher (layer map 3m) ...")?;
    let student = distil(args, invocation, &teacher, (&train, &dev), &context)?;
    print_line("Quantizing it to int8 ...")?;
    let settings = QuantizeSettings {
        max_tokens: MAX_TOKENS,
        layout: KernelLayout::Dotprod,
        ..QuantizeSettings::default()
    };
    let made = quantize(&student, &train, &settings, &context)?;
    image_file::write(&path, &made.image)?;

    print_line("Evaluating on the 700 test sentences ...")?;
    let int8 = Predictor::open(&path, MAX_TOKENS, None)?;
    let rows = [
        row("teacher, 12 layers, f32", &teacher, &test, &context)?,
        row("student, 4 layers, f32", &student, &test, &context)?,
        ModelRow {
            name: "model.tbim, int8",
            bytes: file_bytes(&path)?,
            accuracy: accuracy(&int8, &test, &context)?,
        },
    ];
    print_table(&rows)?;
    print_latency(&path)?;
    print_answers(&int8)?;
    print_line(format_args!(
        "\nwrote {} in {:.0} s; now try",
        path.display(),
        begun.elapsed().as_secs_f64()
    ))?;
    print_line(format_args!("  tinybert-compress run --model {} \"TEXT\"", path.display()))
}

/// The shipped data, with the teacher's labels.
fn snips(out: &Path, teacher: &Head) -> DataSpec {
    let file = |name: &str| Some(out.join("snips").join(name));
    let columns =
        ColumnNames { text: "text".into(), pair: None, label: Some("label".into()), soft_labels: None };
    DataSpec {
        source: Source::Table(TableFiles {
            train: file("train.jsonl"),
            dev: file("dev.jsonl"),
            test: file("test.jsonl"),
            format: None,
            columns,
            kind: TaskKind::Classification,
            dev_share: None,
        }),
        labels: Some(teacher.labels().to_vec()),
    }
}

/// Makes a fresh student and distils the teacher into it.
fn distil(
    args: &DemoArgs,
    invocation: &Invocation,
    teacher: &Checkpoint,
    (train, dev): (&Dataset, &Dataset),
    context: &Context,
) -> Result<Checkpoint> {
    let config = BertConfig {
        num_hidden_layers: 4,
        hidden_size: 96,
        intermediate_size: 384,
        ..teacher.config.clone()
    };
    let fresh = args.out.join("student-fresh");
    let tensors = init_parameters(&config, &Head::None, invocation.global.seed)?;
    let record = RunRecord::new("demo", json!({ "config": config }), invocation.global.seed, Vec::new());
    tinybert_model::save(&fresh, &config, &Head::None, &tensors, &teacher.text, &record)?;
    let fresh = Checkpoint::load(&fresh)?;

    // The paper's rates are for students with weeks of general pre-training; this student starts from random
    // weights.
    let defaults = TaskSettings::default();
    let epochs = |full| if args.quick { 1 } else { full };
    let settings = TaskSettings {
        intermediate: StageRecipe { epochs: epochs(3), learning_rate: 1e-3, ..defaults.intermediate },
        prediction: StageRecipe { epochs: epochs(4), learning_rate: 1e-3, ..defaults.prediction },
        max_tokens: MAX_TOKENS,
        seed: invocation.global.seed,
        ..defaults
    };
    let data = TaskData { train, dev, metrics: snips(&args.out, &teacher.head).metrics() };
    let mut out = Output::from(args.out.join(STUDENT));
    out.resume = out.can_resume()?;
    let folder = out.folder.clone();
    tinybert_distill::distill_task(&settings, teacher, &fresh, &data, out, context).map_err(|error| {
        match error {
            Error::Interrupted(_) => {
                Error::Interrupted("interrupted; the same command goes on from here".into())
            }
            other => other,
        }
    })?;
    Checkpoint::load(&folder)
}

/// A row about a float model.
fn row(name: &'static str, checkpoint: &Checkpoint, test: &Dataset, context: &Context) -> Result<ModelRow> {
    let predictor = Predictor::Folder(Box::new(FloatModel::new(checkpoint, MAX_TOKENS)?));
    Ok(ModelRow {
        name,
        bytes: 4 * checkpoint.parameters() as u64,
        accuracy: accuracy(&predictor, test, context)?,
    })
}

fn accuracy(predictor: &Predictor, test: &Dataset, context: &Context) -> Result<f64> {
    Ok(predictor.evaluate(test, tinybert_data::metrics::MetricSet::Accuracy, context)?.primary())
}

fn file_bytes(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).map_err(Error::io(path))?.len())
}

fn print_table(rows: &[ModelRow]) -> Result<()> {
    print_line(format_args!("\n{:26} {:>10} {:>14}", "SNIPS intents", "size", "test accuracy"))?;
    for ModelRow { name, bytes, accuracy } in rows {
        let megabytes = *bytes as f64 / 1e6;
        print_line(format_args!("{name:26} {megabytes:>7.2} MB {:>12.1} %", 100.0 * accuracy))?;
    }
    Ok(())
}

fn print_latency(path: &Path) -> Result<()> {
    let image = ImageFile::open(path)?.native()?;
    let model = image.model()?;
    let isa = model.kernels().isa().name();
    for seq in [16, MAX_TOKENS] {
        let latency = latency::latency(&model, seq, 1, Duration::from_millis(200))?;
        print_line(format_args!("{seq} tokens: {:.3} ms on one core ({isa})", latency.median_ms))?;
    }
    print_line(format_args!("workspace RAM: {} bytes", model.max_workspace_bytes()))
}

fn print_answers(predictor: &Predictor) -> Result<()> {
    let labels = predictor.labels()?;
    print_line("")?;
    let questions = SENTENCES.map(|sentence| Ok((sentence.to_owned(), None)));
    predictor.answer_each(questions, |(text, _), reply| match reply.answer {
        PredictedAnswer::Label { index, probabilities, .. } => {
            print_line(format_args!("{text:40} {} ({:.2})", labels[index], probabilities[index]))
        }
        // The demo's task is classification: there are no other answers.
        _ => Ok(()),
    })
}
