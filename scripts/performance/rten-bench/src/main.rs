//! `rten-bench MODEL.onnx --seq 16,32 --threads 1 --min-time 0.6`: times a BERT classifier with weights packed ahead,
//! and prints a JSON object per length with `seq`, `median_ms` and `min_ms`.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rten::{Model, ModelOptions, RunOptions, ThreadPool};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, options @ ..] = &arguments[..] else {
        return Err("usage: rten-bench MODEL.onnx --seq LIST --threads N --min-time SECONDS".into());
    };
    let option = |name: &str| {
        let place = options.iter().position(|option| option == name);
        place.and_then(|place| options.get(place + 1)).ok_or(format!("{name} is missing"))
    };
    let threads = option("--threads")?.parse()?;
    let min_time = Duration::from_secs_f64(option("--min-time")?.parse()?);

    let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(path)?;
    let pool = Arc::new(ThreadPool::with_num_threads(threads));
    let run = RunOptions::default().with_thread_pool(Some(pool));
    for seq in option("--seq")?.split(',') {
        let seq = seq.parse()?;
        let times = time(&model, &run, seq, min_time)?;
        let (median, min) = (times[times.len() / 2], times[0]);
        println!("{{\"seq\": {seq}, \"median_ms\": {median:.4}, \"min_ms\": {min:.4}}}");
    }
    Ok(())
}

/// Milliseconds of each answer to an input of `seq` tokens, sorted, after a quarter of the time as warm-up.
fn time(model: &Model, run: &RunOptions, seq: usize, min_time: Duration) -> Result<Vec<f64>, Box<dyn Error>> {
    // bench_onnxruntime.py has the same ids.
    let mut ids: Vec<i32> = (0..seq as i32).map(|i| 1000 + i * 7919 % 28_000).collect();
    (ids[0], ids[seq - 1]) = (101, 102);
    let ids = NdTensor::from_data([1, seq], ids);
    let mask = NdTensor::<i32, 2>::full([1, seq], 1);
    let types = NdTensor::<i32, 2>::zeros([1, seq]);
    let node = |name| model.node_id(name);
    let nodes = [node("input_ids")?, node("attention_mask")?, node("token_type_ids")?];
    let outputs = model.output_ids();
    let answer = || {
        let inputs = nodes.into_iter().zip([ids.view().into(), mask.view().into(), types.view().into()]);
        model.run(inputs.collect(), outputs, Some(run.clone())).map(std::hint::black_box)
    };

    let start = Instant::now();
    while start.elapsed() < min_time / 4 {
        answer()?;
    }
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < min_time || times.len() < 5 {
        let begin = Instant::now();
        answer()?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}
