//! How far a run has come: a place in a list of stages, each of which is a grid of work that can be done in parts.

use core::ops::Range;

use tinybert_image::LinearView;
use tinybert_kernels::{COLUMN_UNIT, ROW_BLOCK};

use crate::workspace::ROWS_PER_STEP;

/// What the work on one element counts where it is no product, in multiply-adds: in embeddings, LayerNorm, GELU,
/// softmax and quantization.
pub(crate) const ELEMENT: usize = 16;

/// The stages of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Stage {
    /// The sum of the embeddings of each token.
    Embeddings,
    /// LayerNorm of the embeddings. From the next stage to `OutputNorm` the stages are repeated for each layer.
    EmbeddingsNorm,
    /// The queries of the tokens that the layer computes, where these are not all tokens.
    Queries,
    /// The keys and values of all tokens and, where the layer computes all tokens, their queries: for each block of
    /// [`ROWS_PER_STEP`] rows.
    Qkv,
    /// The context of each query and head.
    Attention,
    /// Quantization of the context, if its scales are per token.
    Context,
    /// The attention output linear. From here to `OutputNorm` the stages are repeated for each block of
    /// [`ROWS_PER_STEP`] rows.
    Output,
    /// LayerNorm after attention.
    AttentionNorm,
    /// The up linear and GELU.
    Up,
    /// The down linear.
    Down,
    /// LayerNorm at the end of the layer.
    OutputNorm,
    /// The end of a layer.
    LayerEnd,
    /// One row from all rows, if the head is that of a sentence encoder.
    Pool,
    /// Quantization of the rows that the head reads.
    HeadInput,
    /// The linear of the pooler.
    Pooler,
    /// The tanh of the pooler, and quantization.
    Pooled,
    /// The output linear.
    Outputs,
    /// The length of a vector.
    Normalize,
    /// There are outputs.
    Done,
}

impl Stage {
    fn next(self) -> Self {
        match self {
            Self::Embeddings => Self::EmbeddingsNorm,
            Self::EmbeddingsNorm => Self::Queries,
            Self::Queries => Self::Qkv,
            Self::Qkv => Self::Attention,
            Self::Attention => Self::Context,
            Self::Context => Self::Output,
            Self::Output => Self::AttentionNorm,
            Self::AttentionNorm => Self::Up,
            Self::Up => Self::Down,
            Self::Down => Self::OutputNorm,
            Self::OutputNorm => Self::LayerEnd,
            Self::LayerEnd => Self::Pool,
            Self::Pool => Self::HeadInput,
            Self::HeadInput => Self::Pooler,
            Self::Pooler => Self::Pooled,
            Self::Pooled => Self::Outputs,
            Self::Outputs => Self::Normalize,
            Self::Normalize | Self::Done => Self::Done,
        }
    }
}

/// The work of a stage: rows by columns, of which every element costs the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    rows: usize,
    columns: usize,
    /// Columns that are computed together. Of the rows, [`ROW_BLOCK`] are.
    unit: usize,
    /// Multiply-adds of one row and column.
    cost: usize,
    /// The first rows, of which this thread has the data.
    own: usize,
}

/// A part of a grid, which is computed at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

impl Grid {
    /// Work on `rows` rows of `elements` elements each.
    pub fn rows(rows: usize, elements: usize) -> Self {
        Self { rows, columns: 1, unit: 1, cost: elements.saturating_mul(ELEMENT), own: rows }
    }

    /// The attention of `queries` queries and `heads` heads of `head_dim` channels to `tokens` tokens.
    pub fn attention(queries: usize, heads: usize, head_dim: usize, tokens: usize) -> Self {
        let cost = head_dim.saturating_mul(2).saturating_add(ELEMENT).saturating_mul(tokens);
        Self { rows: queries, columns: heads, unit: 1, cost, own: queries }
    }

    /// A linear over `rows` rows that computes the first `outputs` of its outputs, or as many outputs counted from a
    /// later panel on. It is divided between panels.
    pub fn linear(rows: usize, outputs: usize, linear: &LinearView<'_>) -> Self {
        let nr = usize::from(linear.panel.nr);
        // The least common multiple of both.
        let unit = nr.saturating_mul(COLUMN_UNIT) >> (nr | COLUMN_UNIT).trailing_zeros();
        Self { rows, columns: outputs, unit: unit.max(1), cost: linear.inputs, own: rows }
    }

    /// Returns the same work with a further operation on every element.
    pub fn with_element(self) -> Self {
        Self { cost: self.cost.saturating_add(ELEMENT), ..self }
    }

    /// Returns the same work divided by rows only.
    pub fn whole_rows(self) -> Self {
        Self { unit: self.columns.max(1), ..self }
    }

    /// Returns the same work for a thread that has the data of the first `own` rows. It counts the others as if it
    /// computed them, so that all threads, of which the first has all rows, end a step at the same place.
    pub fn of_band(self, own: usize) -> Self {
        Self { own, ..self }
    }

    fn cost_of(&self, rows: usize, columns: usize) -> usize {
        rows.saturating_mul(columns).saturating_mul(self.cost)
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    stage: Stage,
    /// The first row of a block of [`ROWS_PER_STEP`] rows.
    block: usize,
    place: Place,
}

/// How far a run has come within a stage.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The next row of the stage's grid. It is 0 unless a part of `column` has been computed.
    row: usize,
    /// The next column of the stage's grid. The columns before it have been computed.
    column: usize,
    /// Multiply-adds that the step may still compute.
    budget: usize,
    /// Whether the step has computed anything. The first part may cost more than the budget.
    begun: bool,
}

impl Progress {
    pub const START: Self = Self {
        stage: Stage::Embeddings,
        block: 0,
        place: Place { row: 0, column: 0, budget: 0, begun: false },
    };

    /// Returns the same place at the beginning of a step.
    pub fn with_budget(self, budget: usize) -> Self {
        Self { place: Place { budget, begun: false, ..self.place }, ..self }
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Does the work of `stage` if the run is there: calls `work` with the parts of `grid` until all are done, when the
    /// next stage begins, or until the budget is spent. If the run is in another stage, this function does nothing.
    #[inline]
    pub fn work<E>(
        &mut self,
        stage: Stage,
        grid: Grid,
        mut work: impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some((part, after)) = self.part(stage, &grid) {
            work(part)?;
            self.place = after;
        }
        Ok(())
    }

    /// Returns the rows of the current block of `rows` rows.
    pub fn block(&self, rows: usize) -> Range<usize> {
        self.block..rows.min(self.block.saturating_add(ROWS_PER_STEP))
    }

    /// Goes back to `first`, the first of the stages that are repeated for each block of `rows` rows, and returns
    /// `true` if the run has come to `after`, the stage after them, and there is another block.
    pub fn next_block(&mut self, first: Stage, after: Stage, rows: usize) -> bool {
        let next = self.block.saturating_add(ROWS_PER_STEP);
        let repeated = self.stage == after && next < rows;
        if repeated {
            (self.stage, self.block) = (first, next);
        } else if self.stage == after {
            self.block = 0;
        }
        repeated
    }

    /// Goes from the end of a layer to the next layer, or to the head if that was the last one.
    pub fn end_layer(&mut self, is_last: bool) {
        self.stage = if is_last { Stage::Pool } else { Stage::Queries };
    }

    /// Returns the next part of the grid whose rows this thread has, with the place after it. The part is as large as
    /// the budget allows, or the smallest one if the step has computed nothing. Returns `None` at the end of the
    /// budget, and at the end of the grid, when the next stage begins, or if the run is in another stage.
    #[inline(never)] // The code exists once for all stages.
    fn part(&mut self, stage: Stage, grid: &Grid) -> Option<(Part, Place)> {
        if self.stage != stage {
            return None;
        }
        loop {
            let Place { row, column, .. } = self.place;
            if grid.rows == 0 || column >= grid.columns {
                self.stage = stage.next();
                (self.place.row, self.place.column) = (0, 0);
                return None;
            }
            let (rows, columns) = self.place.size(grid)?;
            let after = self.place.after(grid, rows, columns);
            if row < grid.own {
                let rows = row..grid.own.min(row.saturating_add(rows));
                return Some((Part { rows, columns: column..column.saturating_add(columns) }, after));
            }
            self.place = after;
        }
    }
}

impl Place {
    /// Returns the rows and columns of the next part of a grid that has one, or `None` if the budget is spent.
    fn size(&self, grid: &Grid) -> Option<(usize, usize)> {
        let Self { row, column, budget, begun } = *self;
        let (rows, columns) = (grid.rows.saturating_sub(row), grid.columns.saturating_sub(column));
        if row == 0 {
            if grid.cost_of(rows, columns) <= budget {
                return Some((rows, columns));
            }
            // As many columns of all rows as possible, because a panel of weights is then read once.
            let affordable = whole_units(budget, grid.cost_of(rows, 1), grid.unit);
            if affordable > 0 {
                return Some((rows, affordable.min(columns)));
            }
        }
        let columns = grid.unit.min(columns);
        let cost = grid.cost_of(1, columns);
        match whole_units(budget, cost, ROW_BLOCK) {
            0 if rows.saturating_mul(cost) <= budget => Some((rows, columns)),
            0 if begun => None,
            0 => Some((ROW_BLOCK.min(rows), columns)),
            affordable => Some((affordable.min(rows), columns)),
        }
    }

    /// Returns the place after a part of `rows` rows and `columns` columns.
    fn after(&self, grid: &Grid, rows: usize, columns: usize) -> Self {
        let budget = self.budget.saturating_sub(grid.cost_of(rows, columns));
        let row = self.row.saturating_add(rows);
        let (row, column) =
            if row >= grid.rows { (0, self.column.saturating_add(columns)) } else { (row, self.column) };
        Self { row, column, budget, begun: true }
    }
}

/// Returns the largest multiple of `unit` whose cost, `cost` each, is within the budget.
fn whole_units(budget: usize, cost: usize, unit: usize) -> usize {
    budget.checked_div(cost.saturating_mul(unit)).unwrap_or(0).saturating_mul(unit)
}

#[cfg(test)]
mod tests;
