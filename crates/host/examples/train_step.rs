//! Tokens per second of the training steps that distillation is made of.
//!
//! `cargo run --release -p tinybert-host --example train_step` (`RAYON_NUM_THREADS` sets the threads).

use std::time::{Duration, Instant};

use candle_core::Tensor;
use tinybert_host::Result;
use tinybert_host::checkpoint::{BertConfig, Head};
use tinybert_host::data::Batch;
use tinybert_host::nn::{Bert, Mode, Parameters, TaskModel, init_parameters};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn config(layers: usize, hidden: usize, intermediate: usize) -> BertConfig {
    BertConfig {
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
    }
}

/// Median time of a step, after two to warm up, over at least five steps and two seconds.
fn median(mut step: impl FnMut(u64) -> Result<()>) -> Result<Duration> {
    let mut times = Vec::new();
    let start = Instant::now();
    for i in 0.. {
        let begin = Instant::now();
        step(i)?;
        if i >= 2 {
            times.push(begin.elapsed());
        }
        if times.len() >= 5 && start.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    times.sort();
    Ok(times[times.len() / 2])
}

fn report(what: &str, batch: &Batch, time: Duration) {
    let rate = batch.ids.len() as f64 / time.as_secs_f64();
    println!(
        "{what:<34} {:>3} x {:<3} {:>8.1} ms {rate:>8.0} tokens/s",
        batch.lengths.len(),
        batch.tokens,
        time.as_secs_f64() * 1e3
    );
}

fn mean_square(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Ok((a - b)?.sqr()?.mean_all()?)
}

fn main() -> Result<()> {
    let teacher_config = config(6, 384, 1536);
    let student_config = config(4, 312, 1200);
    let head = Head::Classification { labels: (0..7).map(|i| i.to_string()).collect() };
    let teacher_tensors = init_parameters(&teacher_config, &head, 1)?;
    let teacher = Bert::frozen(&teacher_config, &teacher_tensors)?;
    for (size, tokens) in [(32, 16), (64, 32), (32, 128)] {
        let batch = batch(size, tokens);

        let parameters = Parameters::new(&teacher_tensors)?;
        let model = TaskModel::trainable(&teacher_config, &head, &parameters)?;
        let time = median(|step| {
            let (_, logits) = model.forward(&batch, Mode::Train { seed: 1, step })?;
            logits.sqr()?.mean_all()?.backward()?;
            Ok(())
        })?;
        report("fine-tune MiniLM-L6", &batch, time);

        let time = median(|_| teacher.forward(&batch, Mode::Eval).map(drop))?;
        report("forward MiniLM-L6", &batch, time);

        let parameters = Parameters::new(&init_parameters(&student_config, &Head::None, 1)?)?;
        let student = Bert::trainable(&student_config, &parameters)?;
        let time = median(|step| student.forward(&batch, Mode::Train { seed: 1, step }).map(drop))?;
        report("forward TinyBERT-4L-312", &batch, time);
        let projection = candle_core::Var::from_tensor(&Tensor::zeros(
            (312, 384),
            candle_core::DType::F32,
            &candle_core::Device::Cpu,
        )?)?;
        let time = median(|step| {
            let seen = teacher.forward(&batch, Mode::Eval)?;
            let own = student.forward(&batch, Mode::Train { seed: 1, step })?;
            let mut loss = Tensor::zeros((), candle_core::DType::F32, &candle_core::Device::Cpu)?;
            for (m, from) in [0, 1, 3, 5, 6].into_iter().enumerate() {
                let rows = own.states[m].reshape((size * tokens, 312))?.matmul(&projection)?;
                loss = (loss + mean_square(&rows, &seen.states[from].reshape((size * tokens, 384))?)?)?;
            }
            for (m, from) in [0, 2, 4, 5].into_iter().enumerate() {
                loss = (loss + mean_square(&own.scores[m], &seen.scores[from])?)?;
            }
            loss.backward()?;
            Ok(())
        })?;
        report("distil MiniLM-L6 to TinyBERT", &batch, time);
    }
    Ok(())
}
