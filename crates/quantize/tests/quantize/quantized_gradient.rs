//! Gradients of the fake-quantized student against those that candle's graph gives of the same network
//! written with its operations, where each rounding adds a constant.

use std::sync::Arc;

use candle_core::{D, Device, Tensor};
use candle_nn::ops::softmax;

use tinybert_base::Context;
use tinybert_data::{Batch, collate};
use tinybert_model::plan::{
    AttentionPrecision, InputChoice, LayerEncodings, ModelPlan, Precision, WeightEncoding, quantize_channel,
};
use tinybert_model::{Head, LayerLinear};
use tinybert_nn::{Mode, Parameters, TaskModel};
use tinybert_quantize::{calibrate, calibration_inputs};
use tinybert_runtime::kernels::math;
use tinybert_testing::toy;

fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// The values of `value` with the gradient of `x`: x plus a constant.
fn rounded(x: &Tensor, value: Vec<f32>) -> Tensor {
    let value = Tensor::from_vec(value, x.shape(), &Device::Cpu).unwrap();
    (x + (value - x).unwrap().detach()).unwrap()
}

/// Rounds rows to int8 with one scale, or with each row's own scale (`None`). A value outside the range is a constant.
fn int8(x: &Tensor, fixed: Option<(f32, i8)>) -> Tensor {
    let columns = x.dim(D::Minus1).unwrap();
    let (mut values, mut passes) = (flat(x), Vec::new());
    for row in values.chunks_exact_mut(columns) {
        let largest = row.iter().fold(0f32, |m, x| m.max(x.abs()));
        let (scale, zero) = fixed.unwrap_or((largest / 127.0, 0));
        for x in row {
            let steps = *x / scale + f32::from(zero);
            passes.push(if fixed.is_none() || steps.abs() <= 127.0 { 1f32 } else { 0.0 });
            *x = (steps.clamp(-127.0, 127.0).round_ties_even() - f32::from(zero)) * scale;
        }
    }
    let passes = Tensor::from_vec(passes, x.shape(), &Device::Cpu).unwrap();
    rounded(&(x * passes).unwrap(), values)
}

struct Oracle<'a> {
    parameters: &'a Parameters,
    plan: &'a ModelPlan,
}

impl Oracle<'_> {
    fn get(&self, name: &str) -> Tensor {
        self.parameters.get(name).unwrap().as_tensor().clone()
    }

    fn weight(&self, name: &str, encoding: WeightEncoding, importance: Option<&[f32]>) -> Tensor {
        let weight = self.get(&format!("{name}.weight"));
        let columns = weight.dim(1).unwrap();
        let mut values = flat(&weight);
        for row in values.chunks_exact_mut(columns) {
            let mut q = vec![0i8; columns];
            let scale = quantize_channel(row, encoding, importance, &mut q);
            row.iter_mut().zip(q).for_each(|(w, q)| *w = f32::from(q) * scale);
        }
        rounded(&weight, values)
    }

    fn linear(&self, name: &str, x: &Tensor, at: Option<(usize, LayerLinear)>) -> Tensor {
        let (choice, encoding, importance) = match at {
            Some((layer, linear)) => {
                let layer = &self.plan.layers[layer];
                (Some(layer.choices[linear]), layer.encodings[linear], layer.importance_of(linear))
            }
            None => (None, WeightEncoding::Int8, None),
        };
        let fixed = choice.and_then(|choice: InputChoice| choice.fixed).map(|f| (f.scale, f.zero_point));
        let weight = self.weight(name, encoding, importance);
        let product = int8(x, fixed).matmul(&weight.t().unwrap()).unwrap();
        product.broadcast_add(&self.get(&format!("{name}.bias"))).unwrap()
    }

    fn norm(&self, name: &str, x: &Tensor) -> Tensor {
        let centred = x.broadcast_sub(&x.mean_keepdim(1).unwrap()).unwrap();
        let variance = centred.sqr().unwrap().mean_keepdim(1).unwrap();
        let normal = centred.broadcast_div(&(variance + 1e-12).unwrap().sqrt().unwrap()).unwrap();
        let scaled = normal.broadcast_mul(&self.get(&format!("{name}.weight"))).unwrap();
        scaled.broadcast_add(&self.get(&format!("{name}.bias"))).unwrap()
    }

    /// A row of a table in int8 (or four bits) with a scale in bf16.
    fn row(&self, table: &str, row: u32, encoding: Option<WeightEncoding>) -> Tensor {
        let table = self.get(&format!("bert.embeddings.{table}.weight"));
        let row = table.index_select(&Tensor::new(&[row], &Device::Cpu).unwrap(), 0).unwrap();
        let Some(encoding) = encoding else { return row };
        let float = flat(&row);
        let mut q = vec![0i8; float.len()];
        let scale = half::bf16::from_f32(quantize_channel(&float, encoding, None, &mut q)).to_f32();
        let int8 = float.iter().map(|x| (x / scale).clamp(-127.0, 127.0).round_ties_even() * scale);
        rounded(&row, int8.collect())
    }

    /// Attention of one head: the device's context, the gradient of f32.
    fn head(&self, [q, k, v]: [&Tensor; 3], scales: [f32; 3]) -> Tensor {
        let d = q.dim(1).unwrap();
        let scores = (q.matmul(&k.t().unwrap()).unwrap() * (1.0 / (d as f64).sqrt())).unwrap();
        let exact = softmax(&scores, D::Minus1).unwrap().matmul(v).unwrap();
        let steps = |x: &Tensor, scale: f32| -> Vec<Vec<f32>> {
            x.to_vec2()
                .unwrap()
                .into_iter()
                .map(|r: Vec<f32>| r.iter().map(|x| (x / scale).round()).collect())
                .collect()
        };
        let (qs, ks, vs) = (steps(q, scales[0]), steps(k, scales[1]), steps(v, scales[2]));
        let coefficient = scales[0] * scales[1] * std::f32::consts::LOG2_E / (d as f32).sqrt();
        let mut values = Vec::new();
        for q in &qs {
            let s: Vec<f32> = ks.iter().map(|k| q.iter().zip(k).map(|(q, k)| q * k).sum()).collect();
            let largest = s.iter().fold(f32::NEG_INFINITY, |m, &s| m.max(s));
            let p: Vec<f32> =
                s.iter().map(|s| f32::from(math::probability((s - largest) * coefficient))).collect();
            let total: f32 = p.iter().sum();
            for c in 0..d {
                let sum: f32 = p.iter().zip(&vs).map(|(p, v)| p * v[c]).sum();
                values.push(sum / total * scales[2]);
            }
        }
        rounded(&exact, values)
    }

    /// States of one sentence, then its logits.
    fn logits(&self, ids: &[u32], heads: usize) -> Tensor {
        let rows: Vec<Tensor> = (0u32..)
            .zip(ids)
            .map(|(position, &id)| {
                let word = self.row("word_embeddings", id, Some(self.plan.embeddings));
                let position = self.row("position_embeddings", position, Some(WeightEncoding::Int8));
                ((word + position).unwrap() + self.row("token_type_embeddings", 0, None)).unwrap()
            })
            .collect();
        let mut x = self.norm("bert.embeddings.LayerNorm", &Tensor::cat(&rows, 0).unwrap());
        for (index, layer) in self.plan.layers.iter().enumerate() {
            let name = |part: &str| format!("bert.encoder.layer.{index}.{part}");
            let scales = <[f32; 3]>::from(layer.qkv_scales);
            let parts = ["query", "key", "value"].map(|part| {
                self.linear(&name(&format!("attention.self.{part}")), &x, Some((index, LayerLinear::Qkv)))
            });
            let parts = [0, 1, 2].map(|i| int8(&parts[i], Some((scales[i], 0))));
            let d = parts[0].dim(1).unwrap() / heads;
            let context: Vec<Tensor> = (0..heads)
                .map(|h| {
                    let [q, k, v] =
                        [0, 1, 2].map(|i| parts[i].narrow(1, h * d, d).unwrap().contiguous().unwrap());
                    self.head([&q, &k, &v], scales)
                })
                .collect();
            let context = Tensor::cat(&context, 1).unwrap();
            let output = self.linear(
                &name("attention.output.dense"),
                &context,
                Some((index, LayerLinear::AttentionOutput)),
            );
            let middle = self.norm(&name("attention.output.LayerNorm"), &(output + &x).unwrap());
            let wide = self.linear(&name("intermediate.dense"), &middle, Some((index, LayerLinear::Up)));
            let exact = wide.gelu_erf().unwrap();
            let active = rounded(&exact, flat(&wide).into_iter().map(math::gelu).collect());
            let down = self.linear(&name("output.dense"), &active, Some((index, LayerLinear::Down)));
            x = self.norm(&name("output.LayerNorm"), &(down + &middle).unwrap());
        }
        let first = x.narrow(0, 0, 1).unwrap();
        let pooled = self.linear("bert.pooler.dense", &first, None).tanh().unwrap();
        self.linear("classifier", &pooled, None)
    }
}

/// A scalar that weighs every logit differently.
fn loss(logits: &Tensor) -> Tensor {
    let weights: Vec<f32> = (0..logits.elem_count()).map(|i| (0.7 + 1.3 * i as f32).sin()).collect();
    let weights = Tensor::from_vec(weights, logits.shape(), &Device::Cpu).unwrap();
    ((logits.sqr().unwrap() + logits).unwrap() * weights).unwrap().sum_all().unwrap()
}

fn gradients_are_straight_through(encoding: WeightEncoding) {
    let place = tempfile::tempdir().unwrap();
    let config = tinybert_model::BertConfig { initializer_range: 0.3, ..toy::config(2, 36) };
    let checkpoint = toy::model(place.path(), &config, &Head::Classification { labels: toy::labels() });
    let inputs = calibration_inputs(&checkpoint.text, &toy::sentences(30, 1), 30, 16).unwrap();
    let precision = Precision { weights: LayerEncodings::Alike(encoding), embeddings: WeightEncoding::Int8 };
    let mut plan =
        calibrate(&checkpoint, &inputs, AttentionPrecision::Int8, &precision, &Context::default()).unwrap();
    // Scales so small that some values of every kind are out of range.
    for layer in &mut plan.layers {
        layer.qkv_scales = layer.qkv_scales.map(|scale| 0.6 * scale);
        for ((_, choice), keep) in layer.choices.iter_mut().zip([0.7, 0.6, 0.7, 0.5]) {
            let fixed = choice.fixed.as_mut().expect("static inputs");
            fixed.scale *= keep;
        }
    }
    // One input per token.
    plan.layers[1].choices.up.fixed = None;

    let parameters = Parameters::new(&checkpoint.tensors).unwrap();
    let plan = Arc::new(plan);
    let model = TaskModel::trainable(&config, &checkpoint.head, &parameters).unwrap().quantized(plan.clone());
    // The samples have different lengths, so that the shorter one is padded.
    let mut samples: Vec<usize> = (0..inputs.len()).collect();
    samples.sort_by_key(|&sample| inputs[sample].ids.len());
    let samples = [samples[0], samples[15], samples[29]];
    let batch: Batch = collate(&inputs, &samples, 0);
    assert!(batch.lengths.iter().any(|&length| length < batch.tokens));
    let (output, logits) = model.forward(&batch, Mode::Train { seed: 3, step: 4 }).unwrap();
    let found = output.tape.backward(&loss(&logits)).unwrap();

    let oracle = Oracle { parameters: &parameters, plan: &plan };
    let rows = samples.map(|sample| oracle.logits(&inputs[sample].ids, config.num_attention_heads));
    let expected_logits = Tensor::cat(&rows, 0).unwrap();
    for (found, expected) in flat(&logits).into_iter().zip(flat(&expected_logits)) {
        assert!((found - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{found}, not {expected}");
    }
    let expected = loss(&expected_logits).backward().unwrap();
    for (name, var) in parameters.iter() {
        let of = |grads: &candle_core::backprop::GradStore| flat(grads.get(var).expect(name));
        let (found, expected) = (of(&found), of(&expected));
        let norm = expected.iter().map(|x| x * x).sum::<f32>().sqrt();
        let distance = found.iter().zip(&expected).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
        // The keys' bias changes no probability: its gradient is 0 but for rounding.
        assert!(distance <= 2e-4 * norm + 1e-4, "{name}: {distance} of {norm}");
        assert!(norm > 1e-3 || name.ends_with("key.bias"), "{name}: the gradient says nothing");
    }
}

#[test]
fn gradients_in_int8_are_straight_through() {
    gradients_are_straight_through(WeightEncoding::Int8);
}

#[test]
fn gradients_in_four_bits_are_straight_through() {
    gradients_are_straight_through(WeightEncoding::Int4);
}
