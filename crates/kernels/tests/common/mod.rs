//! Random operands and the instruction sets to compare. Each test binary uses a part of it.
#![allow(dead_code)]

use proptest::test_runner::Config;
use tinybert_kernels::{
    Activations, ActivationsMut, Isa, Kernels, Linear, Panel, RowScale, activation_bytes, pack, row_stride,
};

/// The fast kernels of this machine; the scalar ones are what they are compared with.
pub fn fast() -> impl Iterator<Item = Kernels> {
    Isa::ALL.into_iter().filter(|&isa| isa != Isa::Scalar).filter_map(Kernels::with_isa)
}

/// `KERNEL_CASES` random cases of each property, 256 if it is not set.
pub fn cases() -> Config {
    let cases = std::env::var("KERNEL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256);
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// A small generator (splitmix64): proptest chooses the shapes and a seed, this fills the matrices.
pub struct Random(pub u64);

impl Random {
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
pub struct Layer {
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

impl Layer {
    pub fn random(m: usize, n: usize, k: usize, seed: u64) -> Layer {
        let mut random = Random(seed);
        let w = random.i8s(n * k);
        let row_sum = (0..n).map(|i| w[i * k..(i + 1) * k].iter().map(|&x| i32::from(x)).sum()).collect();
        let per_row = random.below(2) == 0;
        Layer {
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

    pub fn packed(&self, panel: Panel) -> Vec<i8> {
        let mut packed = vec![99; panel.packed_len(self.n, self.k).unwrap()];
        pack(&self.w, self.n, self.k, panel, &mut packed).unwrap();
        packed
    }

    pub fn linear<'a>(&'a self, panel: Panel, weights: &'a [i8]) -> Linear<'a> {
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
        let quantization = tinybert_kernels::Quantization::Static { inv_scale: 1.0, zero_point: 0 };
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
    let panel = Panel::PORTABLE;
    let mut weights = vec![0; panel.packed_len(k, k).unwrap()];
    pack(&identity, k, k, panel, &mut weights).unwrap();
    let (ones, zeros, sums) = (vec![1.0; k], vec![0.0; k], vec![1; k]);
    let w = Linear { n: k, k, panel, weights: &weights, scale: &ones, bias: &zeros, row_sum: &sums };
    let a = Activations { data, stride: row_stride(k), m, k, zero_point: 0, scale: RowScale::Uniform(1.0) };
    let mut out = vec![f32::NAN; m * k];
    kernels.linear(&a, &w, tinybert_kernels::Epilogue::F32 { out: &mut out, stride: k }).unwrap();
    out.into_iter().map(|x| x as i8).collect()
}

/// The bits, so that −0 differs from +0.
pub fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}
