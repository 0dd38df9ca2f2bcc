//! Storing some of the weights in four bits.

use tinybert_base::Result;
use tinybert_model::plan::{LayerEncodings, Precision, WeightEncoding};
use tinybert_model::{Checkpoint, PerLinear};
use tinybert_prune::KeptParts;
use tinybert_quantize::stored::{LinearPlace, store_linear, store_words};

/// The encodings of all linears of a model with so many layers: four bits for `in_four_bits`, int8 for all
/// others.
pub(super) fn encodings(layers: usize, in_four_bits: &[LinearPlace]) -> Vec<PerLinear<WeightEncoding>> {
    let mut encodings = vec![PerLinear::all(WeightEncoding::Int8); layers];
    for place in in_four_bits {
        encodings[place.layer][place.linear] = WeightEncoding::Int4;
    }
    encodings
}

/// The precision with these encodings.
pub(super) fn precision(weights: &[PerLinear<WeightEncoding>], embeddings: WeightEncoding) -> Precision {
    Precision { weights: LayerEncodings::Each(weights.to_vec()), embeddings }
}

/// The mean squares of the inputs that are left after pruning to `kept`. A head has `head_dim` channels. The
/// linears that read heads and neurons have fewer inputs afterwards.
pub(super) fn mean_squares_after(
    mean_squares: &[PerLinear<Vec<f32>>],
    kept: &KeptParts,
    head_dim: usize,
) -> Vec<PerLinear<Vec<f32>>> {
    let layers = mean_squares.iter().zip(&kept.heads).zip(&kept.neurons);
    layers
        .map(|((inputs, heads), neurons)| {
            let context =
                heads.iter().flat_map(|head| &inputs.attention_output[head * head_dim..][..head_dim]);
            PerLinear {
                qkv: inputs.qkv.clone(),
                attention_output: context.copied().collect(),
                up: inputs.up.clone(),
                down: neurons.iter().map(|&neuron| inputs.down[neuron]).collect(),
            }
        })
        .collect()
}

/// The float model with the weights in four bits rounded as they would be stored, by the `importance` of each
/// linear's inputs. Weights in int8 stay unrounded: rounding hardly changes them.
///
/// # Errors
/// [`Error::Usage`](tinybert_base::Error::Usage) for a missing tensor, which would be a fault of this program.
pub(super) fn round_to_four_bits(
    model: Checkpoint,
    weights: &[PerLinear<WeightEncoding>],
    embeddings: WeightEncoding,
    importance: &[PerLinear<Vec<f32>>],
) -> Result<Checkpoint> {
    let mut tensors = model.tensors.clone();
    for place in LinearPlace::all(weights.len())
        .filter(|place| weights[place.layer][place.linear] == WeightEncoding::Int4)
    {
        let importance = importance.get(place.layer).map(|inputs| inputs[place.linear].as_slice());
        store_linear(&mut tensors, place, WeightEncoding::Int4, importance)?;
    }
    if embeddings == WeightEncoding::Int4 {
        store_words(&mut tensors, WeightEncoding::Int4)?;
    }
    Ok(model.with(model.config.clone(), tensors, model.text.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinybert_model::LayerLinear;

    #[test]
    fn inputs_are_left_where_their_heads_and_neurons_are() {
        let inputs = [vec![1.0; 6], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![2.0; 6], vec![7.0, 8.0, 9.0]];
        let kept = KeptParts { heads: vec![vec![0, 2]], neurons: vec![vec![1]] };
        let expected = [vec![1.0; 6], vec![1.0, 2.0, 5.0, 6.0], vec![2.0; 6], vec![8.0]];
        assert_eq!(mean_squares_after(&[inputs.into()], &kept, 2), [expected.into()]);
    }

    #[test]
    fn every_linear_has_its_encoding() {
        assert_eq!(LinearPlace::all(2).count(), 8);
        let some = encodings(
            2,
            &[
                LinearPlace { layer: 0, linear: LayerLinear::Down },
                LinearPlace { layer: 1, linear: LayerLinear::Qkv },
            ],
        );
        let [int8, int4] = [WeightEncoding::Int8, WeightEncoding::Int4];
        assert_eq!(some, [[int8, int8, int8, int4].into(), [int4, int8, int8, int8].into()]);
    }
}
