//! The layout of int8 activations. Each kernel family has its own layout, which no other family writes or reads.

/// The order of the bytes of an activation matrix: rows in blocks, whose bytes stand in the order in which a
/// micro-kernel reads them.
///
/// A matrix `[m, k]` is `[ceil(m/rows)][ceil(k/depth)][rows][depth]`; with one row in a block it is row-major. A row
/// takes `stride` bytes, a multiple of 16; its bytes beyond `k` do not matter, because the weights there are 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActivationLayout {
    /// Rows of a block, a power of two; divides [`ROW_BLOCK`](crate::ROW_BLOCK).
    pub rows: usize,
    /// Consecutive bytes of a row in a block, a power of two; divides 16.
    pub depth: usize,
    /// What is added to every value, modulo 256: 0, or 128 for an instruction that wants unsigned activations.
    pub bias: u8,
}

impl ActivationLayout {
    pub(crate) const ROW_MAJOR: ActivationLayout = ActivationLayout { rows: 1, depth: 16, bias: 0 };

    /// Returns whether rows follow each other, and bytes are the values themselves.
    pub(crate) const fn is_row_major(&self) -> bool {
        self.rows == 1 && self.bias == 0
    }

    /// Returns the place of element `[row, column]` of a matrix whose rows take `stride` bytes.
    #[inline(always)]
    pub(crate) const fn offset(&self, row: usize, column: usize, stride: usize) -> usize {
        let (inner_row, inner_column) = (row & (self.rows - 1), column & (self.depth - 1));
        (row - inner_row) * stride
            + (column - inner_column) * self.rows
            + inner_row * self.depth
            + inner_column
    }

    /// Returns the number of bytes from an element to the element below it in the same block, or in the next row if the
    /// layout is row-major.
    // Other architectures have only the scalar kernel, which asks for single elements.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[inline(always)]
    pub(crate) const fn step(&self, stride: usize) -> usize {
        if self.rows == 1 { stride } else { self.depth }
    }

    /// Returns the bits that `bias` flips.
    pub(crate) const fn flip(&self) -> i8 {
        self.bias as i8
    }
}
