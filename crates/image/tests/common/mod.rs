//! Small random models for tests, in any shape.

use tinybert_image::{
    AttentionMode, Bf16, CalibrationData, CalibrationRecord, Config, EmbeddingsData, HeadData, HeadKind,
    ImageBuilder, InputQuantization, LayerConfig, LayerData, LayerNormData, LinearData, Panel, Provenance,
    Range, ScaledRowsData, SelfTestData,
};

/// SplitMix64: enough for test weights.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// Uniform in −1 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// −127 to 127.
    pub fn weights(&mut self, count: usize) -> Vec<i8> {
        (0..count).map(|_| (self.below(255) as i16 - 127) as i8).collect()
    }

    pub fn floats(&mut self, count: usize, around: f32, spread: f32) -> Vec<f32> {
        (0..count).map(|_| around + spread * self.unit()).collect()
    }

    fn linear(&mut self, outputs: usize, inputs: usize) -> LinearData {
        let scale = 0.02 / (inputs as f32).sqrt();
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

/// Sizes and modes of one toy layer.
#[derive(Clone, Copy)]
pub struct ToyLayer {
    pub heads: usize,
    pub head_dim: usize,
    pub ffn: usize,
    /// Inputs of qkv, attention output, up, down.
    pub inputs: [InputQuantization; 4],
}

/// Static quantization of values within about ±2, with a zero point.
pub const STATIC: InputQuantization = InputQuantization::Static { scale: 1.0 / 40.0, zero_point: -9 };
/// Static and symmetric, as the attention output linear wants it.
pub const SYMMETRIC: InputQuantization = InputQuantization::Static { scale: 1.0 / 60.0, zero_point: 0 };
pub const PER_TOKEN: InputQuantization = InputQuantization::PerToken;

/// A model with random weights and the given vocabulary section.
pub fn toy(seed: u64, hidden: usize, vocab: usize, vocabulary: &[u8], layers: &[ToyLayer]) -> ImageBuilder {
    let random = &mut Random(seed);
    let (positions, types, outputs) = (24, 2, 3);
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| {
            let ToyLayer { heads, head_dim, ffn, inputs } = *layer;
            let [qkv_input, attention_output_input, up_input, down_input] = inputs;
            let width = heads * head_dim;
            let mut qkv = random.linear(3 * width, hidden);
            // Queries, keys and values of about ±2 in steps of 1/40.
            qkv.scale.iter_mut().chain(&mut qkv.bias).for_each(|value| *value *= 40.0);
            LayerData {
                config: LayerConfig {
                    heads,
                    head_dim,
                    ffn,
                    attention: AttentionMode::Int8,
                    attention_coefficient: core::f32::consts::LOG2_E
                        / (40.0 * 40.0 * (head_dim as f32).sqrt()),
                    context_scale: match attention_output_input {
                        InputQuantization::Static { scale, .. } => 1.0 / 40.0 / scale,
                        InputQuantization::PerToken => 1.0 / 40.0,
                    },
                    qkv_input,
                    attention_output_input,
                    up_input,
                    down_input,
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
            workspace_bytes: 12_345,
            head: HeadKind::Classification,
            outputs,
            pooler: true,
            panel: Panel { nr: 8, kr: 4 },
            layer_norm_eps: 1e-12,
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
        },
        labels: ["yes", "no", "häufig"].map(String::from).to_vec(),
        calibration: None,
        provenance: None,
        self_tests: Vec::new(),
    }
}

/// A two-layer model with layers of different sizes and modes, every section there; the outputs of its self-tests
/// are made up.
#[allow(dead_code, reason = "not every test that shares this file needs it")]
pub fn full_toy() -> ImageBuilder {
    let layers = [
        ToyLayer { heads: 2, head_dim: 3, ffn: 11, inputs: [STATIC, SYMMETRIC, PER_TOKEN, STATIC] },
        ToyLayer { heads: 1, head_dim: 5, ffn: 7, inputs: [PER_TOKEN; 4] },
    ];
    let mut builder = toy(7, 10, 13, b"any bytes", &layers);
    let range = Range { min: -1.5, max: 2.0 };
    let record = CalibrationRecord { inputs: [range; 4], query: 1.0, key: 2.0, value: 3.0, reserved: 0 };
    builder.calibration = Some(CalibrationData { examples: 9, layers: vec![record; 2] });
    builder.provenance = Some(Provenance { weights: [1; 32], vocabulary: [2; 32], calibration: [3; 32] });
    builder.self_tests = vec![
        SelfTestData { ids: vec![2, 12, 3], type_ids: vec![0, 0, 0], outputs: vec![0.5, -1.0, 0.25] },
        SelfTestData {
            ids: vec![2, 0, 3, 1, 3],
            type_ids: vec![0, 0, 0, 1, 1],
            outputs: vec![1.0, 2.0, 3.0],
        },
    ];
    builder
}
