//! The names of the files in a model folder.

/// Sizes of the encoder and its task head.
pub const CONFIG: &str = "config.json";
/// The tensors.
pub const WEIGHTS: &str = "model.safetensors";
/// The log of training, one JSON object per line.
pub const METRICS: &str = "metrics.jsonl";
/// How the folder came to be.
pub const RUN_RECORD: &str = "run.json";
/// The plan by which the weights were trained to be quantized.
pub const QUANTIZATION: &str = "quantization.json";
