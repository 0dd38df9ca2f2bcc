//! Instructions that were counted, and what units of work cost by them.

use tinybert_image::{AttentionMode, Config, Encoding, HeadKind, InputQuantization, LayerConfig};

use super::{Answer, KernelFamily, UNITS, Work, instructions_per_multiply_add};
use tinybert_quantize::KernelLayout;

/// Printed by `scripts/performance/shapes.py`.
const COUNTED: &str = include_str!("counted.csv");

/// One answer of a random model under QEMU.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// Which kernels.
    pub family: KernelFamily,
    /// What it does.
    pub work: Work,
    /// Instructions that were executed.
    pub instructions: f64,
}

/// All that was counted.
///
/// # Panics
/// If the table that is compiled in is damaged.
pub fn counted() -> Vec<Counted> {
    COUNTED.lines().skip(1).map(|line| read(line).expect("the table is whole")).collect()
}

/// What each unit of work costs a family: the least squares of relative errors, none below 0.
pub fn fit(rows: &[Counted], family: KernelFamily) -> [f64; UNITS.len()] {
    // Per instruction counted, so that errors are relative: the units' counts, and what is left for them.
    let rows: Vec<([f64; UNITS.len()], f64)> = rows
        .iter()
        .filter(|row| row.family == family)
        .map(|row| {
            let left = row.instructions - row.work.multiply_adds * instructions_per_multiply_add(family);
            (row.work.units.map(|count| count / row.instructions), left / row.instructions)
        })
        .collect();
    let mut each = [0.0; UNITS.len()];
    // Coordinate descent on a convex function: it goes to the least.
    for _ in 0..200_000 {
        for unit in 0..UNITS.len() {
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

fn read(line: &str) -> Option<Counted> {
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
        _ => return None,
    };
    // That of crates/runtime/examples/random_image.rs.
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
        panel: layout.panel(),
        layer_norm_eps: 1e-12,
        words: Encoding::Int8,
    };
    let input = InputQuantization::Static { scale: 1.0, zero_point: 0 };
    let layer = LayerConfig {
        heads,
        head_dim,
        ffn,
        attention: AttentionMode::Int8,
        attention_coefficient: 1.0,
        context_scale: 1.0,
        qkv_input: input,
        attention_output_input: input,
        up_input: input,
        down_input: input,
        encodings: [encoding; 4],
    };
    let work = Work::of(&Answer { config: &config, layers: &vec![layer; layers], tokens }, family);
    Some(Counted { family, work, instructions: instructions as f64 })
}
