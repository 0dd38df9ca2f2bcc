//! Zeros among the weights of the layers' linears: how they come in during training, and how they stay.
//!
//! A weight that is pruned is exactly 0, gets no gradient and has no moments, so that no optimizer step moves it. Weights
//! that are 0 when a session begins stay so, whatever the session trains: see `Sparsity::new`.

mod pattern;
mod settings;

use std::borrow::Cow;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use rayon::prelude::*;

pub use self::pattern::Pattern;
pub use self::settings::{SparsityMethod, SparsitySettings};
use super::optimizer::Optimizer;
use super::snapshot::{Snapshot, Values};
use tinybert_base::Result;
use tinybert_model::Tensors;
use tinybert_model::names::is_layer_linear;

/// A matrix with at least this share of zeros was pruned: trained weights are not 0 by chance.
const PRUNED: f64 = 0.1;

/// Names of what a checkpoint has of a matrix.
const MASK: &str = "mask/";
const DENSE: &str = "dense/";
const SCORE: &str = "score/";

/// The zeros of a session's weights.
pub(super) struct Sparsity {
    /// Until all zeros that were asked for are there.
    growing: Option<SparsitySettings>,
    matrices: Vec<Matrix>,
}

/// A linear's weight, `[outputs, inputs]`.
struct Matrix {
    name: String,
    /// What the model computes with: 0 where it is masked.
    var: Var,
    /// u8; 1 where a weight stays.
    mask: Tensor,
    /// While zeros come in by movement.
    movement: Option<Movement>,
}

/// Movement pruning's own (Sanh et al., arXiv 2005.07683).
struct Movement {
    /// The weights as they are, or were when they were masked: a masked one may come back.
    dense: Tensor,
    /// The higher the sooner a weight stays: −Σ ∂L/∂(masked weight) · weight over the steps, their eq. 2, to which the
    /// gradient comes straight through the mask. Its learning rate does not change the order and is 1.
    scores: Tensor,
}

impl Sparsity {
    /// Of the linears among `parameters`. What was pruned before stays so; with `settings` more zeros come in, or with a
    /// share of 0 all weights are free.
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
            let pruned = zeros_of(&weights)? as f64 >= PRUNED * weights.elem_count() as f64;
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
                matrices.push(Matrix { name: name.to_owned(), var: var.clone(), mask, movement });
            }
        }
        Ok(Self { growing: settings, matrices })
    }

    /// True once all zeros that were asked for are there.
    pub fn is_settled(&self) -> bool {
        self.growing.is_none()
    }

    /// What to tell the user of weights that stay 0.
    pub fn note(&self) -> Option<String> {
        let held = self.growing.is_none() && !self.matrices.is_empty();
        held.then(|| format!("{} pruned matrices: their zeros stay", self.matrices.len()))
    }

    /// Learns scores from the gradients of a step, which come without regard to masks, and leaves those of the weights that
    /// stay.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn mask_gradients(&mut self, gradients: &mut GradStore) -> Result<()> {
        for Matrix { var, mask, movement, .. } in &mut self.matrices {
            let Some(gradient) = gradients.remove(var) else { continue };
            if let Some(Movement { dense, scores }) = movement {
                *scores = (&*scores - (&gradient * &*dense)?)?;
            }
            gradients.insert(var, mask.where_cond(&gradient, &gradient.zeros_like()?)?);
        }
        Ok(())
    }

    /// After a step, with `done` of the session: chooses the weights that are 0 from now on.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn advance(&mut self, done: f64, optimizer: &mut Optimizer) -> Result<()> {
        let Some(settings) = self.growing else { return Ok(()) };
        self.matrices.par_iter_mut().try_for_each(|matrix| matrix.choose(&settings, done))?;
        for Matrix { name, mask, .. } in &self.matrices {
            optimizer.forget(name, mask)?;
        }
        self.settle(done);
        Ok(())
    }

    /// Ends the growth if it is at its end.
    fn settle(&mut self, done: f64) {
        if self.growing.is_some_and(|settings| done >= settings.end) {
            self.growing = None;
            self.matrices.iter_mut().for_each(|matrix| matrix.movement = None);
        }
    }

    /// What a checkpoint has to keep, by name.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn state(&self) -> Result<Vec<(String, Values<'_>)>> {
        let mut all = Vec::new();
        for Matrix { name, mask, movement, .. } in &self.matrices {
            all.push((format!("{MASK}{name}"), Values::Tensor(Cow::Owned(mask.to_dtype(DType::F32)?))));
            if let Some(Movement { dense, scores }) = movement {
                all.push((format!("{DENSE}{name}"), Values::Tensor(Cow::Borrowed(dense))));
                all.push((format!("{SCORE}{name}"), Values::Tensor(Cow::Borrowed(scores))));
            }
        }
        Ok(all)
    }

    /// Goes on from a checkpoint, with `done` of the session.
    ///
    /// # Errors
    /// Those of [`Snapshot::take`].
    pub fn restore(&mut self, done: f64, snapshot: &mut Snapshot) -> Result<()> {
        self.settle(done);
        for Matrix { name, var, mask, movement } in &mut self.matrices {
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

impl Matrix {
    /// Masks what is to be 0 with `done` of the session.
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
        let mut stays = settings.stays(&ranked, inputs, done);
        if settings.method == SparsityMethod::Magnitude {
            // What was pruned before the session may be more than the settings ask for by now.
            let before = mask.flatten_all()?.to_vec1::<u8>()?;
            stays.iter_mut().zip(before).for_each(|(stays, before)| *stays &= before);
        }
        *mask = Tensor::from_vec(stays, weights.shape(), weights.device())?;
        Ok(var.set(&mask.where_cond(&dense, &dense.zeros_like()?)?)?)
    }
}

/// How many weights are exactly 0.
fn zeros_of(weights: &Tensor) -> Result<usize> {
    let values = weights.flatten_all()?.to_vec1::<f32>()?;
    Ok(values.iter().filter(|value| **value == 0.0).count())
}

/// The share of zeros in the linears of the layers, as `run.json` has it; `None` where nothing was pruned.
pub(super) fn zero_share(tensors: &Tensors) -> Result<Option<f64>> {
    let (mut zeros, mut all) = (0, 0);
    for (_, weights) in tensors.iter().filter(|(name, _)| is_layer_linear(name)) {
        zeros += zeros_of(weights)?;
        all += weights.elem_count();
    }
    let share = zeros as f64 / all.max(1) as f64;
    Ok((share >= PRUNED / 2.0).then_some(share))
}

#[cfg(test)]
mod tests;
