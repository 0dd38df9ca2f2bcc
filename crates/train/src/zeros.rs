//! Counting zeros among the weights of pruned models.

use candle_core::Tensor;

use tinybert_base::Result;
use tinybert_model::Tensors;
use tinybert_model::names::is_layer_linear;

/// A matrix with at least this share of zeros counts as pruned: trained weights are not 0 by chance.
pub const PRUNED_SHARE: f64 = 0.1;

/// How many weights are exactly 0.
pub fn count_zeros(weights: &Tensor) -> Result<usize> {
    let values = weights.flatten_all()?.to_vec1::<f32>()?;
    Ok(values.iter().filter(|value| **value == 0.0).count())
}

/// The share of zeros in the linears of the layers, as `run.json` records it; `None` where nothing was pruned.
pub fn zero_share(tensors: &Tensors) -> Result<Option<f64>> {
    let (mut zeros, mut all) = (0, 0);
    for (_, weights) in tensors.iter().filter(|(name, _)| is_layer_linear(name)) {
        zeros += count_zeros(weights)?;
        all += weights.elem_count();
    }
    let share = zeros as f64 / all.max(1) as f64;
    Ok((share >= PRUNED_SHARE / 2.0).then_some(share))
}
