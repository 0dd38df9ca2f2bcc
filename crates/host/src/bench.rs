//! How long an image takes to answer on this machine.

use std::time::{Duration, Instant};

use rayon::prelude::*;
use tinybert_runtime::{Input, Model};

use crate::{Error, Result};

/// Runs that are thrown away first, while caches and clocks warm up.
const WARM_UP: usize = 3;

/// Latency at one input length.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Latency {
    /// Tokens of the input, special ones included.
    pub seq: usize,
    /// Median time of one answer in milliseconds.
    pub median_ms: f64,
    /// Shortest time in milliseconds.
    pub min_ms: f64,
    /// Answers that were timed.
    pub runs: usize,
}

/// Times answers to inputs of `seq` tokens for at least `min_time`.
///
/// With `threads` above 1 so many sessions answer at the same time, each with a thread of its own; the latency is
/// still that of one answer.
///
/// # Errors
/// A length that the image does not take; a model that cannot run.
pub fn latency(model: &Model<'_>, seq: usize, threads: usize, min_time: Duration) -> Result<Latency> {
    let limit = model.config().max_tokens;
    if seq < 2 || seq > limit {
        return Err(Error::Usage(format!(
            "--seq {seq}: expected 2 to {limit}, the longest input of this image"
        )));
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::Usage(format!("--threads {threads}: {error}")))?;
    let sessions: Vec<Vec<f64>> = pool.install(|| {
        (0..threads).into_par_iter().map(|_| time_one(model, seq, min_time)).collect::<Result<_>>()
    })?;
    let mut times: Vec<f64> = sessions.into_iter().flatten().collect();
    times.sort_by(f64::total_cmp);
    Ok(Latency { seq, median_ms: times[times.len() / 2], min_ms: times[0], runs: times.len() })
}

/// Milliseconds of each answer, in one session.
fn time_one(model: &Model<'_>, seq: usize, min_time: Duration) -> Result<Vec<f64>> {
    let special = model.vocabulary().special();
    let words = model.config().vocab as u32;
    let mut ids: Vec<u32> = (0..seq as u32).map(|i| i.wrapping_mul(7919) % words).collect();
    ids[0] = special.classify;
    ids[seq - 1] = special.separator;
    let type_ids = vec![0u8; seq];

    let refused = |error: tinybert_runtime::Error| Error::Input(error.to_string());
    let mut workspace = vec![0u8; model.workspace_bytes(seq).unwrap_or_default()];
    let mut session = model.session_for(seq, &mut workspace).map_err(refused)?;
    let mut times = Vec::new();
    let start = Instant::now();
    for run in 0.. {
        let begin = Instant::now();
        std::hint::black_box(session.run(Input::ids(&ids, &type_ids)).map_err(refused)?);
        if run >= WARM_UP {
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        if start.elapsed() >= min_time && times.len() >= 5 {
            break;
        }
    }
    Ok(times)
}
