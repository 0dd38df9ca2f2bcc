//! The label that has the largest logit.

use tinybert_kernels::math;

/// Returns the index of the largest number, or of the first such number.
pub(crate) fn argmax(values: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, value) in values.iter().enumerate() {
        let value = math::scalar(*value);
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}
