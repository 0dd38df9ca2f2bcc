//! Random operands.

use alloc::vec;
use alloc::vec::Vec;

use tinybert_kernels::{
    Activations, ActivationsMut, Epilogue, Kernels, Linear, PackedWeights, Panel, Quantization, RowScale,
    activation_bytes, pack, row_stride,
};

/// A small generator (splitmix64): proptest chooses the shapes and a seed, this fills the matrices.
pub struct RandomOperands(pub u64);

impl RandomOperands {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Uniform in [low, high).
    pub fn f32(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    pub fn f32s(&mut self, n: usize, low: f32, high: f32) -> Vec<f32> {
        (0..n).map(|_| self.f32(low, high)).collect()
    }

    /// Uniform in [−127, 127]; now and then a whole vector of extremes.
    pub fn i8s(&mut self, n: usize) -> Vec<i8> {
        match self.below(8) {
            0 => vec![-127; n],
            1 => (0..n).map(|_| if self.bits() & 1 == 0 { -127 } else { 127 }).collect(),
            _ => (0..n).map(|_| (self.below(255) as i32 - 127) as i8).collect(),
        }
    }
}

/// A linear layer and its input, owned; weights row-major and unpacked.
pub struct LinearCase {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// `[m, k]`.
    pub a: Vec<i8>,
    pub zero_point: i8,
    pub a_scale: Vec<f32>,
    pub per_row: bool,
    /// `[n, k]`.
    pub w: Vec<i8>,
    pub scale: Vec<f32>,
    pub bias: Vec<f32>,
    pub row_sum: Vec<i32>,
}

impl LinearCase {
    pub fn random(m: usize, n: usize, k: usize, seed: u64) -> LinearCase {
        let mut random = RandomOperands(seed);
        let w = random.i8s(n * k);
        let row_sum = (0..n).map(|i| w[i * k..(i + 1) * k].iter().map(|&x| i32::from(x)).sum()).collect();
        let per_row = random.below(2) == 0;
        LinearCase {
            m,
            n,
            k,
            a: random.i8s(m * k),
            zero_point: [0, -128, 127, random.bits() as i8][random.below(4)],
            a_scale: random.f32s(if per_row { m } else { 1 }, 1e-3, 0.2),
            per_row,
            w,
            scale: random.f32s(n, 1e-4, 1e-2),
            bias: random.f32s(n, -3.0, 3.0),
            row_sum,
        }
    }

    /// The layer with weight scales that are sometimes subnormal or very large.
    pub fn scaled(mut self, seed: u64) -> LinearCase {
        let mut random = RandomOperands(seed);
        match random.below(6) {
            0 => self.scale = random.f32s(self.n, 1e-44, 1e-38),
            1 => self.scale = random.f32s(self.n, 1e20, 1e28),
            _ => {}
        }
        self
    }

    /// The layer with weights that four bits can have: a code times a multiplier of each output and 32 inputs.
    pub fn four_bits(mut self, seed: u64) -> LinearCase {
        let mut random = RandomOperands(seed);
        for w in self.w.chunks_mut(self.k) {
            for w in w.chunks_mut(32) {
                let multiplier = 1 + random.below(18) as i8;
                w.iter_mut().for_each(|w| *w = (random.below(15) as i8 - 7) * multiplier);
            }
        }
        self.summed()
    }

    /// The layer with about `left` of 256 weights left; the others are zero.
    pub fn sparse(mut self, left: usize, seed: u64) -> LinearCase {
        let mut random = RandomOperands(seed);
        self.w.iter_mut().filter(|_| random.below(256) >= left).for_each(|w| *w = 0);
        self.summed()
    }

    fn summed(self) -> LinearCase {
        let row_sum = self.w.chunks(self.k).map(|w| w.iter().map(|&w| i32::from(w)).sum()).collect();
        LinearCase { row_sum, ..self }
    }

    /// Packed weights as four bits hold them: for each panel and 32 inputs the multipliers, then bytes of two codes.
    pub fn stored_four_bits(&self, panel: Panel) -> Vec<u8> {
        let (nr, kr) = (usize::from(panel.nr), usize::from(panel.kr));
        let packed = self.packed(panel);
        let columns = self.columns(panel);
        let depth = packed.len() / columns;
        let mut stored = Vec::new();
        for first in (0..columns).step_by(nr) {
            let width = nr.min(columns - first);
            let weights = &packed[first * depth..(first + width) * depth];
            for (index, group) in weights.chunks(32 * width).enumerate() {
                let inputs = |output: usize| {
                    let row = self.w.chunks(self.k).nth(output).unwrap_or(&[]);
                    row.iter().skip(32 * index).take(32)
                };
                let fits = |output: usize, m: &i8| inputs(output).all(|w| w % m == 0 && (w / m).abs() <= 7);
                let multipliers: Vec<i8> = (first..first + width)
                    .map(|output| (1..=18).find(|m| fits(output, m)).expect("no multiplier"))
                    .collect();
                let depth = group.len() / width;
                let runs: Vec<&[i8]> = group.chunks(width * kr).collect();
                let codes = runs.iter().map(|run| {
                    let each = run.len() / width;
                    let code = |(place, w): (usize, &i8)| (w / multipliers[place / each]) as u8 & 15;
                    run.iter().enumerate().map(code).collect::<Vec<u8>>()
                });
                let codes: Vec<Vec<u8>> = codes.collect();
                let (low, high) = codes.split_at(runs.len().div_ceil(2));
                let (low, high) = (low.concat(), high.concat());
                assert_eq!(low.len() + high.len(), width * depth);
                stored.extend(multipliers.iter().map(|&m| m as u8));
                stored.extend((0..low.len()).map(|i| low[i] | high.get(i).unwrap_or(&0) << 4));
            }
        }
        stored
    }

    /// Packed weights without zeros: offsets, masks, values.
    pub fn stored_sparse(&self, panel: Panel) -> (Vec<u32>, Vec<u8>, Vec<i8>) {
        let packed = self.packed(panel);
        let depth = packed.len() / self.columns(panel);
        let (mut offsets, mut mask, mut values) = (vec![0], Vec::new(), Vec::new());
        for panel in packed.chunks(usize::from(panel.nr) * depth) {
            for weights in panel.chunks(8) {
                mask.push(weights.iter().enumerate().map(|(bit, w)| u8::from(*w != 0) << bit).sum());
            }
            values.extend(panel.iter().filter(|w| **w != 0));
            offsets.push(values.len() as u32);
        }
        (offsets, mask, values)
    }

    /// Outputs with what they are filled up with.
    fn columns(&self, panel: Panel) -> usize {
        let with = [8, 4, 2, 1].into_iter().find(|by| usize::from(panel.nr) % by == 0).unwrap();
        self.n.next_multiple_of(with)
    }

    pub fn packed(&self, panel: Panel) -> Vec<i8> {
        let mut packed = vec![99; panel.packed_bytes(self.n, self.k).unwrap()];
        pack(&self.w, self.n, self.k, panel, &mut packed).unwrap();
        packed
    }

    pub fn linear<'a>(&'a self, panel: Panel, weights: &'a [i8]) -> Linear<'a> {
        self.encoded(panel, PackedWeights::Int8(weights))
    }

    pub fn encoded<'a>(&'a self, panel: Panel, weights: PackedWeights<'a>) -> Linear<'a> {
        Linear {
            n: self.n,
            k: self.k,
            panel,
            weights,
            scale: &self.scale,
            bias: &self.bias,
            row_sum: &self.row_sum,
        }
    }

    /// The input as `kernels` lays it out: what `quantize` makes of whole numbers at scale 1.
    pub fn input(&self, kernels: &Kernels) -> Vec<i8> {
        let x: Vec<f32> = self.a.iter().map(|&q| f32::from(q)).collect();
        let quantization = Quantization::Static { inv_scale: 1.0, zero_point: 0 };
        let mut data = vec![99; activation_bytes(self.m, self.k).unwrap()];
        kernels.quantize(&x, self.k, quantization, ActivationsMut::new(&mut data, self.k)).unwrap();
        data
    }

    pub fn activations<'a>(&'a self, data: &'a [i8]) -> Activations<'a> {
        let scale =
            if self.per_row { RowScale::PerRow(&self.a_scale) } else { RowScale::Uniform(self.a_scale[0]) };
        Activations {
            data,
            stride: row_stride(self.k),
            m: self.m,
            k: self.k,
            zero_point: self.zero_point,
            scale,
        }
    }
}

/// The values of an int8 activation matrix `[m, k]` that `kernels` has written, row-major: what a linear layer with
/// identity weights makes of them, so that the order of the bytes stays the kernels' own affair.
pub fn values(kernels: &Kernels, data: &[i8], m: usize, k: usize) -> Vec<i8> {
    let identity: Vec<i8> = (0..k * k).map(|i| i8::from(i % (k + 1) == 0)).collect();
    let panel = kernels.native_panel();
    let mut weights = vec![0; panel.packed_bytes(k, k).unwrap()];
    pack(&identity, k, k, panel, &mut weights).unwrap();
    let (ones, zeros, sums) = (vec![1.0; k], vec![0.0; k], vec![1; k]);
    let w = Linear {
        n: k,
        k,
        panel,
        weights: PackedWeights::Int8(&weights),
        scale: &ones,
        bias: &zeros,
        row_sum: &sums,
    };
    let a = Activations { data, stride: row_stride(k), m, k, zero_point: 0, scale: RowScale::Uniform(1.0) };
    let mut out = vec![f32::NAN; m * k];
    kernels.linear(&a, &w, Epilogue::F32 { out: &mut out, stride: k }, &mut []).unwrap();
    out.into_iter().map(|x| x as i8).collect()
}

/// The bits, so that −0 differs from +0.
pub fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}
