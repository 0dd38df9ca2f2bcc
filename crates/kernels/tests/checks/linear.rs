//! Linear layers.

use alloc::vec;
use alloc::vec::Vec;

use tinybert_kernels::{
    ActivationsMut, Epilogue, Kernels, Linear, PackedWeights, Panel, Quantization, ROW_BLOCK,
    activation_bytes, row_stride,
};

use super::operands::{LinearCase, RandomOperands, bits, values};

pub fn f32s(kernels: &Kernels, layer: &LinearCase, panel: Panel) -> Vec<f32> {
    f32s_of(kernels, layer, &layer.linear(panel, &layer.packed(panel)))
}

/// Scratch memory with something in it.
pub fn scratch(w: &Linear) -> Vec<i8> {
    vec![85; w.scratch_bytes().unwrap()]
}

pub fn f32s_of(kernels: &Kernels, layer: &LinearCase, w: &Linear) -> Vec<f32> {
    let data = layer.input(kernels);
    let stride = layer.n + layer.k % 3;
    let mut out = vec![-0.0; layer.m * stride];
    let epilogue = Epilogue::F32 { out: &mut out, stride };
    kernels.linear(&layer.activations(&data), w, epilogue, &mut scratch(w)).unwrap();
    let rows = out.chunks(stride).map(|row| row.split_at(layer.n));
    rows.flat_map(|(row, beyond)| {
        assert_eq!(bits(beyond), bits(&vec![-0.0; beyond.len()]), "columns beyond n are left alone");
        row.to_vec()
    })
    .collect()
}

/// Everything the other epilogues write, one after the other.
#[derive(PartialEq, Debug)]
struct Written {
    residual: Vec<u32>,
    rows: Vec<i8>,
    gelu: Vec<i8>,
    gelu_per_token: Vec<i8>,
    scales: Vec<u32>,
}

fn written(kernels: &Kernels, layer: &LinearCase, panel: Panel, seed: u64) -> Written {
    written_of(kernels, layer, &layer.linear(panel, &layer.packed(panel)), seed)
}

fn written_of(kernels: &Kernels, layer: &LinearCase, w: &Linear, seed: u64) -> Written {
    let mut random = RandomOperands(seed);
    let (m, n) = (layer.m, layer.n);
    let data = layer.input(kernels);
    let (a, decoded) = (layer.activations(&data), &mut scratch(w));
    let bytes = activation_bytes(m, n).unwrap();

    let mut residual = random.f32s(m * n, -9.0, 9.0);
    kernels.linear(&a, w, Epilogue::AddF32 { residual: &mut residual, stride: n }, decoded).unwrap();

    let stride = row_stride(n) + random.below(20);
    let mut rows = vec![55; m * stride];
    kernels.linear(&a, w, Epilogue::I8 { out: &mut rows, stride }, decoded).unwrap();
    let rows = rows.chunks(stride).flat_map(|row| row[..n].to_vec()).collect();

    let quantization =
        Quantization::Static { inv_scale: random.f32(1.0, 60.0), zero_point: random.below(256) as u8 as i8 };
    let mut gelu = vec![0; bytes];
    kernels
        .linear(
            &a,
            w,
            Epilogue::Gelu { out: ActivationsMut::new(&mut gelu, n), quantization, scratch: &mut [] },
            decoded,
        )
        .unwrap();

    let (mut gelu_per_token, mut scales) = (vec![0; bytes], vec![f32::NAN; m]);
    let mut scratch = vec![f32::NAN; ROW_BLOCK * n];
    let quantization = Quantization::PerToken { scale: &mut scales };
    let out = ActivationsMut::new(&mut gelu_per_token, n);
    let epilogue = Epilogue::Gelu { out, quantization, scratch: &mut scratch };
    kernels.linear(&a, w, epilogue, decoded).unwrap();
    let [gelu, gelu_per_token] = [gelu, gelu_per_token].map(|data| values(kernels, &data, m, n));
    Written { residual: bits(&residual), rows, gelu, gelu_per_token, scales: bits(&scales) }
}

/// In every panel that four bits can have.
fn packable(panel: &Panel) -> bool {
    16 % panel.kr == 0
}

/// Asserts that `kernels` give the same for the layer in four bits, without zeros, and in int8.
pub fn assert_encoded(kernels: &Kernels, layer: &LinearCase, panel: Panel, seed: u64) {
    let plain = layer.packed(panel);
    let plain = layer.linear(panel, &plain);
    let (expected, all) = (f32s(&Kernels::scalar(), layer, panel), written_of(kernels, layer, &plain, seed));
    let four_bits = packable(&panel) && layer.w.iter().all(|w| w.abs() <= 126);
    let stored = if four_bits { layer.stored_four_bits(panel) } else { Vec::new() };
    let (offsets, mask, values) = layer.stored_sparse(panel);
    let sparse = PackedWeights::Sparse { offsets: &offsets, mask: &mask, values: &values };
    for weights in [sparse].into_iter().chain(four_bits.then_some(PackedWeights::Int4(&stored))) {
        let w = layer.encoded(panel, weights);
        assert_eq!(bits(&f32s_of(kernels, layer, &w)), bits(&expected), "{kernels:?} {panel:?}");
        assert_eq!(written_of(kernels, layer, &w, seed), all, "{kernels:?} {panel:?}");
    }
}

/// The panel for which the scalar kernels are plain loops over single weights on every target.
const PLAIN: Panel = Panel { nr: 2, kr: 1 };

/// Compares a layer of weights in int8.
pub fn check(kernels: &Kernels, m: usize, n: usize, k: usize, seed: u64) {
    let layer = LinearCase::random(m, n, k, seed).scaled(seed);
    let (scalar, panel) = (Kernels::scalar(), kernels.native_panel());
    let (ours, expected) = (f32s(kernels, &layer, panel), f32s(&scalar, &layer, PLAIN));
    assert_eq!(bits(&ours), bits(&expected), "{kernels:?} {m} {n} {k}");
    assert_eq!(
        written(kernels, &layer, panel, seed),
        written(&scalar, &layer, PLAIN, seed),
        "{kernels:?} {m} {n} {k}"
    );
}

/// Compares a layer of weights in four bits and without zeros.
pub fn check_encoded(kernels: &Kernels, m: usize, n: usize, k: usize, seed: u64) {
    let layer = LinearCase::random(m, n, k, seed).four_bits(seed);
    let layer = layer.sparse([256, 128, 64, 3, 0][seed as usize % 5], seed);
    assert_encoded(kernels, &layer, kernels.native_panel(), seed);
}
