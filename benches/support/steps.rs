//! Training steps at the sizes of a real student (TinyBERT-4L-312) and teacher (all-MiniLM-L6-v2), with fresh
//! weights.

use std::sync::Arc;

use serde_json::json;
use tinybert_base::{Error, Result};
use tinybert_data::Batch;
use tinybert_distill::alignment::Alignment;
use tinybert_distill::layer_map::LayerMap;
use tinybert_distill::losses::answer_loss;
use tinybert_distill::teacher::TeacherStates;
use tinybert_distill::transfer::{Transfer, TransferSettings};
use tinybert_model::plan::{ModelPlan, WeightEncoding};
use tinybert_model::{BertConfig, Head, preset};
use tinybert_nn::{Bert, Mode, Parameters, TaskModel, init_parameters};
use tinybert_train::optimizer::{Optimizer, OptimizerSettings};
use tinybert_train::session::MicroBatch;

/// Sequences of these lengths, padded to the longest.
fn batch(lengths: Vec<usize>) -> Batch {
    let tokens = lengths.iter().copied().max().unwrap_or(0);
    let mut ids = vec![0; lengths.len() * tokens];
    for (row, (ids, &length)) in ids.chunks_exact_mut(tokens).zip(&lengths).enumerate() {
        for (column, id) in ids[..length].iter_mut().enumerate() {
            *id = ((row * tokens + column) as u32).wrapping_mul(2_654_435_761) % 30_522;
        }
    }
    Batch {
        type_ids: vec![0; ids.len()],
        ids,
        samples: (0..lengths.len()).collect(),
        lengths,
        tokens,
        words: None,
    }
}

/// Batches of the general stage by name. A measurement steps through them in turn.
pub fn general_batches() -> Vec<(&'static str, Vec<Batch>)> {
    // Bucketing by length gives such batches: the shortest sequence is three quarters as long as the longest one.
    let bucket = |longest: usize| batch((0..32).map(|i| longest - longest * i / 124).collect());
    vec![
        ("32 x 64", vec![batch(vec![64; 32])]),
        ("32 x 8 to 64, bucketed", (1..=8).map(|i| bucket(8 * i)).collect()),
        ("32 x 128", vec![batch(vec![128; 32])]),
    ]
}

/// Sentences of a voice assistant: 390 tokens in 32 of them.
pub fn assistant_batches() -> Vec<(&'static str, Vec<Batch>)> {
    vec![("32 x 8 to 16", vec![batch((0..32).map(|i| 8 + (i * 9 + 4) / 32).collect())])]
}

/// The sizes of all-MiniLM-L6-v2.
fn teacher_config() -> BertConfig {
    BertConfig { num_hidden_layers: 6, hidden_size: 384, intermediate_size: 1536, ..student_config() }
}

/// The sizes of TinyBERT-4L-312.
fn student_config() -> BertConfig {
    preset("tinybert-4l-312").expect("a preset of this name")
}

/// The teacher, frozen.
pub fn teacher() -> Result<Bert> {
    Bert::frozen(&teacher_config(), &init_parameters(&teacher_config(), &Head::None, 1)?)
}

/// A trainable student and its parameters.
pub fn student() -> Result<(Parameters, Bert)> {
    let parameters = Parameters::new(&init_parameters(&student_config(), &Head::None, 1)?)?;
    let bert = Bert::trainable(&student_config(), &parameters)?;
    Ok((parameters, bert))
}

/// The intermediate stage: forward passes of teacher and student, all losses, backward pass, AdamW over every
/// parameter.
pub fn distillation_step() -> Result<impl FnMut(&Batch, u64) -> Result<()>> {
    let layer_map = LayerMap::Explicit(vec![1, 3, 5, 6]);
    let settings = TransferSettings { layer_map, ..TransferSettings::default() };
    let transfer = Transfer::new(&settings, &student_config(), &teacher_config(), 1)?;
    let (teacher, (parameters, student)) = (teacher()?, student()?);
    let mut vars = transfer.projections();
    vars.extend(parameters.iter().map(|(name, var)| (name.to_owned(), var.clone())));
    let mut optimizer = Optimizer::new(OptimizerSettings::adamw(), vars)?;
    Ok(move |batch: &Batch, step| {
        let mode = Mode::Train { seed: 1, step };
        let taught = TeacherStates::Computed { bert: &teacher, wanted: transfer.wanted() }.of_batch(batch)?;
        let micro = MicroBatch { batch, mode, step: std::slice::from_ref(batch) };
        let losses = transfer.losses(&student.forward(batch, mode)?, &taught, &micro, &Alignment::Pieces)?;
        let gradients = losses.tape.backward(&losses.total)?;
        optimizer.step(&gradients, 5e-5).map(drop)
    })
}

/// The prediction stage of a student: forward pass, loss against known answers, backward pass, AdamW over every
/// parameter. With an encoding, the student computes as the image of these weights does.
pub fn prediction_step(encoding: Option<WeightEncoding>) -> Result<impl FnMut(&Batch, u64) -> Result<()>> {
    let head = Head::Classification { labels: (0..7).map(|i| i.to_string()).collect() };
    let parameters = Parameters::new(&init_parameters(&student_config(), &head, 1)?)?;
    let mut student = TaskModel::trainable(&student_config(), &head, &parameters)?;
    if let Some(encoding) = encoding {
        student = student.quantized(Arc::new(plan(encoding)?));
    }
    let vars = parameters.iter().map(|(name, var)| (name.to_owned(), var.clone())).collect();
    let mut optimizer = Optimizer::new(OptimizerSettings::adamw(), vars)?;
    Ok(move |batch: &Batch, step| {
        let (output, logits) = student.forward(batch, Mode::Train { seed: 1, step })?;
        let taught = logits.zeros_like()?;
        let loss = answer_loss(&head, &logits, &taught, 1.0, None)?;
        optimizer.step(&output.tape.backward(&loss)?, 1e-5).map(drop)
    })
}

/// A plan with scales of about the size that the activations of fresh weights have. The scales do not change
/// the time.
fn plan(encoding: WeightEncoding) -> Result<ModelPlan> {
    let BertConfig { hidden_size: hidden, intermediate_size: ffn, .. } = student_config();
    let input =
        json!({ "fixed": { "scale": 0.02, "zero_point": 0 }, "static_error": 0, "per_token_error": 0 });
    let importance = match encoding {
        WeightEncoding::Int4 => [hidden, hidden, hidden, ffn].map(|inputs| vec![1.0; inputs]),
        _ => Default::default(),
    };
    let layer = json!({
        "qkv_scales": [0.02, 0.02, 0.02],
        "choices": [input, input, input, input],
        "encodings": [encoding, encoding, encoding, encoding],
        "importance": importance,
        "attention": { "mode": "int8", "int8_error": 0 },
        "seen": { "inputs": [[0, 0], [0, 0], [0, 0], [0, 0]], "query": 0, "key": 0, "value": 0 },
    });
    let layers = vec![layer; student_config().num_hidden_layers];
    let plan = json!({ "examples": 1, "embeddings": encoding, "layers": layers });
    serde_json::from_value(plan).map_err(|error| Error::Input(error.to_string()))
}

/// Fine-tuning of the teacher: forward and backward pass, without the optimizer.
pub fn fine_tuning_step() -> Result<impl FnMut(&Batch, u64) -> Result<()>> {
    let head = Head::Classification { labels: (0..7).map(|i| i.to_string()).collect() };
    let parameters = Parameters::new(&init_parameters(&teacher_config(), &head, 1)?)?;
    let model = TaskModel::trainable(&teacher_config(), &head, &parameters)?;
    Ok(move |batch: &Batch, step| {
        let (output, logits) = model.forward(batch, Mode::Train { seed: 1, step })?;
        output.tape.backward(&logits.sqr()?.mean_all()?).map(drop)
    })
}
