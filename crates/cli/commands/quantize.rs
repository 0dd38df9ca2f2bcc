//! `quantize`: makes a model image of a float folder.

use std::path::PathBuf;

use clap::Args;
use tinybert_base::{Error, Result};
use tinybert_data::{Split, metrics};
use tinybert_evaluate::predictor::{FloatModel, Predictor};
use tinybert_model::image_file::{self, ImageFile};
use tinybert_model::plan::{AttentionChoice, ModelPlan};
use tinybert_model::signature;
use tinybert_quantize::{QuantizeSettings, quantize, with_confidence_by, with_thresholds_by};
use tinybert_runtime::image::{Image, detach_words};

use crate::args::{
    ConfidenceArgs, DataArgs, LayoutName, MetadataArgs, ModelAnswers, ModelFolder, PrecisionArgs,
    PrecisionInputs, PresentOptions, max_tokens,
};
use crate::commands::inspect;
use crate::invocation::Invocation;
use crate::output_paths;
use crate::standard_output::{describe_metrics, print_fitted, print_line};
use crate::terminal::Terminal;

/// Writes the quantized model image of a task model; prints flash by section, RAM, and float against quantized. The
/// thresholds of a multi-label classifier are chosen anew by the image's answers to the development set.
#[derive(Args)]
pub struct QuantizeArgs {
    /// Model folder with a task head.
    #[arg(long, value_name = ModelFolder::NAME)]
    model: ModelFolder,
    /// Image file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Longest input on the device in tokens; longer text is cut [default: the length that quantization-aware
    /// training was for, or 128, or what the model has positions for].
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Weight layout, named after the kernels that read it fastest; all other kernels read it too.
    #[arg(long, value_name = "NAME", default_value = "dotprod")]
    layout: LayoutName,
    /// Print how far each part of the model moves the logits when it alone is stored in int8 or four bits.
    #[arg(long)]
    sensitivity: bool,
    #[command(flatten)]
    precision: PrecisionArgs,
    /// Write the word rows to a file of their own, and the image without them, for devices whose largest
    /// flash is not memory-mapped; the device reads the rows of a text as it needs them.
    #[arg(long, value_name = "FILE")]
    word_rows: Option<PathBuf>,
    /// Sign the image with this Ed25519 private key in PEM, as `sign` does.
    #[arg(long, value_name = "KEY", conflicts_with = "word_rows")]
    sign: Option<PathBuf>,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    confidence: ConfidenceArgs,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &QuantizeArgs, invocation: &Invocation) -> Result<()> {
    let inputs = args.data.inputs().with("--model", [&args.model]).with("--sign", &args.sign);
    if let Some(rows) = &args.word_rows {
        output_paths::check_file("--word-rows", rows, &inputs)?;
    }
    output_paths::check_image(&args.out, &inputs.with("--word-rows", &args.word_rows))?;
    let key = args.sign.as_deref().map(signature::read_private_key).transpose()?;
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let mut checkpoint = args.data.read_model(&args.model, &context)?;
    let trained = checkpoint.quantization.as_ref();
    let requested = args.max_tokens.or(trained.and_then(|plan| plan.max_tokens));
    let max_tokens = max_tokens(requested, &[&checkpoint])?;
    args.check_trained(trained, max_tokens, &invocation.present)?;
    let data = args.data.read_by_image_of(&checkpoint.folder, context.progress)?;
    let spec = data.spec(&ModelAnswers::of_checkpoint(&checkpoint))?;
    let load = |split| data.load_scoped(&spec, split, args.confidence.out_of_scope(), context.progress);
    let scoped = load(Split::Dev)?;
    let dev = &scoped.labelled;
    dev.check_head(&checkpoint.head)?;
    checkpoint.head = checkpoint.head.named(&dev.labels);
    args.confidence.check(&scoped)?;
    let train = match data.has_training() {
        true => Some(load(Split::Train)?.labelled),
        false => None,
    };
    let calibration = train.as_ref().unwrap_or(dev);
    let metrics = data.metrics(&spec, dev)?;
    let precision_inputs =
        PrecisionInputs { checkpoint: &checkpoint, calibration, data: dev, metrics, max_tokens };
    if args.sensitivity && !args.precision.is_automatic() {
        args.precision.print_sensitivity(precision_inputs, &context)?;
    }
    let settings = QuantizeSettings {
        max_tokens,
        calibration_examples: args.precision.calibration_examples(),
        layout: args.layout.layout(),
        attention: args.precision.attention(),
        precision: args.precision.precision(precision_inputs, &context)?,
    };
    let mut made = quantize(&checkpoint, calibration, &settings, &context)?;
    made.image = with_thresholds_by(made.image, dev, &context)?;
    let fitted = match args.confidence.rejection() {
        Some(rejection) => {
            let (image, fitted) = with_confidence_by(&made.image, &scoped, rejection, &context)?;
            made.image = image;
            Some(fitted)
        }
        None => None,
    };
    made.image = args.metadata.apply(made.image)?;
    if let Some(key) = &key {
        made.image = signature::sign(&made.image, key)?;
    }
    write(args, &made.image)?;
    let image = ImageFile::new(made.image).map_err(|error| Error::input(&args.out, error))?;
    inspect::print_sizes(&image)?;
    for (layer, plan) in (1..).zip(&made.plan.layers) {
        let AttentionChoice { mode, int8_error } = plan.attention;
        let mode = inspect::attention_name(mode);
        print_line(format_args!(
            "layer {layer}: attention in {mode}; in int8 its context errs by {:.3} %",
            100.0 * int8_error.sqrt()
        ))?;
    }
    let float = Predictor::Folder(Box::new(FloatModel::new(&checkpoint, max_tokens)?));
    let image = Predictor::Image(image.native()?);
    if args.data.embedding {
        let vectors = float.embeddings(dev, &context)?.into_iter().zip(image.embeddings(dev, &context)?);
        let cosines: Vec<f32> = vectors.map(|(float, image)| metrics::cosine(&float, &image)).collect();
        let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
        let least = cosines.iter().copied().fold(f32::INFINITY, f32::min);
        print_line(format_args!("cosine of image with float vectors: mean {mean:.4}, least {least:.4}"))?;
    }
    // Text without scores has no metrics.
    if !args.data.embedding || dev.examples.iter().all(|example| example.target.is_gold()) {
        for (name, predictor) in [("float", float), ("image", image)] {
            let found = predictor.evaluate(dev, metrics, &context)?;
            print_line(format_args!("{name:5} dev {}", describe_metrics(&found)))?;
        }
    }
    fitted.iter().try_for_each(|fitted| print_fitted(fitted, &dev.labels))?;
    print_line(format_args!("wrote {}", args.out.display()))
}

impl QuantizeArgs {
    /// Checks that a model that was trained to be quantized by `plan` is quantized by it and not otherwise.
    ///
    /// # Errors
    /// [`Error::Usage`] if an option of the command line asks for another quantization.
    fn check_trained(
        &self,
        plan: Option<&ModelPlan>,
        max_tokens: usize,
        present: &PresentOptions,
    ) -> Result<()> {
        let Some(plan) = plan else { return Ok(()) };
        if let Some(option) = present.first_of::<PrecisionArgs>() {
            return Err(Error::Usage(format!(
                "{option}: {} was trained to be quantized as its quantization.json says; leave the option out, or \
                 remove that file to calibrate anew",
                self.model
            )));
        }
        plan.check_max_tokens(max_tokens)?;
        print_line(format_args!(
            "quantized as it was trained to be, by the scales of {} examples",
            plan.examples
        ))
    }
}

/// Writes the image as one file, or as two with `--word-rows`. The word rows come first, so that there is
/// never an image without them.
fn write(args: &QuantizeArgs, image: &[u8]) -> Result<()> {
    let Some(path) = &args.word_rows else { return image_file::write(&args.out, image) };
    let complete = Image::from_bytes(image).map_err(|error| Error::input(&args.out, error))?;
    let (detached, rows) = detach_words(&complete).map_err(|error| Error::input(&args.out, error))?;
    image_file::write(path, &rows)?;
    image_file::write(&args.out, &detached)?;
    print_line(format_args!(
        "wrote {} bytes of word rows to {}; below, the sizes are those of both together",
        rows.len(),
        path.display()
    ))
}
