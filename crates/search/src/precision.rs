//! Which weights are stored in four bits.

use tinybert_base::Result;
use tinybert_model::Checkpoint;
use tinybert_model::plan::{Encoding, LayerEncodings, Precision};
use tinybert_prune::KeptParts;
use tinybert_quantize::stored::{LINEARS, store_linear, store_words};

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

/// Mean squares of the inputs that pruning leaves, of heads of `head_dim` channels: what reads heads and neurons has fewer.
pub(super) fn left_of(
    mean_squares: &[[Vec<f32>; 4]],
    kept: &KeptParts,
    head_dim: usize,
) -> Vec<[Vec<f32>; 4]> {
    let layers = mean_squares.iter().zip(&kept.heads).zip(&kept.neurons);
    layers
        .map(|(([qkv, context, up, down], heads), neurons)| {
            let context = heads.iter().flat_map(|head| &context[head * head_dim..][..head_dim]);
            let down = neurons.iter().map(|&neuron| down[neuron]);
            [qkv.clone(), context.copied().collect(), up.clone(), down.collect()]
        })
        .collect()
}

/// The float model whose weights in four bits are those that would be stored, by the `importance` of each linear's inputs.
/// What is int8 stays as it is: it hardly moves.
///
/// # Errors
/// A tensor is missing, which is a fault of this program.
pub(super) fn stored(
    model: Checkpoint,
    weights: &[[Encoding; 4]],
    embeddings: Encoding,
    importance: &[[Vec<f32>; 4]],
) -> Result<Checkpoint> {
    let mut tensors = model.tensors.clone();
    for (layer, linear) in
        places(weights.len()).filter(|&(layer, linear)| weights[layer][linear] == Encoding::Int4)
    {
        let importance = importance.get(layer).map(|inputs| inputs[linear].as_slice());
        store_linear(&mut tensors, [layer, linear], Encoding::Int4, importance)?;
    }
    if embeddings == Encoding::Int4 {
        store_words(&mut tensors, Encoding::Int4)?;
    }
    Ok(model.with(model.config.clone(), tensors, model.text.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_left_where_their_heads_and_neurons_are() {
        let inputs = [vec![1.0; 6], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![2.0; 6], vec![7.0, 8.0, 9.0]];
        let kept = KeptParts { heads: vec![vec![0, 2]], neurons: vec![vec![1]] };
        let expected = [vec![1.0; 6], vec![1.0, 2.0, 5.0, 6.0], vec![2.0; 6], vec![8.0]];
        assert_eq!(left_of(&[inputs], &kept, 2), [expected]);
    }

    #[test]
    fn every_linear_has_its_encoding() {
        assert_eq!(places(2).count(), 8);
        let some = encodings(2, &[(0, 3), (1, 0)]);
        let [int8, int4] = [Encoding::Int8, Encoding::Int4];
        assert_eq!(some, [[int8, int8, int8, int4], [int4, int8, int8, int8]]);
    }
}
