//! Compiles the generic operations for one instruction set.

/// Defines the functions of a [`KernelTable`](crate::table::KernelTable) for the token `$token`, whose instruction set
/// is `$features` and whose activations lie in `LAYOUT`. It defines all functions, or only those that call the
/// micro-kernel, which may have an option, or only the others.
macro_rules! entry_points {
    ($token:ident, $features:literal) => {
        crate::simd::entry_points!($token, $features, products);
        crate::simd::entry_points!($token, $features, others);
    };

    ($token:ident, $features:literal, others) => {
        use crate::simd::Simd as _;

        #[target_feature(enable = $features)]
        pub(crate) fn attention_f32(
            operands: &crate::attention::AttentionOperands<f32>,
            context: crate::attention::ContextOutput,
            scratch: crate::scratch::ScratchF32,
        ) {
            // SAFETY: this function is compiled for, and therefore only called with, the token's instruction set.
            let token = unsafe { $token::new_unchecked() };
            crate::simd::attention_f32(token.vectors(), LAYOUT, operands, context, scratch);
        }

        #[target_feature(enable = $features)]
        pub(crate) fn layer_norm(x: &mut [f32], norm: &crate::linear::LayerNorm) {
            // SAFETY: this function is compiled for, and therefore only called with, the token's instruction set.
            let token = unsafe { $token::new_unchecked() };
            crate::simd::layer_norm(token.vectors(), x, norm);
        }

        #[target_feature(enable = $features)]
        pub(crate) fn layer_norm_quantize(
            x: &mut [f32],
            norm: &crate::linear::LayerNorm,
            quantization: crate::linear::Quantization,
            out: crate::linear::ActivationsMut,
        ) {
            // SAFETY: this function is compiled for, and therefore only called with, the token's instruction set.
            let token = unsafe { $token::new_unchecked() };
            crate::simd::layer_norm_quantize(token.vectors(), LAYOUT, x, norm, quantization, out);
        }

        #[target_feature(enable = $features)]
        pub(crate) fn quantize(
            x: &[f32],
            k: usize,
            quantization: crate::linear::Quantization,
            out: crate::linear::ActivationsMut,
        ) {
            // SAFETY: this function is compiled for, and therefore only called with, the token's instruction set.
            let token = unsafe { $token::new_unchecked() };
            crate::simd::quantize(token.vectors(), LAYOUT, x, k, quantization, out);
        }

        #[target_feature(enable = $features)]
        pub(crate) fn embed(row: &crate::embedding::Embedding, out: &mut [f32]) {
            // SAFETY: this function is compiled for, and therefore only called with, the token's instruction set.
            let token = unsafe { $token::new_unchecked() };
            crate::simd::embed(token.vectors(), row, out);
        }
    };

    ($token:ident, $features:literal, products $(, $option:ident: $type:ty)?) => {
        #[target_feature(enable = $features)]
        pub(crate) fn linear(
            $($option: $type,)?
            a: &crate::linear::Activations,
            w: &crate::linear::Linear,
            epilogue: crate::linear::Epilogue,
            decoded: &mut [i8],
        ) {
            // SAFETY: this function is compiled for, and therefore only called with, the token's instruction set.
            let token = unsafe { $token::new_unchecked($($option)?) };
            crate::simd::linear(token, a, w, epilogue, decoded);
        }

        /// Is compiled once for all epilogues.
        #[inline(never)]
        #[target_feature(enable = $features)]
        fn decode($($option: $type,)? stored: tinybert_layout::PanelWeights, width: usize, out: &mut [i8]) {
            // SAFETY: this function is compiled for, and therefore only called with, the token's instruction set.
            let token = unsafe { $token::new_unchecked($($option)?) };
            crate::simd::decode(token, stored, width, out);
        }

        #[target_feature(enable = $features)]
        fn tiles<K: crate::simd::LinearSink<$token>>(
            $($option: $type,)?
            a: &crate::linear::Activations,
            w: &crate::linear::Linear,
            rows: core::ops::Range<usize>,
            decoded: &mut [i8],
            sink: K,
        ) {
            // SAFETY: this function is compiled for, and therefore only called with, the token's instruction set.
            let token = unsafe { $token::new_unchecked($($option)?) };
            crate::simd::tiles(token, a, w, rows, decoded, sink);
        }

        #[target_feature(enable = $features)]
        pub(crate) fn attention(
            $($option: $type,)?
            operands: &crate::attention::AttentionOperands,
            context: crate::attention::ContextOutput,
            scratch: crate::scratch::Scratch,
        ) {
            // SAFETY: this function is compiled for, and therefore only called with, the token's instruction set.
            let token = unsafe { $token::new_unchecked($($option)?) };
            crate::simd::attention(token, operands, context, scratch);
        }
    };
}

/// Implements [`MicroKernel`](crate::simd::MicroKernel) for the token `$token` by the functions `tile` and
/// `edge` of the module `$kernel`, which has its `MR`.
macro_rules! micro_kernel {
    ($token:ty, $kernel:ident, $vectors:literal, $panel:expr, $layout:expr) => {
        impl crate::simd::MicroKernel for $token {
            const MR: usize = $kernel::MR;
            const VECTORS: usize = $vectors;
            const PANEL: crate::Panel = $panel;
            const LAYOUT: crate::activation_layout::ActivationLayout = $layout;

            #[inline(always)]
            unsafe fn tile(
                self,
                operands: crate::simd::Operands<Self>,
                init: [Self::I; crate::simd::VECTORS_MAX],
            ) -> crate::simd::Tile<Self::I> {
                // SAFETY: the token proves the instruction set; whole operands are asked of the caller.
                unsafe { $kernel::tile(operands, init) }
            }

            #[inline(always)]
            fn edge(
                self,
                operands: crate::simd::Operands<Self>,
                init: [Self::I; crate::simd::VECTORS_MAX],
                tile: &mut crate::simd::Tile<Self::I>,
            ) {
                // SAFETY: the token proves the instruction set.
                unsafe { $kernel::edge(operands, init, tile) }
            }

            #[inline(always)]
            fn decode(self, stored: tinybert_layout::PanelWeights, width: usize, out: &mut [i8]) {
                // SAFETY: the token proves the instruction set.
                unsafe { decode(stored, width, out) }
            }

            #[inline(never)]
            fn tiles<K: crate::simd::LinearSink<Self>>(
                self,
                a: &crate::linear::Activations,
                w: &crate::linear::Linear,
                rows: core::ops::Range<usize>,
                decoded: &mut [i8],
                sink: K,
            ) {
                // SAFETY: likewise.
                unsafe { tiles(a, w, rows, decoded, sink) }
            }
        }
    };
}

pub(crate) use {entry_points, micro_kernel};
