//! The backward pass of the encoder.
//!
//! candle keeps a graph of the losses only. The states and scores that a trainable encoder gives are leaves
//! of that graph; from their gradients on, the encoder's own backward pass goes down through its layers. It
//! writes each gradient once, where candle would zero, add and copy every intermediate one.

use std::sync::Arc;

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use super::ops::float::Float;
use super::ops::rows::tensor;
use tinybert_base::Result;

/// The way back from a loss to the weights of the encoder. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tape(pub(super) Option<Arc<dyn Backward>>);

/// A forward pass that can be led back to the weights.
pub(super) trait Backward: Send + Sync {
    /// Adds the gradients of the weights to `grads`, which holds the gradients of the pass's outputs.
    fn backward(&self, grads: &mut GradStore) -> Result<()>;
}

impl Tape {
    /// Gradients of `loss` with respect to every trainable tensor that it depends on: those of the encoder
    /// through this tape, all others (head, projections) through candle's graph. Use it wherever the loss
    /// comes from a [`super::BertOutput`]; for a frozen encoder it is `loss.backward()`.
    pub fn backward(&self, loss: &Tensor) -> Result<GradStore> {
        let mut grads = loss.backward()?;
        if let Some(record) = &self.0 {
            record.backward(&mut grads)?;
        }
        Ok(grads)
    }
}

/// Adds to the gradient of a variable.
pub(super) fn add_gradient<T: Float>(grads: &mut GradStore, of: &Tensor, gradient: Vec<T>) -> Result<()> {
    let mut gradient = tensor(gradient, of.shape())?;
    if let Some(present) = grads.get(of) {
        gradient = (present + gradient)?;
    }
    grads.insert(of, gradient);
    Ok(())
}
