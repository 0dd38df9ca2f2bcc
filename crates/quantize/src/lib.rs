#![doc = include_str!("../README.md")]

mod attention;
mod calibration;
mod confidence;
mod plan;
mod sample;
mod search;
pub mod sensitivity;
pub mod stored;
mod thresholds;
mod weights;

use sha2::{Digest, Sha256};

pub use self::confidence::{FittedConfidence, with_confidence_by};
pub use self::plan::calibrate;
pub use self::thresholds::with_thresholds_by;
use tinybert_base::{Context, Error, Result};
use tinybert_data::task::Dataset;
use tinybert_image::{
    AlignedBytes, CalibrationData, Config, HeadKind, ImageBuilder, Panel, Provenance, SelfTestData,
};
use tinybert_kernels::Kernels;
use tinybert_model::plan::{AttentionPrecision, ModelPlan, Precision, WeightEncoding};
use tinybert_model::{BertConfig, Checkpoint, EncodedInput, Head, TextEncoder};
use tinybert_runtime::{Input, Model, workspace_bytes};
use tinybert_tokenizer::{Options, PackError};

/// Self-test inputs that an image carries.
const SELF_TESTS: usize = 4;

/// How an image is made.
#[derive(Debug, Clone, serde::Serialize)]
pub struct QuantizeSettings {
    /// Longest input in tokens, special tokens included; the workspace is sized for it.
    pub max_tokens: usize,
    /// Calibration examples taken, evenly spread over the data set.
    pub calibration_examples: usize,
    /// Layout of the packed weights.
    pub layout: KernelLayout,
    /// How attention is computed, or that calibration chooses.
    pub attention: AttentionPrecision,
    /// How weights and embeddings are stored.
    pub precision: Precision,
}

/// The kernel family whose packed layout the image carries. Any other still reads it, more slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelLayout {
    /// aarch64 without the dot-product extension (Cortex-A53, A72).
    Neon,
    /// aarch64 with the dot-product extension (Cortex-A55, A76 and later).
    Dotprod,
    /// aarch64 with the int8 matrix multiplication (Cortex-A510, X2, Neoverse V1 and later).
    I8mm,
    /// Cortex-M with the DSP extension or Helium (Cortex-M4, M7, M33, M55, M85).
    CortexM,
    /// x86-64.
    X86,
    /// Scalar code: any other target.
    Portable,
}

impl Default for QuantizeSettings {
    fn default() -> Self {
        Self {
            max_tokens: 128,
            calibration_examples: 512,
            layout: KernelLayout::Dotprod,
            attention: AttentionPrecision::Auto,
            precision: Precision::default(),
        }
    }
}

/// An image and the plan that it was made by.
pub struct QuantizedModel {
    /// The file.
    pub image: AlignedBytes,
    /// The choices for each layer, with their errors.
    pub plan: ModelPlan,
}

/// Makes the image of a checkpoint with a task head.
///
/// # Errors
/// A head that images do not carry yet, text without examples, weights that are not finite, [`Error::Usage`]
/// for another longest input than the model was trained to be quantized for, [`Error::Interrupted`].
pub fn quantize(
    checkpoint: &Checkpoint,
    calibration: &Dataset,
    settings: &QuantizeSettings,
    context: &Context,
) -> Result<QuantizedModel> {
    let (_, labels) = head_kind(&checkpoint.head)?;
    let config = &checkpoint.config;
    if !config.architecture.may_be_image() {
        return Err(Error::Usage(format!(
            "{}: devices run BERT and this is {}; distil a student from it first",
            checkpoint.folder.display(),
            config.architecture.name()
        )));
    }
    checkpoint.check_max_tokens(settings.max_tokens)?;
    if let Some(trained) = &checkpoint.quantization {
        trained.check_max_tokens(settings.max_tokens)?;
    }
    let inputs = calibration_inputs(
        &checkpoint.text,
        calibration,
        settings.calibration_examples,
        settings.max_tokens,
    )?;
    let plan = match &checkpoint.quantization {
        Some(trained) => trained.clone(),
        None => calibrate(checkpoint, &inputs, settings.attention, &settings.precision, context)?,
    };

    let mut builder = ImageBuilder {
        config: image_config(
            config,
            &checkpoint.head,
            settings.max_tokens,
            settings.layout,
            plan.embeddings,
        )?,
        vocabulary: packed_vocabulary(&checkpoint.text)
            .map_err(|error| Error::input(&checkpoint.folder, error))?,
        embeddings: weights::embeddings(checkpoint, settings.max_tokens, plan.embeddings)?,
        layers: plan
            .layers
            .iter()
            .enumerate()
            .map(|(i, plan)| weights::layer(checkpoint, i, plan))
            .collect::<Result<_>>()?,
        head: weights::head(checkpoint)?,
        labels,
        calibration: Some(CalibrationData {
            examples: plan.examples as u32,
            layers: plan.layers.iter().map(|layer| layer.seen).collect(),
        }),
        // A plan that does not know its calibration text has a hash of zeros.
        provenance: Some(provenance(checkpoint, plan.calibration.unwrap_or_default())?),
        self_tests: Vec::new(),
        confidence: None,
        metadata: None,
    };
    let layers = builder.layers.iter().map(|layer| layer.config);
    builder.config.workspace_bytes = workspace_bytes(&builder.config, layers, settings.max_tokens)
        .ok_or_else(|| Error::Usage("the model is larger than the device code can address".into()))?;
    builder.self_tests = self_tests(&builder, &inputs)?;
    let image = builder.build().map_err(refused)?;
    Ok(QuantizedModel { image, plan })
}

/// The sizes in the image of a model with these sizes and this head; the workspace is left at 0.
///
/// # Errors
/// [`Error::Usage`] for a head that images do not carry.
pub fn image_config(
    config: &BertConfig,
    head: &Head,
    max_tokens: usize,
    layout: KernelLayout,
    words: WeightEncoding,
) -> Result<Config> {
    Ok(Config {
        hidden: config.hidden_size,
        layers: config.num_hidden_layers,
        vocab: config.vocab_size,
        // Positions beyond the longest input are never read.
        positions: max_tokens,
        types: config.type_vocab_size,
        max_tokens,
        workspace_bytes: 0,
        head: head_kind(head)?.0,
        outputs: head.outputs(),
        pooler: head.needs_pooler(),
        pooling: head.pooling(),
        normalized: head.is_normalized(),
        panel: layout.panel(),
        layer_norm_eps: config.layer_norm_eps as f32,
        words: words.stored(&[]),
    })
}

impl KernelLayout {
    /// Outputs and inputs of linears that are multiples of this fill the family's panels.
    pub fn multiple(self) -> usize {
        let Panel { nr, kr } = self.panel();
        let (nr, kr) = (usize::from(nr), usize::from(kr));
        (1..=kr).map(|times| nr * times).find(|multiple| multiple.is_multiple_of(kr)).unwrap_or(nr)
    }

    /// Panel shape of the family's micro-kernels.
    pub fn panel(self) -> Panel {
        match self {
            Self::Neon => Panel::NEON,
            Self::Dotprod => Panel::DOTPROD,
            Self::I8mm => Panel::I8MM,
            Self::CortexM => Panel::CORTEX_M,
            Self::X86 => Panel::X86,
            Self::Portable => Panel::PORTABLE,
        }
    }
}

fn head_kind(head: &Head) -> Result<(HeadKind, Vec<String>)> {
    match head {
        Head::Classification { labels } => Ok((HeadKind::Classification, labels.clone())),
        Head::MultiLabel { labels, .. } => Ok((HeadKind::MultiLabel, labels.clone())),
        Head::Regression => Ok((HeadKind::Regression, Vec::new())),
        Head::TokenClassification { labels } => Ok((HeadKind::TokenClassification, labels.clone())),
        Head::Embedding { .. } => Ok((HeadKind::Embedding, Vec::new())),
        other => Err(Error::Usage(format!(
            "a model with {} cannot become an image: expected a task head; distil or fine-tune it on a task first",
            other.kind()
        ))),
    }
}

/// An even sample of the texts of `data`, as the model reads them.
///
/// # Errors
/// Returns the errors of [`tinybert_model::TextEncoder::encode_all`].
pub fn calibration_inputs(
    text: &TextEncoder,
    data: &Dataset,
    examples: usize,
    max_tokens: usize,
) -> Result<Vec<EncodedInput>> {
    let examples = data.spread(examples);
    let texts: Vec<_> = examples.iter().flat_map(|example| example.inputs(data.kind)).collect();
    text.encode_all(&texts, max_tokens)
}

/// The image's vocabulary section.
pub fn packed_vocabulary(text: &TextEncoder) -> std::result::Result<Vec<u8>, PackError> {
    let pieces = text.pieces();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let lowercase = text.lowercase();
    let options = Options { lowercase, strip_accents: lowercase, split_chinese: true };
    tinybert_tokenizer::pack(&pieces, options)
}

fn provenance(checkpoint: &Checkpoint, calibration: [u8; 32]) -> Result<Provenance> {
    let mut weights = Sha256::new();
    for (name, tensor) in &checkpoint.tensors {
        weights.update(name);
        tensor.flatten_all()?.to_vec1::<f32>()?.iter().for_each(|v| weights.update(v.to_le_bytes()));
    }
    let mut vocabulary = Sha256::new();
    checkpoint.text.pieces().iter().for_each(|piece| {
        vocabulary.update(piece);
        vocabulary.update("\n");
    });
    let [weights, vocabulary] = [weights, vocabulary].map(|hash| hash.finalize().into());
    Ok(Provenance { weights, vocabulary, calibration })
}

/// Inputs of the calibration set for the image's self-tests, from the shortest to the longest.
pub fn self_test_inputs(inputs: &[EncodedInput]) -> impl Iterator<Item = &EncodedInput> {
    let mut by_length: Vec<&EncodedInput> = inputs.iter().collect();
    by_length.sort_by_key(|input| input.ids.len());
    (0..SELF_TESTS)
        .filter_map(move |i| by_length.get(i * by_length.len().saturating_sub(1) / (SELF_TESTS - 1)).copied())
}

/// The self-tests of an image: inputs with the outputs that the scalar kernels give, to the bit.
fn self_tests(builder: &ImageBuilder, inputs: &[EncodedInput]) -> Result<Vec<SelfTestData>> {
    let image = builder.build().map_err(refused)?;
    let model = Model::from_bytes(&image).map_err(refused)?.with_kernels(Kernels::scalar());
    let mut workspace = vec![0; builder.config.workspace_bytes];
    let mut session = model.session(&mut workspace).map_err(refused)?;
    let mut tests = Vec::new();
    for input in self_test_inputs(inputs) {
        let type_ids: Vec<u8> = input.type_ids.iter().map(|&t| t as u8).collect();
        let reply = session.run(Input::ids(&input.ids, &type_ids)).map_err(refused)?;
        let outputs = reply.answer.outputs().to_vec();
        tests.push(SelfTestData { ids: input.ids.clone(), type_ids, outputs });
    }
    Ok(tests)
}

/// The error where the reader refuses what the writer made: the checkpoint has sizes or values that images
/// cannot carry.
fn refused(error: impl std::fmt::Display) -> Error {
    Error::Input(format!("the model cannot become an image: {error}"))
}
