//! Whether a layer's attention may be int8: its context, computed both ways from the same queries, keys and
//! values.

use super::calibration::CalibrationSamples;
use tinybert_base::{Error, Result};
use tinybert_image::AttentionMode;
use tinybert_kernels::{AttentionShape, ContextOutput, Kernels, ShapeMismatch, math};
use tinybert_model::PerProjection;
use tinybert_model::plan::{AttentionChoice, AttentionPrecision, attention_coefficient};
use tinybert_nn::Site;

/// int8 attention is taken as long as the mean squared error of its context is no more than this share of the
/// mean square: what a static scale may err, too (27 dB). Students of four layers on SST-2 and SNIPS stay
/// below a quarter of it.
const INT8_GOOD: f64 = 2e-3;

/// The attention heads of a layer.
#[derive(Clone, Copy)]
pub struct HeadSizes {
    /// Number of heads.
    pub heads: usize,
    /// Width of each head.
    pub head_dim: usize,
}

/// Chooses how `layer` (from 0) computes its attention. `scales` are the int8 scales that its queries, keys
/// and values would have.
///
/// # Errors
/// Calibration kept no sentences, or sizes that the kernels do not take.
pub fn choose_attention(
    attention: AttentionPrecision,
    layer: usize,
    heads: HeadSizes,
    scales: PerProjection<f32>,
    calibration: &CalibrationSamples,
) -> Result<AttentionChoice> {
    let site = |site: Site| calibration.sentences(site);
    let [queries, keys, values] =
        [site(Site::Query(layer))?, site(Site::Key(layer))?, site(Site::Value(layer))?];
    let sentences = queries.iter().zip(keys).zip(values).map(|((q, k), v)| [q.as_slice(), k, v]);
    let int8_error = int8_error(heads, scales, sentences)
        .map_err(|_| Error::Usage("the model is larger than the device code can address".into()))?;
    let mode = match attention {
        AttentionPrecision::Auto if int8_error > INT8_GOOD => AttentionMode::F32,
        AttentionPrecision::Auto | AttentionPrecision::Int8 => AttentionMode::Int8,
        AttentionPrecision::F32 => AttentionMode::F32,
    };
    Ok(AttentionChoice { mode, int8_error })
}

/// [`AttentionChoice::int8_error`] over sentences, each queries, keys and values `[tokens, heads · head_dim]`.
fn int8_error<'a>(
    HeadSizes { heads, head_dim }: HeadSizes,
    scales: PerProjection<f32>,
    sentences: impl Iterator<Item = [&'a [f32]; 3]>,
) -> std::result::Result<f64, ShapeMismatch> {
    let kernels = Kernels::detect();
    let width = heads * head_dim;
    let in_order = <[f32; 3]>::from(scales);
    let (mut error, mut power) = (0f64, 0f64);
    for sentence in sentences {
        let tokens = sentence[0].len() / width;
        let rows = |token: usize| sentence.map(|part| &part[token * width..][..width]);
        let floats: Vec<f32> = (0..tokens).flat_map(|token| rows(token).concat()).collect();
        let scale_of = |column: usize| in_order[column % (3 * width) / width];
        let bytes: Vec<i8> =
            floats.iter().enumerate().map(|(i, &x)| math::quantize(x / scale_of(i), 1.0, 0)).collect();

        let shape = AttentionShape::all(tokens, heads, head_dim, 3 * width);
        let (mut exact, mut rounded) = (vec![0.0; tokens * width], vec![0.0; tokens * width]);
        let mut scratch = vec![0; shape.scratch_bytes_f32().ok_or(ShapeMismatch)?];
        let context = ContextOutput::F32 { out: &mut exact, scale: 1.0 };
        kernels.attention_f32(
            &floats,
            shape,
            attention_coefficient(1.0, 1.0, head_dim),
            context,
            &mut scratch,
        )?;
        scratch.resize(shape.scratch_bytes().ok_or(ShapeMismatch)?, 0);
        let context = ContextOutput::F32 { out: &mut rounded, scale: scales.value };
        kernels.attention(
            &bytes,
            shape,
            attention_coefficient(scales.query, scales.key, head_dim),
            context,
            &mut scratch,
        )?;
        for (&exact, &rounded) in exact.iter().zip(&rounded) {
            error += f64::from(exact - rounded).powi(2);
            power += f64::from(exact).powi(2);
        }
    }
    Ok(if power > 0.0 { error / power } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::RowSample;
    use crate::search::{Symmetry, static_scale};

    const TOKENS: usize = 20;
    const SIZE: HeadSizes = HeadSizes { heads: 2, head_dim: 8 };
    const WIDTH: usize = SIZE.heads * SIZE.head_dim;

    /// Values within ±`largest`, without a pattern.
    fn part(seed: usize, largest: f32) -> Vec<f32> {
        let value = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0;
        (0..TOKENS * WIDTH).map(|i| value(i) * largest).collect()
    }

    /// The error at the scales that calibration would choose.
    fn error(parts: &[Vec<f32>; 3]) -> f64 {
        let scales = [0, 1, 2].map(|i| {
            let mut sample = RowSample::new(WIDTH);
            parts[i].chunks_exact(WIDTH).for_each(|row| sample.push(row));
            static_scale(&sample, Symmetry::Symmetric).0.scale
        });
        int8_error(SIZE, scales.into(), [[parts[0].as_slice(), &parts[1], &parts[2]]].into_iter()).unwrap()
    }

    #[test]
    fn even_values_are_good_in_int8() {
        let error = error(&[part(1, 2.0), part(2, 2.0), part(3, 1.0)]);
        assert!(error > 0.0 && error < INT8_GOOD, "{error}");
    }

    #[test]
    fn a_channel_far_larger_than_the_others_costs_accuracy() {
        // Keys all have the same value in that channel, so that it changes no probability; but its scale
        // leaves the other channels a few steps.
        let (queries, mut keys, values) = (part(1, 2.0), part(2, 2.0), part(3, 1.0));
        keys.iter_mut().step_by(SIZE.head_dim).for_each(|key| *key = 200.0);
        let error = error(&[queries, keys, values]);
        assert!(error > 2.0 * INT8_GOOD, "{error}");
    }
}
