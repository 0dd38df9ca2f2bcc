//! The tensors of a model in memory.

use std::collections::BTreeMap;

use candle_core::Tensor;

use tinybert_base::{Error, Result};

/// A model's f32 tensors by canonical name (see [`expected_shapes`](crate::expected_shapes)).
pub type Tensors = BTreeMap<String, Tensor>;

/// The tensor of a name.
///
/// # Errors
/// [`Error::Input`] if there is none.
pub fn lookup<'a>(tensors: &'a Tensors, name: &str) -> Result<&'a Tensor> {
    tensors.get(name).ok_or_else(|| Error::Input(format!("the model has no tensor {name}")))
}
