//! Which weights are stored in four bits.

use candle_core::Tensor;
use rayon::prelude::*;

use crate::checkpoint::{Checkpoint, Tensors, WORD_EMBEDDINGS};
use crate::quantize::encoding::quantize_channel;
use crate::quantize::{Encoding, LayerEncodings, Precision};
use crate::{Error, Result};

/// The tensors of a layer's linears: qkv, attention output, up, down.
const LINEARS: [&[&str]; 4] = [
    &["attention.self.query", "attention.self.key", "attention.self.value"],
    &["attention.output.dense"],
    &["intermediate.dense"],
    &["output.dense"],
];

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
    let mut tensors = model.tensors.clone();
    for (layer, linear) in
        places(weights.len()).filter(|&(layer, linear)| weights[layer][linear] == Encoding::Int4)
    {
        for name in LINEARS[linear] {
            store(&mut tensors, &format!("bert.encoder.layer.{layer}.{name}.weight"))?;
        }
    }
    if embeddings == Encoding::Int4 {
        store(&mut tensors, WORD_EMBEDDINGS)?;
    }
    Ok(model.with(model.config.clone(), tensors, model.text.clone()))
}

/// Replaces a matrix by what four bits keep of it, row by row.
fn store(tensors: &mut Tensors, name: &str) -> Result<()> {
    let matrix =
        tensors.get_mut(name).ok_or_else(|| Error::Usage(format!("the model has no tensor {name}")))?;
    let (_, columns) = matrix.dims2()?;
    let mut values = matrix.flatten_all()?.to_vec1::<f32>()?;
    values.par_chunks_exact_mut(columns).for_each(|row| {
        let mut stored = vec![0; columns];
        let scale = quantize_channel(row, Encoding::Int4, None, &mut stored);
        row.iter_mut().zip(stored).for_each(|(value, stored)| *value = f32::from(stored) * scale);
    });
    *matrix = Tensor::from_vec(values, matrix.shape(), matrix.device())?;
    Ok(())
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
