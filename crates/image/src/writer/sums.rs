//! Whether row sums are those of the weights beside them.

use alloc::vec;
use alloc::vec::Vec;

use super::encode::decode;
use crate::encoding::Layout;
use crate::views::Linear;
use crate::{Error, Field, Image};

impl Image<'_> {
    /// Compares every row sum with its weights. Opening only bounds them, for a device should not decode all weights at start; with
    /// wrong ones answers would depend on the instruction set.
    ///
    /// # Errors
    /// [`Field::RowSum`].
    pub fn check_row_sums(&self) -> Result<(), Error> {
        let head = self.head();
        let of_layers =
            self.layers().flat_map(|layer| [layer.qkv, layer.attention_output, layer.up, layer.down]);
        let mut linears = of_layers.chain(head.pooler).chain([head.output]);
        let right = linears.all(|linear| row_sums(&linear).get(..linear.outputs) == Some(linear.row_sum));
        if right { Ok(()) } else { Err(Error::Invalid(Field::RowSum)) }
    }
}

/// The sum of each output's weights, of those that fill up the last panel too.
fn row_sums(linear: &Linear<'_>) -> Vec<i32> {
    let Linear { outputs, inputs, panel, .. } = *linear;
    let packed = decode(linear);
    let panels = Layout::new(outputs, inputs, panel).into_iter().flat_map(Layout::panels);
    panels
        .flat_map(|place| {
            let mut sums = vec![0_i32; place.width];
            let weights = packed.get(place.start..).unwrap_or_default();
            let weights = weights.get(..place.weights()).unwrap_or_default();
            // Runs of kr inputs, at the end fewer, of one output after the other.
            for group in weights.chunks(place.width * panel.kr) {
                for (sum, run) in sums.iter_mut().zip(group.chunks(group.len() / place.width)) {
                    *sum += run.iter().map(|weight| i32::from(*weight)).sum::<i32>();
                }
            }
            sums
        })
        .collect()
}
