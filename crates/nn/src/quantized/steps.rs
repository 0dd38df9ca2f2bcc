//! How activations become int8, and the values that the device has of them.

use rayon::prelude::*;

use crate::ops::rows::ROWS_PER_PIECE;
use tinybert_base::vectorised;
use tinybert_image::InputQuantization;
use tinybert_kernels::math;

/// How the rows of an activation become int8.
#[derive(Clone, Copy)]
pub enum ActivationSteps {
    /// `rne(x · inv_scale + zero_point)`, of `scale` each.
    Static {
        /// Factor of the values: 1 where they are in steps already.
        inv_scale: f32,
        /// The int8 value that stands for 0.
        zero_point: i8,
        /// Real value of one step.
        scale: f32,
    },
    /// Each row's largest magnitude becomes 127.
    PerToken,
}

impl From<InputQuantization> for ActivationSteps {
    fn from(input: InputQuantization) -> Self {
        match input {
            InputQuantization::Static { scale, zero_point } => {
                Self::Static { inv_scale: 1.0 / scale, zero_point, scale }
            }
            InputQuantization::PerToken => Self::PerToken,
        }
    }
}

impl ActivationSteps {
    /// Steps for values that are multiples of `scale` already.
    pub fn of_scale(scale: f32) -> Self {
        Self::Static { inv_scale: 1.0, zero_point: 0, scale }
    }

    /// Rows of `columns` values as they are after the rounding, in real units.
    pub fn seen(self, x: &[f32], columns: usize) -> Vec<f32> {
        let mut y = vec![0f32; x.len()];
        let piece = columns * ROWS_PER_PIECE;
        y.par_chunks_mut(piece).zip(x.par_chunks(piece)).for_each(|(y, x)| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_exact_mut(columns).zip(x.chunks_exact(columns)) {
                        self.see_row(x, y);
                    }
                },
            );
        });
        y
    }

    #[inline(always)]
    fn see_row(self, x: &[f32], y: &mut [f32]) {
        let (inv_scale, zero_point, scale) = match self {
            Self::Static { inv_scale, zero_point, scale } => (inv_scale, zero_point, scale),
            Self::PerToken => {
                let amax = x.iter().fold(0.0, |amax, &x| math::max(x.abs(), amax));
                let (scale, inv_scale) = math::row_scales(amax);
                (inv_scale, 0, scale)
            }
        };
        for (y, &x) in y.iter_mut().zip(x) {
            *y = (f32::from(math::quantize(x, inv_scale, zero_point)) - f32::from(zero_point)) * scale;
        }
    }

    /// Clears the gradient where a value of `x` lies outside what int8 reaches.
    pub fn clip(self, grad: &mut [f32], x: &[f32]) {
        let Self::Static { inv_scale, zero_point, .. } = self else { return };
        const PIECE: usize = 16 * 1024;
        grad.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(grad, x)| {
            vectorised(
                #[inline(always)]
                || {
                    for (grad, &x) in grad.iter_mut().zip(x) {
                        let reached = (x * inv_scale + f32::from(zero_point)).abs() <= 127.0;
                        *grad = if reached { *grad } else { 0.0 };
                    }
                },
            );
        });
    }
}
