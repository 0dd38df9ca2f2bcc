//! `demo`: takes every step on the data and the teacher that ship with the program.

mod data;
mod files;
mod results;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use tinybert_base::{Context, Error, Result};
use tinybert_distill::{StageRecipe, TaskSettings};
use tinybert_evaluate::latency;
use tinybert_evaluate::predictor::{PredictedAnswer, Predictor};
use tinybert_model::image_file::{self, ImageFile};
use tinybert_model::{BertConfig, Checkpoint, Head, RunRecord};
use tinybert_nn::init_parameters;
use tinybert_quantize::{KernelLayout, QuantizeSettings, quantize};
use tinybert_train::Output;

use self::data::DemoData;
use self::results::{Row, print_table, verdict};
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
    "how much money do i have in my savings account",
];

/// Distils, quantizes and runs a small model; teacher and data ship with the program, so that nothing is
/// downloaded.
#[derive(Args)]
pub struct DemoArgs {
    /// Folder to write: the folders teacher, clinc150 (the data), student-fresh and student, and the image
    /// model.tbim.
    #[arg(long, value_name = "FOLDER", default_value = "tinybert-demo")]
    out: PathBuf,
    /// One pass in every stage, and a fifth of the unlabelled and of the test sentences: this shows that all steps
    /// work, not which accuracy they can reach.
    #[arg(long)]
    quick: bool,
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
    let data = DemoData::read(&args.out, &teacher.head, args.quick, context.progress)?;
    let (labelled, test) = (&data.labelled, &data.test);

    print_line(format_args!(
        "Distilling a 4-layer student from the 12-layer teacher (layer map 3m) on {} sentences, of which {} have \
         labels ...",
        data.train.examples.len(),
        labelled.examples.len()
    ))?;
    let student = distil(args, invocation, &teacher, &data, &context)?;
    print_line("Quantizing it to int8 ...")?;
    let settings = QuantizeSettings {
        max_tokens: MAX_TOKENS,
        layout: KernelLayout::Dotprod,
        ..QuantizeSettings::default()
    };
    let made = quantize(&student, labelled, &settings, &context)?;
    image_file::write(&path, &made.image)?;
    print_line(format_args!("Training the linear baseline on the {} labels ...", labelled.examples.len()))?;
    let baseline = Row::of_baseline(&data, &context)?;

    print_line(format_args!("Evaluating on the {} test sentences ...", test.examples.len()))?;
    let int8 = Predictor::open(&path, MAX_TOKENS, None)?;
    let teacher = Row::of_folder("teacher, 12 layers, f32", &teacher, test, &context)?;
    let student = Row::of_folder("student, 4 layers, f32", &student, test, &context)?;
    let image = Row::of_image(&path, &int8, test, &context)?;
    print_table(&[&baseline, &teacher, &student, &image])?;
    if !args.quick {
        print_line(verdict(&baseline, &image))?;
    }
    print_line("")?;
    print_latency(&path)?;
    print_answers(&int8)?;
    print_line(format_args!(
        "\nwrote {} in {:.0} s; now try",
        path.display(),
        begun.elapsed().as_secs_f64()
    ))?;
    print_line(format_args!("  tinybert-compress run --model {} \"TEXT\"", path.display()))
}

/// Makes a fresh student and distils the teacher into it.
fn distil(
    args: &DemoArgs,
    invocation: &Invocation,
    teacher: &Checkpoint,
    data: &DemoData,
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
    let mut out = Output::from(args.out.join(STUDENT));
    out.resume = out.can_resume()?;
    let folder = out.folder.clone();
    tinybert_distill::distill_task(&settings, teacher, &fresh, &data.task(), out, context).map_err(
        |error| match error {
            Error::Interrupted(_) => {
                Error::Interrupted("interrupted; the same command goes on from here".into())
            }
            other => other,
        },
    )?;
    Checkpoint::load(&folder)
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
