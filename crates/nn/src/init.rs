//! Fresh weights.

use candle_core::{Device, Tensor};

use tinybert_base::Result;
use tinybert_base::random::{generator, normal};
use tinybert_model::{BertConfig, Head, Tensors, expected_shapes};

/// Fresh weights of a model: weights and embeddings normal with deviation `initializer_range`, LayerNorm 1
/// and 0, biases 0. Each tensor's generator is keyed by (seed, name), so that a tensor does not depend on the
/// others.
pub fn init_parameters(config: &BertConfig, head: &Head, seed: u64) -> Result<Tensors> {
    expected_shapes(config, head)
        .into_iter()
        .map(|(name, shape)| {
            let n = shape.iter().product();
            let values = if name.ends_with("bias") {
                vec![0.0; n]
            } else if name.ends_with("LayerNorm.weight") {
                vec![1.0; n]
            } else {
                normal(&mut generator(seed, &name), n, config.initializer_range)
            };
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
            Ok((name, tensor))
        })
        .collect()
}
