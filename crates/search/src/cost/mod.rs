//! The cost of a model on a device, before the model is made: flash and RAM are exact, latency is modelled.

mod board;
mod budget;
pub mod latency;
mod untrained;

pub use self::board::{Board, KernelFamily};
pub use self::budget::DeviceBudget;
pub(crate) use self::budget::Limit;
use self::latency::ModelledAnswer;
use tinybert_base::{Error, Result};
use tinybert_image::{AttentionMode, Config, Encoding, Image, ImageShape, InputQuantization, LayerConfig};
use tinybert_model::PerLinear;
use tinybert_model::plan::WeightEncoding;
use tinybert_prune::LayerSizes;
use tinybert_runtime::workspace_bytes;

/// The needs of a model on a device.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Cost {
    /// Bytes of the image.
    pub flash: usize,
    /// Bytes of the workspace.
    pub ram: usize,
    /// Modelled milliseconds of the longest answer.
    pub latency_ms: f64,
}

/// A layer of these sizes with int8 attention and static scales, whose values no cost depends on.
fn layer_of_sizes(heads: usize, head_dim: usize, ffn: usize, encoding: Encoding) -> LayerConfig {
    let input = InputQuantization::Static { scale: 1.0, zero_point: 0 };
    LayerConfig {
        heads,
        head_dim,
        ffn,
        attention: AttentionMode::Int8,
        attention_coefficient: 1.0,
        context_scale: 1.0,
        qkv_input: input,
        attention_output_input: input,
        up_input: input,
        down_input: input,
        encodings: PerLinear::all(encoding),
    }
}

/// The sizes of a model that a search changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModelShape<'a> {
    /// Heads and feed-forward neurons of each layer.
    pub layers: &'a LayerSizes,
    /// Number of word pieces.
    pub pieces: usize,
    /// Bytes of the packed vocabulary.
    pub vocabulary_bytes: usize,
    /// Longest input in tokens.
    pub max_tokens: usize,
    /// Tokens of each input of the image's self-test.
    pub self_tests: &'a [usize],
    /// Encodings of each layer's linears: int8 or four bits.
    pub weights: &'a [PerLinear<WeightEncoding>],
    /// Encoding of the word rows: int8 or four bits.
    pub embeddings: WeightEncoding,
}

/// The costs of all models that can be made of one student.
pub(crate) struct CostModel {
    config: Config,
    layers: Vec<LayerConfig>,
    labels: Vec<usize>,
    board: Board,
    /// Whether the images have a temperature and a threshold.
    confidence: bool,
}

impl CostModel {
    /// The costs of models that are made of the student whose image this is. All of them quantize activations
    /// as it does.
    pub fn new(image: &Image, board: &Board, confidence: bool) -> Self {
        Self {
            config: *image.config(),
            layers: image.layer_configs().collect(),
            labels: image.labels().map(str::len).collect(),
            board: board.clone(),
            confidence,
        }
    }

    /// The cost of a model.
    ///
    /// # Errors
    /// [`Error::Usage`] for sizes beyond what the device code can address.
    pub fn cost(&self, shape: &ModelShape) -> Result<Cost> {
        let too_large = || Error::Usage("the model is larger than the device code can address".into());
        let config = Config {
            vocab: shape.pieces,
            positions: shape.max_tokens,
            max_tokens: shape.max_tokens,
            words: of_image(shape.embeddings),
            ..self.config
        };
        let layers = self.layers(shape);
        let image = ImageShape {
            config: &config,
            layers: &layers,
            vocabulary: shape.vocabulary_bytes,
            labels: &self.labels,
            calibration: true,
            provenance: true,
            self_tests: shape.self_tests,
            confidence: self.confidence,
            metadata: None,
        };
        let ram = workspace_bytes(&config, layers.iter().copied(), shape.max_tokens);
        let answer = ModelledAnswer { config: &config, layers: &layers, tokens: shape.max_tokens };
        Ok(Cost {
            flash: image.bytes().ok_or_else(too_large)?,
            ram: ram.ok_or_else(too_large)?,
            latency_ms: latency::milliseconds(&answer, &self.board),
        })
    }

    fn layers(&self, shape: &ModelShape) -> Vec<LayerConfig> {
        let sizes = self.layers.iter().zip(&shape.layers.heads).zip(&shape.layers.neurons).zip(shape.weights);
        let layer = |(((layer, &heads), &ffn), weights): (
            ((&LayerConfig, &usize), &usize),
            &PerLinear<WeightEncoding>,
        )| { LayerConfig { heads, ffn, encodings: weights.map(of_image), ..*layer } };
        sizes.map(layer).collect()
    }
}

/// The encoding as the image format has it.
fn of_image(encoding: WeightEncoding) -> tinybert_image::Encoding {
    match encoding {
        WeightEncoding::Int8 => tinybert_image::Encoding::Int8,
        WeightEncoding::Int4 => tinybert_image::Encoding::Int4,
        WeightEncoding::Sparse => tinybert_image::Encoding::Sparse,
    }
}
