//! Modelled latency: the work of an answer, computed from the model's sizes, and the cycles that a core needs
//! for it.
//!
//! The inner loops of the micro-kernels execute a fixed number of instructions per multiply-add. [`Work`]
//! counts all other work in [`Unit`]s that its instructions are proportional to. The instructions per unit
//! were fitted to instructions that were counted under QEMU (`counted.csv`,
//! `crates/search/examples/fit_latency.rs`). No figure comes from a board, and the model assumes fast memory.

mod coefficients;
pub mod counted;

use self::coefficients::{InstructionCosts, instruction_costs};
use super::{Board, KernelFamily};
use tinybert_image::{AttentionMode, Config, Encoding, INPUTS_PER_MULTIPLIER, LayerConfig, PerLinear};

/// An answer whose latency is modelled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModelledAnswer<'a> {
    /// Sizes of the whole model.
    pub config: &'a Config,
    /// Sizes of the layers.
    pub layers: &'a [LayerConfig],
    /// Tokens of the input, including special tokens.
    pub tokens: usize,
}

/// Units of the work besides multiply-adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A token.
    Token,
    /// A layer.
    Layer,
    /// A channel of a row in and out of a residual and its LayerNorm.
    NormalisedChannel,
    /// A channel of a query, key or value.
    ProjectedChannel,
    /// A feed-forward neuron of a row.
    Neuron,
    /// An attention score.
    Score,
    /// A query, key or value of a head.
    HeadRow,
    /// A tile of a linear.
    Tile,
    /// A weight that is read for rows that do not fill a tile.
    EdgeWeight,
    /// A panel of weights for a block of rows.
    Panel,
    /// A weight in four bits for a block of rows.
    DecodedWeight,
    /// Such a weight of the last inputs, which are no whole group: it is decoded by itself.
    DecodedEdgeWeight,
    /// An int8 weight that the kernels turn into another form for a block of rows.
    ConvertedWeight,
}

impl Unit {
    /// All units in the order of [`Work::units`].
    pub const ALL: [Self; 13] = [
        Self::Token,
        Self::Layer,
        Self::NormalisedChannel,
        Self::ProjectedChannel,
        Self::Neuron,
        Self::Score,
        Self::HeadRow,
        Self::Tile,
        Self::EdgeWeight,
        Self::Panel,
        Self::DecodedWeight,
        Self::DecodedEdgeWeight,
        Self::ConvertedWeight,
    ];
}

/// A number for each unit, in the order of [`Unit::ALL`].
pub type PerUnit = [f64; Unit::ALL.len()];

/// The work of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// Multiply-adds of linears and attention, including the padding of panels.
    pub multiply_adds: f64,
    /// All other work by unit.
    pub units: PerUnit,
}

/// The sizes of one call of a linear.
struct LinearShape {
    rows: usize,
    outputs: usize,
    inputs: usize,
}

/// Rows of a micro-kernel's tile.
fn tile_rows(family: KernelFamily) -> usize {
    match family {
        KernelFamily::Neon => 4,
        KernelFamily::Dotprod | KernelFamily::DotprodInOrder | KernelFamily::I8mm => 8,
        KernelFamily::ArmDsp | KernelFamily::ArmMve => 2,
    }
}

/// Rows for which a panel is read once.
fn block_rows(family: KernelFamily) -> usize {
    match family {
        // The sums of as many rows are on the stack (crates/kernels/src/arm_dsp/linear.rs).
        KernelFamily::ArmDsp => 32,
        // As many as one call of a linear computes (crates/runtime/src/workspace.rs).
        _ => tinybert_runtime::ROWS_PER_STEP,
    }
}

impl Work {
    /// The work of an answer with a family's kernels. `answer.config.panel` is in the layout of these kernels.
    pub(crate) fn of_answer(answer: &ModelledAnswer, family: KernelFamily) -> Self {
        let Config { hidden, outputs, pooler, head, .. } = *answer.config;
        let tokens = answer.tokens;
        let mut work = Self::default();
        for (index, layer) in answer.layers.iter().enumerate() {
            let last = index + 1 == answer.layers.len();
            // The last layer computes only the rows that the head reads.
            let rows = if last && !head.reads_all_tokens() { 1 } else { tokens };
            work.add_layer(answer.config, family, layer, tokens, rows);
        }
        work.add(Unit::Token, tokens);
        work.add(Unit::Layer, answer.layers.len());
        work.add(Unit::NormalisedChannel, tokens * hidden);
        let mut add = |rows, outputs| {
            work.add_linear(
                answer.config,
                family,
                Encoding::Int8,
                LinearShape { rows, outputs, inputs: hidden },
            );
        };
        if pooler {
            add(1, hidden);
        }
        add(head.answers(tokens), outputs);
        work
    }

    fn add(&mut self, unit: Unit, count: usize) {
        self.units[unit as usize] += count as f64;
    }

    /// Adds a layer over `tokens` tokens that computes its output for `rows` of them.
    fn add_layer(
        &mut self,
        config: &Config,
        family: KernelFamily,
        layer: &LayerConfig,
        tokens: usize,
        rows: usize,
    ) {
        let (hidden, width) = (config.hidden, layer.attention_width());
        self.add(Unit::NormalisedChannel, 2 * rows * hidden);
        self.add(Unit::ProjectedChannel, (rows + 2 * tokens) * width);
        self.add(Unit::Neuron, rows * layer.ffn);
        self.add(Unit::Score, rows * tokens * layer.heads);
        self.add(Unit::HeadRow, (rows + 2 * tokens) * layer.heads);
        let PerLinear { qkv, attention_output, up, down } = layer.encodings;
        let mut linear = |encoding, rows, outputs, inputs| {
            self.add_linear(config, family, encoding, LinearShape { rows, outputs, inputs });
        };
        // Keys and values are computed for all tokens.
        if rows < tokens {
            linear(qkv, tokens, 2 * width, hidden);
            linear(qkv, rows, width, hidden);
        } else {
            linear(qkv, rows, 3 * width, hidden);
        }
        linear(attention_output, rows, hidden, width);
        linear(up, rows, layer.ffn, hidden);
        linear(down, rows, hidden, layer.ffn);
        // Scores and context. A vector register holds four times as many int8 as f32 values.
        let factor = match layer.attention {
            AttentionMode::Int8 => 1,
            AttentionMode::F32 => 4,
        };
        self.multiply_adds += (factor * 2 * rows * tokens * width) as f64;
    }

    /// Adds one linear.
    fn add_linear(&mut self, config: &Config, family: KernelFamily, encoding: Encoding, shape: LinearShape) {
        let LinearShape { rows, outputs, inputs } = shape;
        let panel = config.panel;
        let matrix = panel.matrix(outputs, inputs);
        let (columns, depth) = matrix.map_or((outputs, inputs), |matrix| (matrix.columns(), matrix.depth()));
        let (tile, blocks) = (tile_rows(family), rows.div_ceil(block_rows(family)));
        self.multiply_adds += (rows * columns * depth) as f64;
        self.add(Unit::Tile, rows.div_ceil(tile) * outputs.div_ceil(panel.nr.into()));
        self.add(Unit::Panel, blocks * outputs.div_ceil(panel.nr.into()));
        match encoding {
            Encoding::Int4 | Encoding::Sparse => {
                self.add(Unit::DecodedWeight, blocks * columns * depth);
                if encoding == Encoding::Int4 && family.is_cortex_m() {
                    let left = depth % INPUTS_PER_MULTIPLIER;
                    self.add(Unit::DecodedEdgeWeight, blocks * columns * left);
                }
            }
            // SMLAD multiplies pairs of 16 bits.
            Encoding::Int8 if family == KernelFamily::ArmDsp => {
                self.add(Unit::ConvertedWeight, blocks * columns * depth);
            }
            Encoding::Int8 => {}
        }
        if !rows.is_multiple_of(tile) {
            self.add(Unit::EdgeWeight, columns * depth);
        }
    }

    /// Instructions outside the micro-kernels' inner loops.
    fn other_instructions(&self, coefficients: &InstructionCosts) -> f64 {
        self.units.iter().zip(coefficients.units).map(|(count, each)| count * each).sum()
    }

    /// All instructions of an answer.
    pub fn instructions(&self, family: KernelFamily) -> f64 {
        let coefficients = instruction_costs(family);
        self.multiply_adds * coefficients.multiply_add + self.other_instructions(coefficients)
    }
}

/// Instructions of a family's inner loop per multiply-add.
pub fn instructions_per_multiply_add(family: KernelFamily) -> f64 {
    instruction_costs(family).multiply_add
}

/// Modelled milliseconds of an answer on a board: its multiply-adds at the rate of the core's micro-kernel,
/// plus all other instructions at their own rate.
pub(crate) fn milliseconds(answer: &ModelledAnswer, board: &Board) -> f64 {
    let core = &board.core;
    // An image in another layout would be repacked for the core.
    let config = Config { panel: core.layout.panel(), ..*answer.config };
    let work = Work::of_answer(&ModelledAnswer { config: &config, ..*answer }, core.kernels);
    let cycles = work.multiply_adds / core.multiply_adds
        + work.other_instructions(instruction_costs(core.kernels)) / core.instructions;
    cycles / (1e3 * board.mhz)
}

#[cfg(test)]
mod tests {
    use super::counted::counted;

    /// Largest relative error of the modelled number of instructions, over all answers whose instructions
    /// were counted.
    const LARGEST_ERROR: f64 = 0.1;

    #[test]
    fn the_model_is_near_what_was_counted() {
        for row in counted() {
            let error = row.work.instructions(row.family) / row.instructions - 1.0;
            assert!(error.abs() < LARGEST_ERROR, "{error}: {row:?}");
        }
    }
}
