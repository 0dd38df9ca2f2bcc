//! The whole model in plain loops, written from `docs/numerics.md` over unpacked weights. It shares with the runtime
//! only the five scalar functions whose polynomials that page names (gelu, rsqrt, tanh, exp2, probability).

use tinybert_image::{
    AttentionMode, HeadKind, ImageBuilder, InputQuantization, LayerData, LayerNormData, LinearData,
};
use tinybert_kernels::math;

type Rows = Vec<Vec<f32>>;

/// An int8 row with its scale and zero point.
struct Quantized {
    values: Vec<i32>,
    scale: f32,
    zero_point: i32,
}

/// The outputs of the head; of a token classifier `[tokens, outputs]`.
pub fn outputs(model: &ImageBuilder, ids: &[u32], type_ids: &[u8]) -> Vec<f32> {
    let eps = model.config.layer_norm_eps;
    let mut x = embed(model, ids, type_ids);
    for row in &mut x {
        layer_norm(row, &model.embeddings.norm, eps);
    }
    for layer in &model.layers {
        x = encode(layer, x, eps);
    }
    if model.config.head == HeadKind::TokenClassification {
        let logits =
            |row: &Vec<f32>| linear(&model.head.output, &quantize_row(row, InputQuantization::PerToken));
        return x.iter().flat_map(logits).collect();
    }
    if model.config.head == HeadKind::Embedding {
        let mean = |c: usize| x.iter().fold(0.0_f32, |sum, row| sum + row[c]) / x.len() as f32;
        let mean: Vec<f32> = (0..model.config.hidden).map(mean).collect();
        let y = linear(&model.head.output, &quantize_row(&mean, InputQuantization::PerToken));
        let squares: Vec<f32> = y.iter().map(|y| y * y).collect();
        return y.iter().map(|y| y / sum(&squares).sqrt().max(1e-12)).collect();
    }
    let mut first = x[0].clone();
    if let Some(pooler) = &model.head.pooler {
        first = linear(pooler, &quantize_row(&first, InputQuantization::PerToken));
        first.iter_mut().for_each(|x| *x = math::tanh(*x));
    }
    linear(&model.head.output, &quantize_row(&first, InputQuantization::PerToken))
}

fn embed(model: &ImageBuilder, ids: &[u32], type_ids: &[u8]) -> Rows {
    let h = model.config.hidden;
    let (word, position) = (&model.embeddings.word, &model.embeddings.position);
    (0..ids.len())
        .map(|token| {
            let (id, kind) = (ids[token] as usize, type_ids[token] as usize);
            (0..h)
                .map(|c| {
                    let w = f32::from(word.rows[id * h + c]) * word.scales[id].to_f32();
                    let p = f32::from(position.rows[token * h + c]) * position.scales[token].to_f32();
                    (w + p) + model.embeddings.types[kind * h + c]
                })
                .collect()
        })
        .collect()
}

fn encode(layer: &LayerData, mut x: Rows, eps: f32) -> Rows {
    let config = &layer.config;
    let qkv: Rows = x.iter().map(|row| linear(&layer.qkv, &quantize_row(row, config.qkv_input))).collect();
    let quantized: Vec<Vec<i32>> =
        qkv.iter().map(|row| row.iter().map(|y| quantize(*y, 1.0, 0.0)).collect()).collect();
    for (query, x) in x.iter_mut().enumerate() {
        let context = match config.attention {
            AttentionMode::Int8 => attention(layer, &quantized, query),
            AttentionMode::F32 => attention_f32(layer, &qkv, query),
        };
        let context = match config.attention_output_input {
            InputQuantization::PerToken => quantize_row(&context, InputQuantization::PerToken),
            InputQuantization::Static { scale, .. } => Quantized {
                values: context.iter().map(|x| quantize(*x, 1.0, 0.0)).collect(),
                scale,
                zero_point: 0,
            },
        };
        add(x, &linear(&layer.attention_output, &context));
        layer_norm(x, &layer.attention_norm, eps);
        let mut inner = linear(&layer.up, &quantize_row(x, config.up_input));
        inner.iter_mut().for_each(|y| *y = math::gelu(*y));
        add(x, &linear(&layer.down, &quantize_row(&inner, config.down_input)));
        layer_norm(x, &layer.output_norm, eps);
    }
    x
}

fn attention(layer: &LayerData, qkv: &[Vec<i32>], query: usize) -> Vec<f32> {
    let config = &layer.config;
    let width = config.heads * config.head_dim;
    let mut context = Vec::new();
    for head in 0..config.heads {
        let columns = head * config.head_dim..(head + 1) * config.head_dim;
        let score =
            |key: usize| -> i32 { columns.clone().map(|c| qkv[query][c] * qkv[key][width + c]).sum() };
        let scores: Vec<i32> = (0..qkv.len()).map(score).collect();
        let largest = scores.iter().max().unwrap();
        let p: Vec<i32> = scores
            .iter()
            .map(|s| i32::from(math::probability((s - largest) as f32 * config.attention_coefficient)))
            .collect();
        let total: i32 = p.iter().sum();
        for c in columns.clone() {
            let acc: i32 = (0..qkv.len()).map(|key| p[key] * qkv[key][2 * width + c]).sum();
            context.push(acc as f32 * ((1.0 / total as f32) * config.context_scale));
        }
    }
    context
}

fn attention_f32(layer: &LayerData, qkv: &Rows, query: usize) -> Vec<f32> {
    let config = &layer.config;
    let width = config.heads * config.head_dim;
    let mut context = Vec::new();
    for head in 0..config.heads {
        let columns = head * config.head_dim..(head + 1) * config.head_dim;
        // Left to right, one rounding per product and per sum.
        let score =
            |key: &Vec<f32>| columns.clone().fold(0.0_f32, |score, c| score + qkv[query][c] * key[width + c]);
        let scores: Vec<f32> = qkv.iter().map(score).collect();
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let p: Vec<f32> =
            scores.iter().map(|s| math::exp2((s - largest) * config.attention_coefficient)).collect();
        let factor = (1.0 / sum(&p)) * config.context_scale;
        for c in columns {
            let weighted = p.iter().zip(qkv).fold(0.0_f32, |acc, (p, row)| acc + p * row[2 * width + c]);
            context.push(weighted * factor);
        }
    }
    context
}

/// `quantize` of the page, as an integer.
fn quantize(x: f32, inv_scale: f32, zero_point: f32) -> i32 {
    let v = x * inv_scale + zero_point;
    if v > -127.0 { v.min(127.0).round_ties_even() as i32 } else { -127 }
}

fn quantize_row(row: &[f32], input: InputQuantization) -> Quantized {
    let (scale, inv_scale, zero_point) = match input {
        InputQuantization::Static { scale, zero_point } => (scale, 1.0 / scale, f32::from(zero_point)),
        InputQuantization::PerToken => {
            let amax = row.iter().fold(0.0, |amax: f32, x| amax.max(x.abs()));
            if amax < 1e-30 { (0.0, 0.0, 0.0) } else { (amax * (1.0 / 127.0), 127.0 / amax, 0.0) }
        }
    };
    let values = row.iter().map(|x| quantize(*x, inv_scale, zero_point)).collect();
    Quantized { values, scale, zero_point: zero_point as i32 }
}

fn linear(linear: &LinearData, x: &Quantized) -> Vec<f32> {
    linear
        .weights
        .chunks(linear.inputs)
        .enumerate()
        .map(|(n, weights)| {
            let terms = weights.iter().zip(&x.values).map(|(w, a)| i32::from(*w) * (a - x.zero_point));
            terms.sum::<i32>() as f32 * (x.scale * linear.scale[n]) + linear.bias[n]
        })
        .collect()
}

fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

/// The fixed order: 16 lanes, then halves.
fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for (i, value) in values.iter().enumerate() {
        lanes[i % 16] += value;
    }
    for half in [8, 4, 2, 1] {
        for j in 0..half {
            lanes[j] += lanes[j + half];
        }
    }
    lanes[0]
}

fn layer_norm(x: &mut [f32], norm: &LayerNormData, eps: f32) {
    let h = x.len() as f32;
    let mean = sum(x) / h;
    x.iter_mut().for_each(|x| *x -= mean);
    let squares: Vec<f32> = x.iter().map(|d| d * d).collect();
    let factor = math::rsqrt(sum(&squares) / h + eps);
    for (c, x) in x.iter_mut().enumerate() {
        *x = (*x * factor) * norm.gamma[c] + norm.beta[c];
    }
}
