//! Counted instructions, and the fit of the instructions per unit of work.

use super::{KernelFamily, LinearShape, ModelledAnswer, PerUnit, Unit, Work, instructions_per_multiply_add};
use crate::cost::layer_of_sizes;
use tinybert_image::{Config, Encoding, HeadKind, Pooling};
use tinybert_quantize::KernelLayout;

/// The table that `scripts/performance/shapes.py` and `shapes_cortex_m.py` print.
const COUNTED: &str = include_str!("counted.csv");

/// One answer of a random model, counted under QEMU.
#[derive(Debug, Clone, Copy)]
pub struct CountedAnswer {
    /// The kernels.
    pub family: KernelFamily,
    /// The work of the answer.
    pub work: Work,
    /// Executed instructions.
    pub instructions: f64,
}

/// All counted answers.
///
/// # Panics
/// If the table that is compiled in is damaged.
pub fn counted() -> Vec<CountedAnswer> {
    COUNTED.lines().skip(1).map(|line| read(line).expect("the table is whole")).collect()
}

/// The instructions of each unit of work for a family, none below 0: a least-squares fit of relative errors.
pub fn fit(rows: &[CountedAnswer], family: KernelFamily) -> PerUnit {
    // The counts of the units and the instructions left for them, both per counted instruction: so errors are
    // relative.
    let rows: Vec<(PerUnit, f64)> = rows
        .iter()
        .filter(|row| row.family == family)
        .map(|row| {
            let left = row.instructions - row.work.multiply_adds * instructions_per_multiply_add(family);
            (row.work.units.map(|count| count / row.instructions), left / row.instructions)
        })
        .collect();
    let mut each: PerUnit = [0.0; Unit::ALL.len()];
    // The function is convex, so coordinate descent reaches its minimum.
    for _ in 0..200_000 {
        for unit in 0..Unit::ALL.len() {
            let (mut slope, mut curvature) = (0.0, 0.0);
            for (counts, left) in &rows {
                let error = counts.iter().zip(&each).map(|(count, each)| count * each).sum::<f64>() - left;
                slope += error * counts[unit];
                curvature += counts[unit] * counts[unit];
            }
            if curvature > 0.0 {
                each[unit] = f64::max(0.0, each[unit] - slope / curvature);
            }
        }
    }
    each
}

fn read(line: &str) -> Option<CountedAnswer> {
    let (kernels, rest) = line.split_once(',')?;
    let (encoding, numbers) = rest.split_once(',')?;
    let encoding = match encoding {
        "int8" => Encoding::Int8,
        "int4" => Encoding::Int4,
        _ => return None,
    };
    let numbers: Vec<usize> = numbers.split(',').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let &[hidden, layers, heads, head_dim, ffn, tokens, instructions] = numbers.as_slice() else {
        return None;
    };
    let (family, layout) = match kernels {
        "neon" => (KernelFamily::Neon, KernelLayout::Neon),
        "neon-dotprod" => (KernelFamily::Dotprod, KernelLayout::Dotprod),
        "neon-dotprod-a55" => (KernelFamily::DotprodInOrder, KernelLayout::Dotprod),
        "neon-i8mm" => (KernelFamily::I8mm, KernelLayout::I8mm),
        "arm-dsp" => (KernelFamily::ArmDsp, KernelLayout::CortexM),
        "arm-mve" => (KernelFamily::ArmMve, KernelLayout::CortexM),
        _ => return None,
    };
    // The configuration of crates/runtime/examples/random_image.rs.
    let config = Config {
        hidden,
        layers,
        vocab: 16,
        positions: tokens,
        types: 2,
        max_tokens: tokens,
        workspace_bytes: 0,
        head: HeadKind::Classification,
        outputs: 3,
        pooler: true,
        pooling: Pooling::Mean,
        normalized: true,
        panel: layout.panel(),
        layer_norm_eps: 1e-12,
        words: Encoding::Int8,
    };
    let layer = layer_of_sizes(heads, head_dim, ffn, encoding);
    let answer = ModelledAnswer { config: &config, layers: &vec![layer; layers], tokens };
    let mut work = Work::of_answer(&answer, family);
    if !family.is_cortex_m() {
        // When these answers were counted, the last layer computed the keys and values of its first row twice.
        let shape = LinearShape { rows: 1, outputs: 2 * layer.attention_width(), inputs: hidden };
        work.add_linear(&config, family, encoding, shape);
    }
    Some(CountedAnswer { family, work, instructions: instructions as f64 })
}
