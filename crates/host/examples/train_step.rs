//! Tokens per second of the training steps that distillation is made of.
//!
//! `cargo run --release -p tinybert-host --example train_step [-- FILTER [SECONDS]]`; `RAYON_NUM_THREADS` sets
//! the threads.

use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor, Var};
use tinybert_host::Result;
use tinybert_host::checkpoint::{Architecture, BertConfig, Head};
use tinybert_host::data::Batch;
use tinybert_host::nn::{Bert, Mode, Parameters, TaskModel, init_parameters};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn config(layers: usize, hidden: usize, intermediate: usize) -> BertConfig {
    BertConfig {
        architecture: Architecture::Bert,
        vocab_size: 30_522,
        hidden_size: hidden,
        num_hidden_layers: layers,
        num_attention_heads: 12,
        intermediate_size: intermediate,
        max_position_embeddings: 512,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        initializer_range: 0.02,
        pruned: Default::default(),
    }
}

fn batch(size: usize, tokens: usize) -> Batch {
    let ids: Vec<u32> = (0..size * tokens).map(|i| (i as u32).wrapping_mul(2_654_435_761) % 30_522).collect();
    Batch {
        type_ids: vec![0; ids.len()],
        ids,
        lengths: vec![tokens; size],
        samples: (0..size).collect(),
        tokens,
        words: None,
    }
}

/// CPU time of this process over all its threads, from `/proc` (zero elsewhere).
fn cpu_time() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // utime and stime are the 12th and 13th field after the command's closing bracket.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    TICK * fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum()
}

/// Times a step: after two to warm up, at least three steps and `--seconds`. The median tells what the step takes on
/// a quiet machine, the CPU time what it costs on a busy one.
fn report(
    settings: &Settings,
    what: &str,
    batch: &Batch,
    mut step: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let what = format!("{what:<32} {:>3} x {:<3}", batch.lengths.len(), batch.tokens);
    if !what.contains(&settings.filter) {
        return Ok(());
    }
    step(0)?;
    step(1)?;
    let (start, cpu_start) = (Instant::now(), cpu_time());
    let mut times = Vec::new();
    while times.len() < 3 || start.elapsed() < settings.time {
        let begin = Instant::now();
        step(2 + times.len() as u64)?;
        times.push(begin.elapsed());
    }
    let cpu = (cpu_time() - cpu_start) / times.len() as u32;
    times.sort();
    let median = times[times.len() / 2];
    println!(
        "{what} {:>8.1} ms (CPU {:>8.1} ms) {:>8.0} tokens/s",
        median.as_secs_f64() * 1e3,
        cpu.as_secs_f64() * 1e3,
        batch.ids.len() as f64 / median.as_secs_f64()
    );
    Ok(())
}

struct Settings {
    /// Measures only what contains this.
    filter: String,
    /// Least time for each measurement.
    time: Duration,
}

fn mean_square(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Ok((a - b)?.sqr()?.mean_all()?)
}

/// Forward passes of teacher and student, the losses over embeddings, hidden states and scores, and the backward pass.
fn distil(teacher: &Bert, student: &Bert, projection: &Var, batch: &Batch, step: u64) -> Result<()> {
    let rows = batch.ids.len();
    let (own_hidden, hidden) = projection.dims2()?;
    let seen = teacher.forward(batch, Mode::Eval)?;
    let own = student.forward(batch, Mode::Train { seed: 1, step })?;
    let mut losses = Vec::new();
    for (m, from) in [0, 1, 3, 5, 6].into_iter().enumerate() {
        let projected = own.states[m].reshape((rows, own_hidden))?.matmul(projection)?;
        losses.push(mean_square(&projected, &seen.states[from].reshape((rows, hidden))?)?);
    }
    for (m, from) in [0, 2, 4, 5].into_iter().enumerate() {
        losses.push(mean_square(&own.scores[m], &seen.scores[from])?);
    }
    own.tape.backward(&Tensor::stack(&losses, 0)?.sum_all()?)?;
    Ok(())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let filter = arguments.next().unwrap_or_default();
    let seconds = arguments.next().and_then(|s| s.parse().ok()).unwrap_or(2.0);
    let settings = Settings { filter, time: Duration::from_secs_f64(seconds) };
    let teacher_config = config(6, 384, 1536);
    let student_config = config(4, 312, 1200);
    let head = Head::Classification { labels: (0..7).map(|i| i.to_string()).collect() };
    let teacher_tensors = init_parameters(&teacher_config, &head, 1)?;
    let teacher = Bert::frozen(&teacher_config, &teacher_tensors)?;
    let student = Parameters::new(&init_parameters(&student_config, &Head::None, 1)?)?;
    let student = Bert::trainable(&student_config, &student)?;
    let projection = Var::zeros((312, 384), DType::F32, &Device::Cpu)?;
    let trained = Parameters::new(&teacher_tensors)?;
    let model = TaskModel::trainable(&teacher_config, &head, &trained)?;
    for (size, tokens) in [(32, 16), (64, 32), (32, 128)] {
        let batch = batch(size, tokens);
        report(&settings, "fine-tune MiniLM-L6", &batch, |step| {
            let (output, logits) = model.forward(&batch, Mode::Train { seed: 1, step })?;
            output.tape.backward(&logits.sqr()?.mean_all()?)?;
            Ok(())
        })?;
        report(&settings, "forward MiniLM-L6", &batch, |_| teacher.forward(&batch, Mode::Eval).map(drop))?;
        report(&settings, "forward TinyBERT-4L-312", &batch, |step| {
            student.forward(&batch, Mode::Train { seed: 1, step }).map(drop)
        })?;
        report(&settings, "distil MiniLM-L6 to TinyBERT", &batch, |step| {
            distil(&teacher, &student, &projection, &batch, step)
        })?;
    }
    Ok(())
}
