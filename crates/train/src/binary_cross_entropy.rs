//! The loss of answers with any number of labels.

use candle_core::{D, Tensor};
use candle_nn::ops::log_softmax;

use tinybert_base::Result;

/// Binary cross-entropy of each answer, `[answers]`: the mean over its labels of −y·log σ(z) − (1 − y)·log(1 − σ(z)),
/// for `logits` z and probabilities `targets` y, both `[answers, labels]`. Its mean over the answers is PyTorch's
/// `BCEWithLogitsLoss`.
///
/// `positive_weights` `[labels]` are factors of the first term, `pos_weight` in PyTorch.
///
/// # Errors
/// An internal error if the shapes differ.
pub fn binary_cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    positive_weights: Option<&Tensor>,
) -> Result<Tensor> {
    // A decision about a label is one between two classes of the logits 0 and z. Their log-softmax does not overflow.
    let classes = Tensor::stack(&[&logits.zeros_like()?, logits], 2)?;
    let positive = match positive_weights {
        Some(weights) => targets.broadcast_mul(weights)?,
        None => targets.clone(),
    };
    let targets = Tensor::stack(&[&targets.affine(-1.0, 1.0)?, &positive], 2)?;
    Ok((targets * log_softmax(&classes, D::Minus1)?)?.sum(D::Minus1)?.mean(D::Minus1)?.neg()?)
}
