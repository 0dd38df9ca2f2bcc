//! How long an image takes to answer on this machine.

use std::time::{Duration, Instant};

use tinybert_base::{Error, Result};
use tinybert_runtime::{Input, Model, Session, Threads};

/// Runs that are thrown away first, while caches and clocks warm up.
const WARM_UP: usize = 3;

/// Latency at one input length.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct MeasuredLatency {
    /// Tokens of the input, special ones included.
    pub seq: usize,
    /// Median time of one answer in milliseconds.
    pub median_ms: f64,
    /// Shortest time in milliseconds.
    pub min_ms: f64,
    /// Answers that were timed.
    pub runs: usize,
}

/// Times answers to inputs of `seq` tokens for at least `min_time`; `threads` share the work of each answer.
///
/// # Errors
/// A length that the image does not take; a model that cannot run; threads that cannot be started.
pub fn latency(model: &Model<'_>, seq: usize, threads: usize, min_time: Duration) -> Result<MeasuredLatency> {
    let limit = model.config().max_tokens;
    if seq < 2 || seq > limit {
        return Err(Error::Usage(format!(
            "--seq {seq}: expected 2 to {limit}, the longest input of this image"
        )));
    }
    let mut times = if threads == 1 {
        let mut workspace = vec![0; model.workspace_bytes(seq).unwrap_or_default()];
        time(model, &mut model.session_for(seq, &mut workspace).map_err(refused)?, seq, min_time)?
    } else {
        let pool =
            Threads::start(threads).map_err(|error| Error::Usage(format!("--threads {threads}: {error}")))?;
        let mut workspace = vec![0; model.workspace_bytes_for(threads).unwrap_or_default()];
        time(model, &mut model.session_with(&pool, &mut workspace).map_err(refused)?, seq, min_time)?
    };
    times.sort_by(f64::total_cmp);
    Ok(MeasuredLatency { seq, median_ms: times[times.len() / 2], min_ms: times[0], runs: times.len() })
}

/// Milliseconds of each answer.
fn time(
    model: &Model<'_>,
    session: &mut Session<'_, '_>,
    seq: usize,
    min_time: Duration,
) -> Result<Vec<f64>> {
    let special = model.vocabulary().special();
    let words = model.config().vocab as u32;
    let mut ids: Vec<u32> = (0..seq as u32).map(|i| i.wrapping_mul(7919) % words).collect();
    ids[0] = special.cls;
    ids[seq - 1] = special.sep;
    let type_ids = vec![0u8; seq];

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

fn refused(error: tinybert_runtime::Error) -> Error {
    Error::Input(error.to_string())
}
