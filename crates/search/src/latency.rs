//! Modelled latency: what an answer executes, by its sizes, and how many cycles that takes a core.
//!
//! An answer's instructions are those of the micro-kernels' inner loops, a fixed number per multiply-add, and others, which
//! [`Work`] counts in units that they grow with. What a unit costs was fitted to instructions counted under QEMU
//! (`counted.csv`, `crates/search/examples/fit_latency.rs`). No figure comes from a board; memory is taken to be fast.

mod coefficients;
pub mod counted;

use tinybert_image::{AttentionMode, Config, Encoding, LayerConfig};

use self::coefficients::{Coefficients, of};
use super::board::{Board, KernelFamily};

/// An answer whose work is to be counted.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Sizes that hold for the whole model.
    pub config: &'a Config,
    /// Sizes of its layers.
    pub layers: &'a [LayerConfig],
    /// Tokens of the input, special ones included.
    pub tokens: usize,
}

/// Units of work besides multiply-adds.
pub const UNITS: [&str; 11] = [
    "token",
    "layer",
    "channel of a row in and out of a residual and its LayerNorm",
    "channel of a query, key or value",
    "neuron of a row",
    "attention score",
    "query, key or value of a head",
    "tile of a linear",
    "weight read for rows that fill no tile",
    "panel of weights for a block of rows",
    "weight in four bits for a block of rows",
];

/// By how much the modelled number of instructions differs from the counted one at most, of the answers that were counted.
pub const LARGEST_ERROR: f64 = 0.1;

/// What an answer does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// Of linears and attention, edges of panels included.
    pub multiply_adds: f64,
    /// Others, in [`UNITS`].
    pub units: [f64; UNITS.len()],
}

/// Rows that a linear is called for together (crates/runtime/src/workspace.rs).
const BLOCK: usize = tinybert_runtime::ROWS_PER_STEP;

/// Rows of a micro-kernel's tile.
fn tile_rows(family: KernelFamily) -> usize {
    match family {
        KernelFamily::Neon => 4,
        KernelFamily::Dotprod | KernelFamily::DotprodInOrder | KernelFamily::I8mm => 8,
    }
}

impl Work {
    /// Of an answer with a family's kernels, in whose layout `answer.config.panel` is.
    pub fn of(answer: &Answer, family: KernelFamily) -> Self {
        let Config { hidden, outputs, pooler, head, .. } = *answer.config;
        let tokens = answer.tokens;
        let mut work = Self::default();
        for (index, layer) in answer.layers.iter().enumerate() {
            let last = index + 1 == answer.layers.len();
            // Of the last layer only what the head reads is finished.
            let rows = if last && !head.reads_all_tokens() { 1 } else { tokens };
            work.layer(answer.config, family, layer, [tokens, rows]);
        }
        let [per_token, per_layer, norms, ..] = &mut work.units;
        (*per_token, *per_layer) = (tokens as f64, answer.layers.len() as f64);
        *norms += (tokens * hidden) as f64;
        if pooler {
            work.linear(answer.config, family, Encoding::Int8, [1, hidden, hidden]);
        }
        work.linear(answer.config, family, Encoding::Int8, [head.answers(tokens), outputs, hidden]);
        work
    }

    /// A layer over `tokens` tokens, of which `rows` are finished.
    fn layer(
        &mut self,
        config: &Config,
        family: KernelFamily,
        layer: &LayerConfig,
        [tokens, rows]: [usize; 2],
    ) {
        let (hidden, width) = (config.hidden, layer.attention_width());
        let [_, _, norms, projected, neurons, scores, head_rows, ..] = &mut self.units;
        *norms += (2 * rows * hidden) as f64;
        *projected += ((rows + 2 * tokens) * width) as f64;
        *neurons += (rows * layer.ffn) as f64;
        *scores += (rows * tokens * layer.heads) as f64;
        *head_rows += ((rows + 2 * tokens) * layer.heads) as f64;
        let [qkv, output, up, down] = layer.encodings;
        if rows < tokens {
            self.linear(config, family, qkv, [tokens, 2 * width, hidden]);
        }
        self.linear(config, family, qkv, [rows, 3 * width, hidden]);
        self.linear(config, family, output, [rows, hidden, width]);
        self.linear(config, family, up, [rows, layer.ffn, hidden]);
        self.linear(config, family, down, [rows, hidden, layer.ffn]);
        // Scores and context. A vector holds four times as many values of int8 as of f32.
        let factor = match layer.attention {
            AttentionMode::Int8 => 1,
            AttentionMode::F32 => 4,
        };
        self.multiply_adds += (factor * 2 * rows * tokens * width) as f64;
    }

    /// A linear of `inputs` and `outputs` over `rows`.
    fn linear(
        &mut self,
        config: &Config,
        family: KernelFamily,
        encoding: Encoding,
        [rows, outputs, inputs]: [usize; 3],
    ) {
        let panel = config.panel;
        let matrix = panel.matrix(outputs, inputs);
        let (columns, depth) = matrix.map_or((outputs, inputs), |matrix| (matrix.columns(), matrix.depth()));
        let tile = tile_rows(family);
        self.multiply_adds += (rows * columns * depth) as f64;
        let [.., tiles, edge, panels, decoded] = &mut self.units;
        *tiles += (rows.div_ceil(tile) * outputs.div_ceil(panel.nr.into())) as f64;
        *panels += (rows.div_ceil(BLOCK) * outputs.div_ceil(panel.nr.into())) as f64;
        *decoded += match encoding {
            Encoding::Int8 => 0.0,
            Encoding::Int4 | Encoding::Sparse => (rows.div_ceil(BLOCK) * columns * depth) as f64,
        };
        *edge += if rows.is_multiple_of(tile) { 0.0 } else { (columns * depth) as f64 };
    }

    /// Instructions outside the micro-kernels' inner loops.
    fn others(&self, coefficients: &Coefficients) -> f64 {
        self.units.iter().zip(coefficients.units).map(|(count, each)| count * each).sum()
    }

    /// All instructions of an answer.
    pub fn instructions(&self, family: KernelFamily) -> f64 {
        let coefficients = of(family);
        self.multiply_adds * coefficients.multiply_add + self.others(coefficients)
    }
}

/// Instructions of a family's inner loop per multiply-add.
pub fn instructions_per_multiply_add(family: KernelFamily) -> f64 {
    of(family).multiply_add
}

/// Modelled milliseconds of an answer on a board: multiply-adds at the rate of the core's micro-kernel, and all other
/// instructions at their rate.
pub fn milliseconds(answer: &Answer, board: &Board) -> f64 {
    let core = &board.core;
    // An image in another layout is repacked for the core, or made anew.
    let config = Config { panel: core.layout.panel(), ..*answer.config };
    let work = Work::of(&Answer { config: &config, ..*answer }, core.kernels);
    let cycles = work.multiply_adds / core.multiply_adds + work.others(of(core.kernels)) / core.instructions;
    cycles / (1e3 * board.mhz)
}

#[cfg(test)]
mod tests {
    use super::counted::counted;
    use super::*;

    #[test]
    fn the_model_is_near_what_was_counted() {
        for row in counted() {
            let error = row.work.instructions(row.family) / row.instructions - 1.0;
            assert!(error.abs() < LARGEST_ERROR, "{error}: {row:?}");
        }
    }
}
