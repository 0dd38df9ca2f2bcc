//! `quantize`: a float folder becomes a model image.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use tinybert_host::data::Split;
use tinybert_host::image_file::{self, ImageFile};
use tinybert_host::metrics;
use tinybert_host::predictor::{FloatModel, Predictor};
use tinybert_host::quantize::{
    Attention, AttentionChoice, Encoding, LayerEncodings, Precision, Settings, quantize,
};
use tinybert_host::runtime::image::{Image, detach_words};
use tinybert_host::task::Target;
use tinybert_host::{Error, Result};

use crate::args::{DataArgs, Global, LayoutName};
use crate::commands::inspect;
use crate::output::{self, print_line};
use crate::watch::Watch;

/// Writes the quantized model image of a task model; prints flash by section, RAM, and float against quantized.
#[derive(ClapArgs)]
pub struct Args {
    /// Model folder with a task head.
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// Image file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Longest input on the device in tokens; longer text is cut.
    #[arg(long, value_name = "N", default_value_t = Settings::default().max_tokens)]
    max_tokens: usize,
    /// Training examples to calibrate activations with (development examples if there is no training file).
    #[arg(long, value_name = "N", default_value_t = Settings::default().calibration_examples)]
    calibration_examples: usize,
    /// Weight layout: the kernels that read it fastest; all others read it too.
    #[arg(long, value_name = "NAME", default_value = "dotprod")]
    layout: LayoutName,
    /// How attention is computed; auto: f32 in the layers where int8 would cost accuracy.
    #[arg(long, value_name = "MODE", default_value = "auto")]
    attention: AttentionName,
    /// How the layers' weights are stored.
    #[arg(long, value_name = "ENCODING", default_value = "int8")]
    weights: WeightsName,
    /// How the word rows are stored.
    #[arg(long, value_name = "ENCODING", default_value = "int8")]
    embeddings: EmbeddingsName,
    /// Writes the word rows to a file of their own, and the image without them, for devices whose largest flash is not
    /// memory-mapped; the device reads the rows of a text as it needs them.
    #[arg(long, value_name = "FILE")]
    word_rows: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum AttentionName {
    /// Layer by layer, by the error that int8 makes on the calibration examples.
    Auto,
    /// int8 in all layers.
    Int8,
    /// f32 in all layers: slower, more workspace.
    F32,
}

#[derive(Clone, Copy, ValueEnum)]
enum WeightsName {
    /// A byte a weight: the fastest.
    Int8,
    /// 4.25 bits a weight.
    Int4,
    /// int8 without the model's zeros, in every linear where that takes less.
    Sparse,
}

#[derive(Clone, Copy, ValueEnum)]
enum EmbeddingsName {
    /// A byte a value.
    Int8,
    /// 4.25 bits a value, and a little more for sizes that are no multiple of 32.
    Int4,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    output::check_file(&args.out)?;
    if let Some(rows) = &args.word_rows {
        output::check_file(rows)?;
    }
    let watch = Watch::new(global)?;
    let checkpoint = args.data.read_model(&args.model)?;
    let spec = args.data.spec(checkpoint.head.labels())?;
    let dev = args.data.load(&spec, Split::Dev, &watch)?;
    let train = match args.data.has_training() {
        true => Some(args.data.load(&spec, Split::Train, &watch)?),
        false => None,
    };
    let settings = Settings {
        max_tokens: args.max_tokens,
        calibration_examples: args.calibration_examples,
        layout: args.layout.layout(),
        attention: match args.attention {
            AttentionName::Auto => Attention::Auto,
            AttentionName::Int8 => Attention::Int8,
            AttentionName::F32 => Attention::F32,
        },
        precision: args.precision(),
    };
    let made = quantize(&checkpoint, train.as_ref().unwrap_or(&dev), &settings, &watch)?;
    write(args, &made.image)?;
    let image = ImageFile::new(made.image).map_err(|error| Error::input(&args.out, error))?;
    inspect::print_sizes(&image)?;
    for (layer, AttentionChoice { mode, int8_error }) in (1..).zip(made.attention) {
        let mode = inspect::attention_name(mode);
        print_line(format_args!(
            "layer {layer}: attention in {mode}; in int8 its context errs by {:.3} %",
            100.0 * int8_error.sqrt()
        ))?;
    }
    let float = Predictor::Folder(Box::new(FloatModel::new(&checkpoint, args.max_tokens)?));
    let int8 = Predictor::Image(image.native()?);
    if args.data.embedding {
        let vectors = float.embeddings(&dev)?.into_iter().zip(int8.embeddings(&dev)?);
        let cosines: Vec<f32> = vectors.map(|(float, int8)| metrics::cosine(&float, &int8)).collect();
        let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
        let least = cosines.iter().copied().fold(f32::INFINITY, f32::min);
        print_line(format_args!("cosine of int8 with float vectors: mean {mean:.4}, least {least:.4}"))?;
    }
    // Of text without scores there is no more to say.
    if !args.data.embedding || dev.examples.iter().all(|example| example.target != Target::None) {
        for (name, predictor) in [("float", float), ("int8", int8)] {
            let metrics = predictor.evaluate(&dev, args.data.metrics(&spec))?;
            print_line(format_args!("{name:5} dev {}", output::metrics(&metrics)))?;
        }
    }
    print_line(format_args!("wrote {}", args.out.display()))
}

impl Args {
    fn precision(&self) -> Precision {
        Precision {
            weights: LayerEncodings::Alike(match self.weights {
                WeightsName::Int8 => Encoding::Int8,
                WeightsName::Int4 => Encoding::Int4,
                WeightsName::Sparse => Encoding::Sparse,
            }),
            embeddings: match self.embeddings {
                EmbeddingsName::Int8 => Encoding::Int8,
                EmbeddingsName::Int4 => Encoding::Int4,
            },
        }
    }
}

/// Writes the image, whole or in two files. The word rows first: an image is never there without them.
fn write(args: &Args, image: &[u8]) -> Result<()> {
    let Some(path) = &args.word_rows else { return image_file::write(&args.out, image) };
    let whole = Image::from_bytes(image).map_err(|error| Error::input(&args.out, error))?;
    let (detached, rows) = detach_words(&whole).map_err(|error| Error::input(&args.out, error))?;
    image_file::write(path, &rows)?;
    image_file::write(&args.out, &detached)?;
    print_line(format_args!(
        "wrote {} bytes of word rows to {}; below, the sizes are those of both together",
        rows.len(),
        path.display()
    ))
}
