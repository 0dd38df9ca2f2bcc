//! The check that the row sums are those of the weights.

use super::repack::unpacked;
use crate::error::ensure;
use crate::views::LinearView;
use crate::{Error, Field, Image};

impl Image<'_> {
    /// Compares every row sum with its weights. The reader checks only the range of the sums, because a device should
    /// not decode all weights when it starts. With wrong sums, the answers would depend on the instruction set.
    ///
    /// # Errors
    /// [`Field::RowSum`].
    pub fn check_row_sums(&self) -> Result<(), Error> {
        let head = self.head();
        let mut linears =
            self.layers().flat_map(|layer| layer.linears()).chain(head.pooler).chain([head.output]);
        ensure(linears.all(|linear| row_sums_are_right(&linear)), Field::RowSum)
    }
}

fn row_sums_are_right(linear: &LinearView<'_>) -> bool {
    let weights = unpacked(linear);
    let rows = weights.chunks(linear.inputs.max(1));
    let sums = rows.map(|row| row.iter().map(|weight| i32::from(*weight)).sum::<i32>());
    sums.eq(linear.row_sum.iter().copied())
}
