//! Small random models in any shape: for tests, examples and the smoke tests of firmware. Their answers mean nothing.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{
    AttentionMode, Bf16, Confidence, Config, EmbeddingsData, Encoding, HeadData, HeadKind,
    INPUTS_PER_MULTIPLIER, ImageBuilder, InputQuantization, LayerConfig, LayerData, LayerNormData,
    LinearData, MAX_MULTIPLIER, Panel, PerLinear, Pooling, ScaledRowsData,
};

/// A small generator of random numbers (SplitMix64), good enough for the weights of toy models.
#[derive(Clone, Debug)]
pub struct ToyRandom(pub u64);

impl ToyRandom {
    /// Returns the next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number from `0..end`, all equally likely.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// Returns a number from −1 to 1, all equally likely.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Returns `count` weights from −127 to 127.
    pub fn weights(&mut self, count: usize) -> Vec<i8> {
        (0..count).map(|_| (self.below(255) as i16 - 127) as i8).collect()
    }

    /// Returns `count` numbers from `around − spread` to `around + spread`.
    pub fn floats(&mut self, count: usize, around: f32, spread: f32) -> Vec<f32> {
        (0..count).map(|_| around + spread * self.unit()).collect()
    }

    fn linear(&mut self, outputs: usize, inputs: usize) -> LinearData {
        // The outputs are about 1, whatever the width is.
        let scale = 0.02 / inputs.isqrt() as f32;
        LinearData {
            inputs,
            weights: self.weights(outputs * inputs),
            scale: self.floats(outputs, scale, scale * 0.5),
            bias: self.floats(outputs, 0.0, 0.2),
        }
    }

    fn norm(&mut self, hidden: usize) -> LayerNormData {
        LayerNormData { gamma: self.floats(hidden, 1.0, 0.3), beta: self.floats(hidden, 0.0, 0.3) }
    }

    fn rows(&mut self, rows: usize, hidden: usize) -> ScaledRowsData {
        ScaledRowsData {
            rows: self.weights(rows * hidden),
            scales: self.floats(rows, 0.01, 0.005).into_iter().map(Bf16::from_f32).collect(),
        }
    }
}

/// Sizes and modes of one layer.
#[derive(Clone, Copy, Debug)]
pub struct ToyLayer {
    /// Number of attention heads.
    pub heads: usize,
    /// Channels of one head.
    pub head_dim: usize,
    /// Inner size of the feed-forward network.
    pub ffn: usize,
    /// How attention is computed.
    pub attention: AttentionMode,
    /// How the linears' inputs are quantized.
    pub inputs: PerLinear<InputQuantization>,
}

/// Attention in int8.
pub const INT8: AttentionMode = AttentionMode::Int8;
/// Attention in f32.
pub const F32: AttentionMode = AttentionMode::F32;
/// Static quantization of values within about ±2, with a zero point.
pub const STATIC: InputQuantization = InputQuantization::Static { scale: 1.0 / 40.0, zero_point: -9 };
/// Static and symmetric quantization, which the attention output linear needs.
pub const SYMMETRIC: InputQuantization = InputQuantization::Static { scale: 1.0 / 60.0, zero_point: 0 };
/// Static inputs of all linears of a layer.
pub const STATIC_INPUTS: PerLinear<InputQuantization> =
    PerLinear { qkv: STATIC, attention_output: SYMMETRIC, up: STATIC, down: STATIC };
/// Quantization with a scale per row, which is found at run time.
pub const PER_TOKEN: InputQuantization = InputQuantization::PerToken;
/// Inputs of all linears of a layer with a scale per row.
pub const PER_TOKEN_INPUTS: PerLinear<InputQuantization> =
    PerLinear { qkv: PER_TOKEN, attention_output: PER_TOKEN, up: PER_TOKEN, down: PER_TOKEN };

/// Pieces of a toy vocabulary; `[CLS]` is 2 and `[SEP]` 3.
pub const PIECES: [&str; 16] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "some", "jazz", "##ing", "the", "la", "##mp", "on",
    "!", ",", "turn",
];

/// Returns a classification model of random weights with three labels and inputs of up to 20 tokens; `vocabulary`
/// becomes the vocabulary section as it is. [`Config::workspace_bytes`] stays 0.
pub fn model(seed: u64, hidden: usize, vocab: usize, vocabulary: &[u8], layers: &[ToyLayer]) -> ImageBuilder {
    let random = &mut ToyRandom(seed);
    let (positions, types, outputs) = (24, 2, 3);
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| {
            let ToyLayer { heads, head_dim, ffn, attention, inputs } = *layer;
            let width = heads * head_dim;
            let mut qkv = random.linear(3 * width, hidden);
            // Queries, keys and values are about ±2; int8 has steps of 1/40.
            let steps = match attention {
                AttentionMode::Int8 => 40.0,
                AttentionMode::F32 => 1.0,
            };
            qkv.scale.iter_mut().chain(&mut qkv.bias).for_each(|value| *value *= steps);
            LayerData {
                config: LayerConfig {
                    heads,
                    head_dim,
                    ffn,
                    attention,
                    attention_coefficient: core::f32::consts::LOG2_E
                        / (steps * steps * head_dim.isqrt() as f32),
                    context_scale: match inputs.attention_output {
                        InputQuantization::Static { scale, .. } => 1.0 / steps / scale,
                        InputQuantization::PerToken => 1.0 / steps,
                    },
                    qkv_input: inputs.qkv,
                    attention_output_input: inputs.attention_output,
                    up_input: inputs.up,
                    down_input: inputs.down,
                    encodings: PerLinear::all(Encoding::Int8),
                },
                qkv,
                attention_output: random.linear(hidden, width),
                attention_norm: random.norm(hidden),
                up: random.linear(ffn, hidden),
                down: random.linear(hidden, ffn),
                output_norm: random.norm(hidden),
            }
        })
        .collect();
    ImageBuilder {
        config: Config {
            hidden,
            layers: layers.len(),
            vocab,
            positions,
            types,
            max_tokens: 20,
            workspace_bytes: 0,
            head: HeadKind::Classification,
            outputs,
            pooler: true,
            pooling: Pooling::Mean,
            normalized: true,
            panel: Panel { nr: 8, kr: 4 },
            layer_norm_eps: 1e-12,
            words: Encoding::Int8,
        },
        vocabulary: vocabulary.to_vec(),
        embeddings: EmbeddingsData {
            word: random.rows(vocab, hidden),
            position: random.rows(positions, hidden),
            types: random.floats(types * hidden, 0.0, 0.1),
            norm: random.norm(hidden),
        },
        layers,
        head: HeadData {
            pooler: Some(random.linear(hidden, hidden)),
            output: random.linear(outputs, hidden),
            thresholds: Vec::new(),
        },
        labels: ["yes", "no", "häufig"].map(String::from).to_vec(),
        calibration: None,
        provenance: None,
        self_tests: Vec::new(),
        confidence: None,
        metadata: None,
    }
}

/// Gives the linears the three encodings in turns, [`Encoding::Int4`] first, and the word rows four bits. Changes the
/// weights to values that their encoding can have; half of the sparse weights become zero.
pub fn mixed(mut model: ImageBuilder) -> ImageBuilder {
    let encodings = [Encoding::Int4, Encoding::Sparse, Encoding::Int8];
    let mut next = encodings.into_iter().cycle();
    for layer in &mut model.layers {
        layer.config.encodings = PerLinear::from_fn(|_| next.next().unwrap_or(Encoding::Int8));
        let encodings = layer.config.encodings;
        for (linear, encoding) in layer.linears_mut().into_iter().zip(encodings) {
            let inputs = linear.inputs;
            linear.weights.chunks_mut(inputs).enumerate().for_each(|(row, w)| fit(w, row, encoding));
        }
    }
    model.config.words = Encoding::Int4;
    let hidden = model.config.hidden;
    let rows = model.embeddings.word.rows.chunks_mut(hidden).enumerate();
    rows.for_each(|(index, row)| fit(row, index, Encoding::Int4));
    model
}

/// Changes weights to values that the encoding can have.
fn fit(weights: &mut [i8], row: usize, encoding: Encoding) {
    match encoding {
        Encoding::Int8 => {}
        Encoding::Int4 => {
            for (index, group) in weights.chunks_mut(INPUTS_PER_MULTIPLIER).enumerate() {
                let multiplier = 1 + ((row * 7 + index * 5) % usize::from(MAX_MULTIPLIER)) as i8;
                group.iter_mut().for_each(|weight| *weight = *weight / 18 * multiplier);
            }
        }
        Encoding::Sparse => {
            weights.iter_mut().filter(|weight| **weight & 2 == 0).for_each(|weight| *weight = 0)
        }
    }
}

/// Gives a classification model a temperature of 0.5, a threshold of 0.75, and its second label as that which stands
/// for everything out of scope.
pub fn calibrated(mut model: ImageBuilder) -> ImageBuilder {
    model.confidence = Some(Confidence { temperature: 0.5, threshold: 0.75, out_of_scope: Some(1) });
    model
}

/// Turns a classification model into a token classifier.
pub fn token_classification(mut model: ImageBuilder) -> ImageBuilder {
    model.config.head = HeadKind::TokenClassification;
    (model.config.pooler, model.head.pooler) = (false, None);
    for (label, name) in model.labels.iter_mut().zip(["O", "B-thing", "I-thing"]) {
        *label = name.into();
    }
    model
}

/// Turns a classification model into one whose answers have any number of labels. Its thresholds are the logits −0.2,
/// 0, 0.2, and so on.
pub fn multi_label(mut model: ImageBuilder) -> ImageBuilder {
    model.config.head = HeadKind::MultiLabel;
    model.head.thresholds = (0..model.config.outputs).map(|label| 0.2 * label as f32 - 0.2).collect();
    model
}

/// Turns a classification model into a sentence encoder. Its vectors have as many dimensions as the model has labels.
pub fn embedding(mut model: ImageBuilder) -> ImageBuilder {
    model.config.head = HeadKind::Embedding;
    (model.config.pooler, model.head.pooler) = (false, None);
    model.labels.clear();
    model
}
