//! Tokens per second, and per CPU second, of training steps and forward passes: one JSON object a line.
//!
//! `cargo bench --bench train_step [-- FILTER [SECONDS]]` measures what contains FILTER in its name.
//! `RAYON_NUM_THREADS` sets the threads; the program itself also sets `CANDLE_NUM_THREADS=1
//! MIMALLOC_PURGE_DELAY=-1`. `scripts/performance/training.py` compares the steps with PyTorch's.
//! `distillation_step` is the same step by criterion.

#[path = "support/steps.rs"]
mod steps;

use std::time::{Duration, Instant};

use serde_json::json;
use tinybert_base::Result;
use tinybert_data::Batch;
use tinybert_model::plan::WeightEncoding;
use tinybert_nn::Mode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// CPU time of this process over all its threads, from `/proc` (zero elsewhere).
fn cpu_time() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // utime and stime are the 12th and 13th field after the command's closing bracket.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    TICK * fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum()
}

/// Times rounds of a step over all batches of each name: one round to warm up, then at least three rounds and
/// the asked time. The median says what a round takes on a quiet machine, the CPU time what a round costs on
/// a busy one.
fn report(
    settings: &Settings,
    what: &str,
    named_batches: Vec<(&'static str, Vec<Batch>)>,
    prepare: impl FnOnce() -> Result<Box<dyn FnMut(&Batch, u64) -> Result<()>>>,
) -> Result<()> {
    let named = named_batches.into_iter().map(|(name, batches)| (format!("{what}, {name}"), batches));
    let wanted: Vec<_> = named.filter(|(name, _)| name.contains(&settings.filter)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut step = prepare()?;
    for (name, batches) in wanted {
        let mut steps = 0..;
        let mut round = || batches.iter().zip(&mut steps).try_for_each(|(batch, at)| step(batch, at));
        round()?;
        let (start, cpu_start) = (Instant::now(), cpu_time());
        let mut times = Vec::new();
        while times.len() < 3 || start.elapsed() < settings.time {
            let begin = Instant::now();
            round()?;
            times.push(begin.elapsed().as_secs_f64());
        }
        let cpu = (cpu_time() - cpu_start).as_secs_f64() / times.len() as f64;
        times.sort_by(f64::total_cmp);
        let tokens = batches.iter().map(Batch::real_tokens).sum::<usize>() as f64;
        let line = json!({
            "name": name,
            "tokens_per_second": tokens / times[times.len() / 2],
            "tokens_per_cpu_second": tokens / cpu,
        });
        println!("{line}");
    }
    Ok(())
}

struct Settings {
    /// A measurement runs if its name contains this.
    filter: String,
    /// Least time of a measurement.
    time: Duration,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let filter = arguments.next().unwrap_or_default();
    let seconds = arguments.next().and_then(|s| s.parse().ok()).unwrap_or(2.0);
    let settings = Settings { filter, time: Duration::from_secs_f64(seconds) };
    report(&settings, "distillation step", steps::general_batches(), || {
        Ok(Box::new(steps::distillation_step()?))
    })?;
    let [int8, int4] = [WeightEncoding::Int8, WeightEncoding::Int4].map(Some);
    for (what, encoding) in [("float", None), ("int8", int8), ("int4", int4)] {
        let what = &format!("prediction step in {what}");
        report(&settings, what, steps::assistant_batches(), || {
            Ok(Box::new(steps::prediction_step(encoding)?))
        })?;
    }
    report(&settings, "teacher forward", steps::general_batches(), || {
        let teacher = steps::teacher()?;
        Ok(Box::new(move |batch, _| teacher.forward(batch, Mode::Eval).map(drop)))
    })?;
    report(&settings, "student forward", steps::general_batches(), || {
        let (_, student) = steps::student()?;
        Ok(Box::new(move |batch, step| student.forward(batch, Mode::Train { seed: 1, step }).map(drop)))
    })?;
    report(&settings, "fine-tuning, forward and backward", steps::general_batches(), || {
        Ok(Box::new(steps::fine_tuning_step()?))
    })
}
