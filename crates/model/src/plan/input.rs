//! How the input of one linear is quantized.

use serde::{Deserialize, Serialize};

/// A static quantization of an activation tensor: `q = rne(x / scale) + zero_point` in [−127, 127].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticInput {
    /// Real value of one step.
    pub scale: f32,
    /// The int8 value that stands for 0.
    pub zero_point: i8,
}

/// How one linear's input is quantized, and the errors that decided it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputChoice {
    /// The static quantization; `None` means per token.
    pub fixed: Option<StaticInput>,
    /// Mean squared error of the best static quantization, relative to the mean square of the values.
    pub static_error: f64,
    /// Mean squared error of per-token quantization, relative to the mean square of the values.
    pub per_token_error: f64,
}
