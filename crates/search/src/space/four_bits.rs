//! Storing some of the weights in four bits.

use tinybert_base::Result;
use tinybert_model::Checkpoint;
use tinybert_model::plan::{Encoding, LayerEncodings, Precision};
use tinybert_prune::KeptParts;
use tinybert_quantize::stored::{LINEARS, store_linear, store_words};

/// A linear in the layers of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinearPosition {
    /// The layer, from 0.
    pub layer: usize,
    /// The place in the layer: 0 for qkv, then attention output, up and down.
    pub linear: usize,
}

/// Every linear of a model with so many layers.
pub(super) fn all_linears(layers: usize) -> impl Iterator<Item = LinearPosition> {
    (0..layers).flat_map(|layer| (0..LINEARS.len()).map(move |linear| LinearPosition { layer, linear }))
}

/// The encodings of all linears of a model with so many layers: four bits for `in_four_bits`, int8 for all others.
pub(super) fn encodings(layers: usize, in_four_bits: &[LinearPosition]) -> Vec<[Encoding; 4]> {
    let mut encodings = vec![[Encoding::Int8; 4]; layers];
    for &LinearPosition { layer, linear } in in_four_bits {
        encodings[layer][linear] = Encoding::Int4;
    }
    encodings
}

/// The precision with these encodings.
pub(super) fn precision(weights: &[[Encoding; 4]], embeddings: Encoding) -> Precision {
    Precision { weights: LayerEncodings::Each(weights.to_vec()), embeddings }
}

/// The mean squares of the inputs that are left after pruning to `kept`. A head has `head_dim` channels. The linears that
/// read heads and neurons have fewer inputs afterwards.
pub(super) fn mean_squares_after(
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

/// The float model with the weights in four bits rounded as they would be stored, by the `importance` of each linear's
/// inputs. Weights in int8 stay unrounded: rounding hardly changes them.
///
/// # Errors
/// [`Error::Usage`](tinybert_base::Error::Usage) for a missing tensor, which would be a fault of this program.
pub(super) fn round_to_four_bits(
    model: Checkpoint,
    weights: &[[Encoding; 4]],
    embeddings: Encoding,
    importance: &[[Vec<f32>; 4]],
) -> Result<Checkpoint> {
    let mut tensors = model.tensors.clone();
    let stored_in_four_bits = |at: &LinearPosition| weights[at.layer][at.linear] == Encoding::Int4;
    for LinearPosition { layer, linear } in all_linears(weights.len()).filter(stored_in_four_bits) {
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
        assert_eq!(mean_squares_after(&[inputs], &kept, 2), [expected]);
    }

    #[test]
    fn every_linear_has_its_encoding() {
        assert_eq!(all_linears(2).count(), 8);
        let position = |layer, linear| LinearPosition { layer, linear };
        let some = encodings(2, &[position(0, 3), position(1, 0)]);
        let [int8, int4] = [Encoding::Int8, Encoding::Int4];
        assert_eq!(some, [[int8, int8, int8, int4], [int4, int8, int8, int8]]);
    }
}
