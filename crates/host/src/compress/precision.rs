//! Which weights are stored in four bits.

use crate::Result;
use crate::checkpoint::{Checkpoint, WORD_EMBEDDINGS};
use crate::quantize::stored::{LINEARS, store, weights_of};
use crate::quantize::{Encoding, LayerEncodings, Precision, quantize_channel};

/// One linear: layer and place within it, both from 0.
pub(super) type Place = (usize, usize);

/// Every linear of so many layers.
pub(super) fn places(layers: usize) -> impl Iterator<Item = Place> {
    (0..layers).flat_map(|layer| (0..LINEARS.len()).map(move |linear| (layer, linear)))
}

/// Encodings of so many layers, these linears in four bits.
pub(super) fn encodings(layers: usize, in_four_bits: &[Place]) -> Vec<[Encoding; 4]> {
    let mut encodings = vec![[Encoding::Int8; 4]; layers];
    in_four_bits.iter().for_each(|&(layer, linear)| encodings[layer][linear] = Encoding::Int4);
    encodings
}

/// A precision of such encodings.
pub(super) fn precision(weights: &[[Encoding; 4]], embeddings: Encoding) -> Precision {
    Precision { weights: LayerEncodings::Each(weights.to_vec()), embeddings }
}

/// The float model whose weights in four bits are those that would be stored. What is int8 stays as it is: it hardly moves.
///
/// # Errors
/// A tensor is missing, which is a fault of this program.
pub(super) fn stored(
    model: Checkpoint,
    weights: &[[Encoding; 4]],
    embeddings: Encoding,
) -> Result<Checkpoint> {
    let four_bits = |row: &[f32], out: &mut [i8]| quantize_channel(row, Encoding::Int4, None, out);
    let mut tensors = model.tensors.clone();
    for (layer, linear) in
        places(weights.len()).filter(|&(layer, linear)| weights[layer][linear] == Encoding::Int4)
    {
        for name in weights_of(layer, linear) {
            store(&mut tensors, &name, four_bits)?;
        }
    }
    if embeddings == Encoding::Int4 {
        store(&mut tensors, WORD_EMBEDDINGS, four_bits)?;
    }
    Ok(model.with(model.config.clone(), tensors, model.text.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_linear_has_its_encoding() {
        assert_eq!(places(2).count(), 8);
        let some = encodings(2, &[(0, 3), (1, 0)]);
        let [int8, int4] = [Encoding::Int8, Encoding::Int4];
        assert_eq!(some, [[int8, int8, int8, int4], [int4, int8, int8, int8]]);
    }
}
