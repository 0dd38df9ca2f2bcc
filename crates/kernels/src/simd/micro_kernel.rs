//! The integer micro-kernel: its operands, the tile of sums that it computes, and what takes the tiles.

use core::marker::PhantomData;
use core::ops::Range;

use tinybert_layout::PanelWeights;

use super::Simd;
use crate::Panel;
use crate::activation_layout::ActivationLayout;
use crate::linear::{Activations, Linear};

/// Most rows of a micro-kernel's tile.
pub(crate) const MR_MAX: usize = 8;
/// Most vectors in a row of a tile.
pub(crate) const VECTORS_MAX: usize = 3;

/// Sums of a micro-kernel, `[row][vector of columns]`. Elements beyond the tile's rows and vectors have no meaning.
pub(crate) type Tile<I> = [[I; VECTORS_MAX]; MR_MAX];

/// Rows of int8 activations for a tile, in the layout of the micro-kernel `S`; `data` begins with the first
/// row's block.
#[derive(Clone, Copy)]
pub(crate) struct TileRows<'a, S> {
    data: &'a [i8],
    stride: usize,
    count: usize,
    depth: usize,
    kernel: PhantomData<S>,
}

impl<'a, S: MicroKernel> TileRows<'a, S> {
    /// Returns `count` rows, at least 1, of `stride` bytes each, of which micro-kernels read the first `depth`, rounded
    /// up to 16. Returns `None` if `data` does not hold all rows, in whole blocks of the layout.
    #[inline(always)]
    pub(crate) fn new(data: &'a [i8], stride: usize, count: usize, depth: usize) -> Option<Self> {
        let rows = count.next_multiple_of(S::LAYOUT.rows);
        let complete = rows.checked_mul(stride).is_some_and(|bytes| bytes <= data.len());
        let long_enough = depth.next_multiple_of(16) <= stride;
        (count > 0 && complete && long_enough).then_some(TileRows {
            data,
            stride,
            count,
            depth,
            kernel: PhantomData,
        })
    }
}

/// Columns of a panel `[groups][width][kr]` of the micro-kernel `S`, for a tile.
#[derive(Clone, Copy)]
pub(crate) struct TileColumns<'a, S> {
    panel: &'a [i8],
    width: usize,
    depth: usize,
    first: usize,
    vectors: usize,
    kernel: PhantomData<S>,
}

impl<'a, S: MicroKernel> TileColumns<'a, S> {
    /// Returns the columns from `first` on, as many as make a tile or are left, of a panel of `width` columns by
    /// `depth` inputs. Returns `None` if there are none, if `first` is no multiple of a vector's lanes, if the panel
    /// has another size, or if it is not padded as panels of `S` are.
    #[inline(always)]
    pub(crate) fn new(panel: &'a [i8], width: usize, depth: usize, first: usize) -> Option<Self> {
        let vectors = S::VECTORS.min(width.checked_sub(first)?.div_ceil(S::LANES));
        let padded =
            width.is_multiple_of(S::PANEL.output_padding()) && depth.is_multiple_of(S::PANEL.input_padding());
        let complete = padded
            && first.is_multiple_of(S::LANES)
            && width.checked_mul(depth) == Some(panel.len())
            && vectors > 0;
        complete.then_some(TileColumns { panel, width, depth, first, vectors, kernel: PhantomData })
    }

    /// Returns the number of inputs of the panel.
    #[inline(always)]
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Vectors of columns in the tile, at least 1.
    #[inline(always)]
    pub(crate) fn vectors(&self) -> usize {
        self.vectors
    }
}

/// The checked operands of a tile of the micro-kernel `S`. The statements about the methods hold for every value of
/// this type, and micro-kernels rely on them.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a, S> {
    rows: TileRows<'a, S>,
    columns: TileColumns<'a, S>,
}

impl<'a, S: MicroKernel> Operands<'a, S> {
    /// Returns the operands, or `None` if the rows were made for another depth than the panel has.
    #[inline(always)]
    pub(crate) fn new(rows: TileRows<'a, S>, columns: TileColumns<'a, S>) -> Option<Self> {
        (rows.depth == columns.depth).then_some(Operands { rows, columns })
    }

    /// Returns the number of rows, at least 1.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.rows.count
    }

    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "blocked layouts need no stride"))]
    /// Returns the number of bytes of a row, at least [`depth`](Self::depth), rounded up to 16.
    #[inline(always)]
    pub(crate) fn stride(&self) -> usize {
        self.rows.stride
    }

    /// Returns a pointer to the first row's block. From there, [`count`](Self::count) rows of [`stride`](Self::stride)
    /// bytes each can be read, in whole blocks of the layout of `S`.
    #[inline(always)]
    pub(crate) fn rows(&self) -> *const i8 {
        self.rows.data.as_ptr()
    }

    /// Returns the number of columns of the panel: its `nr`, or fewer in the last panel. It is a multiple of gcd(nr,
    /// 8).
    #[inline(always)]
    pub(crate) fn width(&self) -> usize {
        self.columns.width
    }

    /// Returns the number of inputs of the panel. It is a multiple of gcd(kr, 8).
    #[inline(always)]
    pub(crate) fn depth(&self) -> usize {
        self.columns.depth
    }

    /// Returns the first column of the tile. It is below the width and a multiple of a vector's lanes.
    #[inline(always)]
    pub(crate) fn first(&self) -> usize {
        self.columns.first
    }

    /// Returns the number of vectors of columns in the tile, at least 1 and at most `VECTORS`. The panel holds at least
    /// one column of the last vector and all columns of the others.
    #[inline(always)]
    pub(crate) fn vectors(&self) -> usize {
        self.columns.vectors
    }

    /// Returns a pointer to the panel, from which width · depth bytes can be read.
    #[inline(always)]
    pub(crate) fn panel(&self) -> *const i8 {
        self.columns.panel.as_ptr()
    }

    /// Returns whether these are the operands of a whole tile.
    #[inline(always)]
    pub(crate) fn are_whole(&self) -> bool {
        self.count() == S::MR && self.vectors() == S::VECTORS
    }
}

/// The integer micro-kernel of an instruction set: up to `MR` rows of activations times up to `VECTORS` vectors of a
/// panel's columns.
pub(crate) trait MicroKernel: Simd {
    /// Most rows, at most [`MR_MAX`]; `LAYOUT.rows` or, in row-major layout, any number.
    const MR: usize;
    /// Most vectors of columns, at most [`VECTORS_MAX`].
    const VECTORS: usize;
    /// The weight layout.
    const PANEL: Panel;
    /// The layout of activations.
    const LAYOUT: ActivationLayout;

    /// Returns `init[v] + Σ_k (a[r][k] + LAYOUT.bias) · w[v][k]`, over all inputs of the panel, of `MR` rows and
    /// `VECTORS` vectors.
    ///
    /// # Safety
    /// The operands must be those of a whole tile ([`Operands::are_whole`]).
    unsafe fn tile(self, operands: Operands<Self>, init: [Self::I; VECTORS_MAX]) -> Tile<Self::I>;
    /// Computes the same sums of any number of rows, up to `MR`, and of vectors. It is not inlined because it is rare.
    fn edge(self, operands: Operands<Self>, init: [Self::I; VECTORS_MAX], tile: &mut Tile<Self::I>);
    /// Calls [`decode()`](super::decode) for a panel of `width` outputs. It is not inlined.
    fn decode(self, stored: PanelWeights, width: usize, out: &mut [i8]);
    /// Calls [`tiles()`](super::tiles) for the rows `rows`. It is not inlined, because one function for all sinks would
    /// need the stack of all of them.
    fn tiles<K: LinearSink<Self>>(
        self,
        a: &Activations,
        w: &Linear,
        rows: Range<usize>,
        decoded: &mut [i8],
        sink: K,
    );
}

/// Takes the results of a linear layer in whole tiles.
pub(crate) trait LinearSink<S: MicroKernel> {
    /// Whether the sink has so many constants that a tile's sums should wait in memory.
    const MANY_CONSTANTS: bool = false;

    /// Returns whether there is room for `rows` rows of `columns` columns, multiples of a vector's lanes, from a row
    /// and a column on, in a place that the sink may overwrite.
    fn has_room(&self, row: usize, column: usize, rows: usize, columns: usize) -> bool;

    /// Takes the vector of columns that begins at `column` of the rows `row`, … `row + R − 1`.
    ///
    /// # Safety
    /// [`has_room`](Self::has_room) must have returned true for a tile that holds the vector.
    unsafe fn put<const R: usize>(&mut self, s: S, row: usize, column: usize, y: [S::F; R]);

    /// Returns a sink with the same destination for the rows that make no whole tile. It is a separate value, so that
    /// nobody takes the address of this one and it can stay in registers.
    fn edges(&mut self) -> impl EdgeSink<S::Vectors>;
}

/// Takes the results of a linear layer a row at a time.
pub(crate) trait EdgeSink<S: Simd> {
    /// Takes the vector of columns that begins at `column`, as many columns as the result has.
    fn put(&mut self, s: S, row: usize, column: usize, y: S::F);
}

/// Takes the tiles of one of attention's products.
pub(super) trait TakeTile<S: MicroKernel> {
    /// Takes `vectors` vectors of columns from `column` on.
    fn take(&mut self, s: S, column: usize, vectors: usize, tile: &Tile<S::I>);
}
