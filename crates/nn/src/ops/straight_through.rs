//! Values with the gradient of other ones: the straight-through estimator in candle's graph.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::rows::slice;

/// The values of `value`; their gradient goes to `of`.
///
/// # Errors
/// Different shapes.
pub fn straight_through(of: &Tensor, value: &Tensor) -> Result<Tensor> {
    of.contiguous()?.apply_op2(&value.contiguous()?, StraightThrough)
}

struct StraightThrough;

impl CustomOp2 for StraightThrough {
    fn name(&self) -> &'static str {
        "straight-through"
    }

    fn cpu_fwd(
        &self,
        _of: &CpuStorage,
        of_layout: &Layout,
        value: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        if of_layout.shape() != layout.shape() {
            bail!("straight-through of {:?} and {:?}", of_layout.shape(), layout.shape())
        }
        Ok((CpuStorage::F32(slice::<f32>(value, layout)?.to_vec()), layout.shape().clone()))
    }

    fn bwd(
        &self,
        _of: &Tensor,
        _value: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(grad.clone()), None))
    }
}
