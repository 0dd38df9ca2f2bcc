//! Zeros among the weights of the layers' linears: how pruning sets them during training, and how they stay.
//!
//! A pruned weight is exactly 0, gets no gradient and has no moments, so that no optimizer step moves it.
//! Weights that are 0 when a session begins stay 0, whatever the session trains: see `Sparsity::new`.

mod pattern;
mod settings;

use std::borrow::Cow;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use rayon::prelude::*;

pub use self::pattern::SparsityPattern;
pub use self::settings::{SparsityMethod, SparsitySettings};
use crate::checkpoint::{Snapshot, StoredValues};
use crate::optimizer::Optimizer;
use crate::zeros::{PRUNED_SHARE, count_zeros};
use tinybert_base::Result;
use tinybert_model::names::is_layer_linear;

/// Prefixes of the tensors that a checkpoint stores for each matrix.
const MASK: &str = "mask/";
const DENSE: &str = "dense/";
const SCORE: &str = "score/";

/// The pruned weights of a session.
pub(super) struct Sparsity {
    /// The settings by which zeros are added; `None` once all of them are there.
    growing: Option<SparsitySettings>,
    matrices: Vec<PrunableMatrix>,
}

/// A linear's weight, `[outputs, inputs]`.
struct PrunableMatrix {
    name: String,
    /// The weights that the model computes with; 0 where the mask is 0.
    var: Var,
    /// u8; 1 where a weight stays.
    mask: Tensor,
    /// The state of movement pruning while zeros are being added.
    movement: Option<Movement>,
}

/// The state of movement pruning (Sanh et al., arXiv 2005.07683) for one matrix.
struct Movement {
    /// The weights without the mask. A masked weight has the value that it had when it was masked, and may
    /// come back.
    dense: Tensor,
    /// −Σ ∂L/∂(masked weight) · weight over the steps (eq. 2 of the paper, with the straight-through gradient
    /// of the mask). The weights of the highest scores stay. The scores' learning rate does not change their
    /// order and is 1.
    scores: Tensor,
}

impl Sparsity {
    /// The pruned weights of the linears among `parameters`. Weights that were pruned before stay 0.
    /// `settings` add more zeros; with a share of 0 they release all weights instead.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn new<'a>(
        settings: Option<SparsitySettings>,
        parameters: impl Iterator<Item = (&'a str, &'a Var)>,
    ) -> Result<Self> {
        if settings.is_some_and(|settings| settings.share == 0.0) {
            return Ok(Self { growing: None, matrices: Vec::new() });
        }
        let mut matrices = Vec::new();
        for (name, var) in parameters.filter(|(name, _)| is_layer_linear(name)) {
            let weights = var.as_detached_tensor();
            let pruned = count_zeros(&weights)? as f64 >= PRUNED_SHARE * weights.elem_count() as f64;
            let mask = if pruned { weights.ne(0f64)? } else { weights.ones_like()?.to_dtype(DType::U8)? };
            let movement = match settings {
                Some(SparsitySettings { method: SparsityMethod::Movement, .. }) => Some(Movement {
                    dense: weights.copy()?,
                    scores: mask
                        .where_cond(&weights.zeros_like()?, &(weights.ones_like()? * f64::NEG_INFINITY)?)?,
                }),
                _ => None,
            };
            if pruned || settings.is_some() {
                matrices.push(PrunableMatrix { name: name.to_owned(), var: var.clone(), mask, movement });
            }
        }
        Ok(Self { growing: settings, matrices })
    }

    /// True once all zeros that were asked for are there.
    pub fn is_complete(&self) -> bool {
        self.growing.is_none()
    }

    /// A line for the user about pruned matrices whose zeros stay.
    pub fn note(&self) -> Option<String> {
        let held = self.growing.is_none() && !self.matrices.is_empty();
        held.then(|| format!("{} pruned matrices: their zeros stay", self.matrices.len()))
    }

    /// Updates the scores by the gradients of a step, which ignore the masks, and then sets the gradients of
    /// masked weights to 0.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn mask_gradients(&mut self, gradients: &mut GradStore) -> Result<()> {
        for PrunableMatrix { var, mask, movement, .. } in &mut self.matrices {
            let Some(gradient) = gradients.remove(var) else { continue };
            if let Some(Movement { dense, scores }) = movement {
                *scores = (&*scores - (&gradient * &*dense)?)?;
            }
            gradients.insert(var, mask.where_cond(&gradient, &gradient.zeros_like()?)?);
        }
        Ok(())
    }

    /// Chooses the weights that are 0 from now on. It is called after every step with the fraction of the
    /// session that is done.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn advance(&mut self, done: f64, optimizer: &mut Optimizer) -> Result<()> {
        let Some(settings) = self.growing else { return Ok(()) };
        self.matrices.par_iter_mut().try_for_each(|matrix| matrix.choose(&settings, done))?;
        for PrunableMatrix { name, mask, .. } in &self.matrices {
            optimizer.reset_moments(name, mask)?;
        }
        self.end_growth_if_complete(done);
        Ok(())
    }

    /// Stops adding zeros once all of them are there.
    fn end_growth_if_complete(&mut self, done: f64) {
        if self.growing.is_some_and(|settings| done >= settings.end) {
            self.growing = None;
            self.matrices.iter_mut().for_each(|matrix| matrix.movement = None);
        }
    }

    /// The tensors that a checkpoint has to store, by name.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn state(&self) -> Result<Vec<(String, StoredValues<'_>)>> {
        let mut all = Vec::new();
        for PrunableMatrix { name, mask, movement, .. } in &self.matrices {
            all.push((format!("{MASK}{name}"), StoredValues::Tensor(Cow::Owned(mask.to_dtype(DType::F32)?))));
            if let Some(Movement { dense, scores }) = movement {
                all.push((format!("{DENSE}{name}"), StoredValues::Tensor(Cow::Borrowed(dense))));
                all.push((format!("{SCORE}{name}"), StoredValues::Tensor(Cow::Borrowed(scores))));
            }
        }
        Ok(all)
    }

    /// Restores the state from a checkpoint that was written when the fraction `done` of the session was done.
    ///
    /// # Errors
    /// Returns the errors of [`Snapshot::take`].
    pub fn restore(&mut self, done: f64, snapshot: &mut Snapshot) -> Result<()> {
        self.end_growth_if_complete(done);
        for PrunableMatrix { name, var, mask, movement } in &mut self.matrices {
            let mut take = |prefix: &str| -> Result<Tensor> {
                Ok(snapshot.take(&format!("{prefix}{name}"))?.to_device(var.device())?)
            };
            *mask = take(MASK)?.to_dtype(DType::U8)?;
            if let Some(Movement { dense, scores }) = movement {
                (*dense, *scores) = (take(DENSE)?, take(SCORE)?);
            }
        }
        Ok(())
    }
}

impl PrunableMatrix {
    /// Sets the weights to 0 that have to be 0 when the fraction `done` of the session is done.
    fn choose(&mut self, settings: &SparsitySettings, done: f64) -> Result<()> {
        let Self { var, mask, movement, .. } = self;
        let weights = var.as_detached_tensor();
        let (dense, ranked) = match movement {
            None => (weights.clone(), weights.abs()?),
            Some(Movement { dense, scores }) => {
                *dense = mask.where_cond(&weights, dense)?;
                (dense.clone(), scores.clone())
            }
        };
        let (_, inputs) = weights.dims2()?;
        let ranked = ranked.flatten_all()?.to_vec1::<f32>()?;
        let mut new_mask = settings.mask(&ranked, inputs, done);
        if settings.method == SparsityMethod::Magnitude {
            // More may have been pruned before the session than the settings ask for at this point.
            let before = mask.flatten_all()?.to_vec1::<u8>()?;
            new_mask.iter_mut().zip(before).for_each(|(new, before)| *new &= before);
        }
        *mask = Tensor::from_vec(new_mask, weights.shape(), weights.device())?;
        Ok(var.set(&mask.where_cond(&dense, &dense.zeros_like()?)?)?)
    }
}

#[cfg(test)]
mod tests;
