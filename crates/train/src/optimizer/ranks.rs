//! Optimizers on several ranks, which all take the same steps.

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use sha2::{Digest, Sha256};

use super::{Optimizer, check_gradients};
use tinybert_base::collective::{Collective, sum};
use tinybert_base::{Result, hex};
use tinybert_nn::ops::rows::with_slice;

impl Optimizer {
    /// The sum of the ranks' gradients, added in the order of the ranks; `None` if no rank has any. A rank
    /// without a micro-batch of the step contributes zeros.
    ///
    /// # Errors
    /// [`tinybert_base::Error::Usage`] naming every parameter without a gradient;
    /// [`tinybert_base::Error::Ranks`] if a rank is lost.
    pub fn sum_over_ranks(
        &self,
        ranks: &dyn Collective,
        mine: Option<GradStore>,
    ) -> Result<Option<GradStore>> {
        if ranks.size() == 1 {
            return Ok(mine);
        }
        // All gradients in one vector, in the order of their names.
        let mut flat = vec![0f32; self.slots.iter().map(|slot| slot.var.elem_count()).sum()];
        if let Some(mine) = &mine {
            check_gradients(self.parameters(), mine)?;
            let mut rest = flat.as_mut_slice();
            for gradient in self.slots.iter().filter_map(|slot| mine.get(&slot.var)) {
                let values;
                (values, rest) = rest.split_at_mut(gradient.elem_count());
                with_slice(&gradient.to_device(&Device::Cpu)?, |gradient: &[f32]| {
                    values.copy_from_slice(gradient);
                    Ok(())
                })?;
            }
        }
        drop(mine);
        sum(ranks, &mut flat)?;
        let mut total = GradStore::default();
        let mut rest = flat.as_slice();
        for slot in &self.slots {
            let values;
            (values, rest) = rest.split_at(slot.var.elem_count());
            total.insert(&slot.var, Tensor::from_slice(values, slot.var.shape(), slot.var.device())?);
        }
        Ok(Some(total))
    }

    /// SHA-256 of all parameters and moments, by which ranks are compared.
    ///
    /// # Errors
    /// An internal error if a parameter cannot be read.
    pub fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        let mut add = |values: &[f32]| {
            for chunk in values.chunks(1 << 12) {
                let bytes: Vec<u8> = chunk.iter().flat_map(|value| value.to_le_bytes()).collect();
                hash.update(bytes);
            }
        };
        for slot in &self.slots {
            with_slice(&slot.var.as_detached_tensor().to_device(&Device::Cpu)?, |values: &[f32]| {
                add(values);
                Ok(())
            })?;
            slot.moments.values()?.iter().for_each(|moment| add(moment));
        }
        Ok(hex(&hash.finalize()))
    }
}
