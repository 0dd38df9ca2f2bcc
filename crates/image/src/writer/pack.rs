//! Row-major weights to panels and back.

use alloc::vec;
use alloc::vec::Vec;

use super::encode::decode;
use crate::config::Panel;
use crate::views::Linear;
use crate::{Error, Field};

/// Packs `[n, inputs]` weights into panels, edges zero.
pub(super) fn pack(weights: &[i8], inputs: usize, panel: Panel) -> Result<Vec<i8>, Error> {
    let outputs = weights.len() / inputs.max(1);
    let bytes = panel.packed_bytes(outputs, inputs).ok_or(Error::Invalid(Field::Length))?;
    let mut packed = vec![0; bytes];
    for (output, row) in weights.chunks(inputs.max(1)).enumerate() {
        for (input, weight) in row.iter().enumerate() {
            let position = panel.position(outputs, inputs, output, input);
            packed[position.ok_or(Error::Invalid(Field::Length))?] = *weight;
        }
    }
    Ok(packed)
}

/// Unpacks a linear's weights into `[outputs, inputs]`.
pub(super) fn unpack(linear: &Linear<'_>) -> Vec<i8> {
    let Linear { outputs, inputs, panel, .. } = *linear;
    let packed = decode(linear);
    let weight = |output, input| {
        let position = panel.position(outputs, inputs, output, input);
        // A checked image has all its weights.
        position.and_then(|position| packed.get(position)).copied().unwrap_or(0)
    };
    (0..outputs).flat_map(|output| (0..inputs).map(move |input| weight(output, input))).collect()
}
