//! `inspect`: shows what a folder or an image contains.

mod json;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::Args;
use tinybert_base::{Error, Result, hex};
use tinybert_hub::Parts;
use tinybert_model::image_file::{ImageFile, section_name};
use tinybert_model::{Checkpoint, Head, signature, thresholds};
use tinybert_runtime::Model;
use tinybert_runtime::image::{
    AttentionMode, CalibrationRecord, Encoding, HeadKind, InputQuantization, LayerConfig, LayerView,
    LinearView, Metadata, ObservedRange, PackedWeights, Provenance,
};

use crate::args::ModelFolder;
use crate::invocation::Invocation;
use crate::standard_output::{describe_confidence, print_json, print_line};
use crate::terminal::{Terminal, on_one_line};

/// Shows sizes, labels, quantization and origin of an image, or of a model folder; checks both completely.
#[derive(Args)]
pub struct InspectArgs {
    /// Image file or model folder.
    path: ModelFolder,
    /// Print a C header with the image's sizes instead, which firmware needs when it is built.
    #[arg(long)]
    header: bool,
    /// Print sizes, labels, metadata and signature of an image as one JSON object.
    #[arg(long, conflicts_with = "header")]
    json: bool,
    /// Ed25519 public key in PEM. An image that is not signed with it, or was changed afterwards, is an
    /// error. With --header, the header contains the key, too.
    #[arg(long, value_name = "PUBLIC_KEY")]
    verify: Option<PathBuf>,
}

pub fn run(args: &InspectArgs, invocation: &Invocation) -> Result<()> {
    let trusted = args.verify.as_deref().map(signature::read_public_key).transpose()?;
    // The terminal is for a model that is fetched.
    let path = args.path.locate(Parts::Model, &Terminal::open(invocation)?.context())?.path;
    if path.is_dir() && trusted.is_none() && !args.header {
        return match args.json {
            true => Err(Error::Usage(format!("--json is for images: {} is a folder", path.display()))),
            false => inspect_folder(&path),
        };
    }
    let file = ImageFile::open(&path)?;
    if let Some(key) = &trusted {
        file.verify(key).map_err(|error| Error::input(&path, error))?;
    }
    match args {
        InspectArgs { header: true, .. } => print_header(&file, trusted.as_ref()),
        InspectArgs { json: true, .. } => print_json(&json::of_image(&file, trusted.is_some())?),
        _ => inspect_image(&file, trusted.is_some()),
    }
}

/// Prints what a model folder contains.
fn inspect_folder(folder: &Path) -> Result<()> {
    let Checkpoint { config, head, tensors, text, .. } = Checkpoint::load(folder)?;
    print_line(format_args!(
        "{}: {} layers, hidden {}, {} heads, feed-forward {}, {} positions",
        config.architecture.name(),
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.intermediate_size,
        config.max_position_embeddings
    ))?;
    for layer in (0..config.num_hidden_layers).filter(|_| !config.pruned.is_empty()) {
        let (heads, ffn) = (config.heads(layer), config.ffn(layer));
        print_line(format_args!("layer {}: {heads} heads, feed-forward {ffn}", layer + 1))?;
    }
    let case = if text.lowercase() { "uncased" } else { "cased" };
    print_line(format_args!("{} pieces, {case}", text.vocab_size()))?;
    print_head(head.kind(), head.labels())?;
    if let Head::MultiLabel { labels, thresholds } = &head {
        print_thresholds(labels, thresholds)?;
    }
    let parameters: usize = tensors.values().map(|tensor| tensor.elem_count()).sum();
    print_line(format_args!("{parameters} parameters in {} tensors", tensors.len()))
}

/// Prints the kind of the head, and its labels if it has any.
fn print_head(kind: &str, labels: &[String]) -> Result<()> {
    match labels {
        [] => print_line(kind),
        _ => print_line(format_args!("{kind}: {}", one_line(labels).join(", "))),
    }
}

/// Labels as they are printed.
fn one_line(labels: &[String]) -> Vec<Cow<'_, str>> {
    labels.iter().map(|label| on_one_line(label)).collect()
}

/// Prints the probability from which on an answer has each label.
fn print_thresholds(labels: &[String], thresholds: &[f64]) -> Result<()> {
    let each = one_line(labels)
        .into_iter()
        .zip(thresholds)
        .map(|(label, threshold)| format!("{label} {threshold:.2}"));
    print_line(format_args!("thresholds: {}", each.collect::<Vec<_>>().join(", ")))
}

/// Prints what an image contains; `verified` says whether its signature was checked.
fn inspect_image(file: &ImageFile, verified: bool) -> Result<()> {
    let model = file.model()?;
    let (image, config) = (model.image(), model.config());
    if let Some(metadata) = image.metadata() {
        print_metadata(&metadata)?;
    }
    print_line(format_args!(
        "{} layers, hidden {}, {} pieces, {} positions, weight panels {}x{}",
        config.layers, config.hidden, config.vocab, config.positions, config.panel.nr, config.panel.kr
    ))?;
    let labels: Vec<_> = image.labels().map(str::to_owned).collect();
    print_head(&format!("{:?}", config.head), &labels)?;
    if config.head == HeadKind::MultiLabel {
        let logits = image.head().thresholds.iter();
        print_thresholds(&labels, &logits.map(|&logit| thresholds::probability(logit)).collect::<Vec<_>>())?;
    }
    if let Some(confidence) = image.confidence() {
        print_line(describe_confidence(&confidence, &labels))?;
    }
    print_sizes(file)?;
    let calibration = image.calibration();
    if let Some(calibration) = calibration {
        print_line(format_args!("calibrated on {} examples", calibration.examples))?;
    }
    let words = encoding_name(config.words);
    print_line(format_args!("word rows: {words}, {} bytes each", image.embeddings().word.row_bytes()))?;
    for (index, layer) in image.layers().enumerate() {
        let record = calibration.and_then(|calibration| calibration.layers.get(index));
        print_layer(index + 1, &layer, record)?;
    }
    if let Some(provenance) = image.provenance() {
        print_provenance(provenance)?;
    }
    if let Some(signature) = image.signature() {
        let verified = if verified { "verified" } else { "not verified (--verify)" };
        print_line(format_args!("signed with public key {}: {verified}", hex(&signature.public_key)))?;
    }
    print_self_tests(&model)
}

/// Prints what the image says about itself, a line for each fact.
fn print_metadata(metadata: &Metadata<&str>) -> Result<()> {
    let Metadata { name, version, license, created, security_version } = *metadata;
    for (what, text) in [("name", name), ("version", version), ("licence", license), ("created", created)] {
        text.map_or(Ok(()), |text| print_line(format_args!("{what}: {}", on_one_line(text))))?;
    }
    print_line(format_args!("security version: {security_version}"))
}

/// Prints `model.h`: constants that belong to `tinybert.h`.
fn print_header(file: &ImageFile, trusted: Option<&[u8; 32]>) -> Result<()> {
    let model = file.model()?;
    let config = model.config();
    print_line("/* Sizes of a model image. Made by `tinybert-compress inspect --header`; do not edit. */")?;
    print_line("#ifndef TINYBERT_MODEL_H\n#define TINYBERT_MODEL_H\n")?;
    for (what, name, value) in [
        ("Bytes of the image.", "IMAGE_BYTES", file.size()),
        ("Bytes of workspace that the longest input needs.", "WORKSPACE_BYTES", model.max_workspace_bytes()),
        ("Tokens of the longest input, special ones included.", "MAX_TOKENS", config.max_tokens),
        ("Outputs of an answer.", "OUTPUT_COUNT", config.outputs),
    ] {
        print_line(format_args!("/* {what} */\n#define TINYBERT_{name} {value}"))?;
    }
    if let Some(key) = trusted {
        let bytes: Vec<_> = key.iter().map(|byte| format!("0x{byte:02x}")).collect();
        let bytes = bytes.join(", ");
        print_line(
            "/* The key that the image is signed with: initializes a uint8_t[TINYBERT_PUBLIC_KEY_BYTES]. */",
        )?;
        print_line(format_args!("#define TINYBERT_PUBLIC_KEY {{ {bytes} }}"))?;
    }
    print_line("\n#endif")
}

/// Prints the flash of each section and the workspace: the memory that the device must have.
pub fn print_sizes(file: &ImageFile) -> Result<()> {
    let model = file.model()?;
    for (kind, bytes) in model.image().section_bytes() {
        print_line(format_args!("{:14} {bytes:>10} bytes", section_name(kind)))?;
    }
    print_line(format_args!("{:14} {:>10} bytes", "flash in all", file.size()))?;
    print_line(format_args!(
        "{:14} {:>10} bytes for {} tokens",
        "workspace RAM",
        model.max_workspace_bytes(),
        model.config().max_tokens
    ))
}

/// The name of the mode in `quantize --attention`.
pub fn attention_name(mode: AttentionMode) -> &'static str {
    match mode {
        AttentionMode::Int8 => "int8",
        AttentionMode::F32 => "f32",
    }
}

/// The name of the encoding in `quantize --weights`.
fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Int8 => "int8",
        Encoding::Int4 => "int4",
        Encoding::Sparse => "sparse",
    }
}

/// The encoding of the weights, their bytes, and for sparse weights the share of zeros.
fn describe_weights(linear: &LinearView<'_>) -> String {
    let (name, bytes) = (encoding_name(linear.weights.encoding()), linear.weights.bytes());
    match linear.weights {
        PackedWeights::Sparse { values, .. } => {
            let zeros = 1.0 - values.len() as f64 / (linear.outputs * linear.inputs) as f64;
            format!("{name}, {bytes} bytes, {:.0} % zeros", 100.0 * zeros)
        }
        PackedWeights::Int8(_) | PackedWeights::Int4(_) => format!("{name}, {bytes} bytes"),
    }
}

fn print_layer(number: usize, layer: &LayerView<'_>, record: Option<&CalibrationRecord>) -> Result<()> {
    let LayerConfig { heads, head_dim, ffn, attention, .. } = layer.config;
    let attention = attention_name(attention);
    print_line(format_args!(
        "layer {number}: {heads} heads of {head_dim}, attention in {attention}, feed-forward {ffn}"
    ))?;
    let linears = [
        ("qkv", layer.config.qkv_input, layer.qkv),
        ("attention output", layer.config.attention_output_input, layer.attention_output),
        ("up", layer.config.up_input, layer.up),
        ("down", layer.config.down_input, layer.down),
    ];
    for (index, (name, input, linear)) in linears.into_iter().enumerate() {
        let input = match input {
            InputQuantization::PerToken => "per token".to_owned(),
            InputQuantization::Static { scale, zero_point } => {
                format!("static, scale {scale:.5}, zero point {zero_point}")
            }
        };
        let range = record
            .and_then(|record| record.inputs.get(index))
            .map(|ObservedRange { min, max }| format!("; seen {min:.3} to {max:.3}"));
        let weights = describe_weights(&linear);
        print_line(format_args!("  {name}: weights {weights}; input {input}{}", range.unwrap_or_default()))?;
    }
    Ok(())
}

fn print_provenance(provenance: &Provenance) -> Result<()> {
    let Provenance { weights, vocabulary, calibration } = provenance;
    for (name, hash) in [("weights", weights), ("vocabulary", vocabulary), ("calibration", calibration)] {
        let hash = if hash.iter().all(|&byte| byte == 0) { "not known".into() } else { hex(hash) };
        print_line(format_args!("SHA-256 of {name}: {hash}"))?;
    }
    Ok(())
}

/// Runs the self-tests of the image on this machine, and prints whether they pass.
fn print_self_tests(model: &Model) -> Result<()> {
    match run_self_tests(model)? {
        Some(tests) => {
            print_line(format_args!("{tests} self-tests passed on {}", model.kernels().isa().name()))
        }
        None => print_line("self-tests were not run: the word rows are in a file of their own"),
    }
}

/// Runs the self-tests of the image on this machine. Returns their number, or `None` if they cannot be run, because the
/// word rows are in a file of their own.
///
/// # Errors
/// [`Error::Input`] for the first self-test that fails.
fn run_self_tests(model: &Model) -> Result<Option<usize>> {
    if model.image().word_checks().is_some() {
        return Ok(None);
    }
    let mut workspace = vec![0; model.max_workspace_bytes()];
    let isa = model.kernels().isa().name();
    model.self_test(&mut workspace).map(Some).map_err(|error| Error::Input(format!("on {isa}: {error}")))
}
