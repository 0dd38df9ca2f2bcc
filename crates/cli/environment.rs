//! What the libraries below read from the environment, settled once per process.

use std::num::NonZeroUsize;
use std::process::Command;

use tinybert_base::{Error, Result};

/// Number of threads of rayon, and so of candle's matrix products. Unset, candle reads `/proc/cpuinfo` anew at every
/// product, which takes longer than a small one.
const RAYON: &str = "RAYON_NUM_THREADS";
/// Threads of candle's own pool for element-wise operations. They spin while they wait, which stalls everything as
/// soon as another process wants the cores; what is worth threads here is parallel through rayon.
const CANDLE: &str = "CANDLE_NUM_THREADS";
/// Milliseconds until mimalloc gives freed memory back. A training step frees and takes the same few hundred megabytes
/// again and again; clearing returned pages took up to half of it.
const PURGE: &str = "MIMALLOC_PURGE_DELAY";

/// Starts the program again, in this process, with the variables that are not set yet; returns where all are.
/// Variables that the user has set stay as they are, but for `--threads`.
///
/// # Errors
/// [`Error::Io`] if the system does not start it.
pub fn settle(threads: Option<NonZeroUsize>) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rayon = threads.map_or(cores, usize::from).to_string();
    let is = |name: &str| std::env::var(name).ok();
    let wanted = [
        (RAYON, if threads.is_some() { Some(rayon) } else { is(RAYON).or(Some(rayon)) }),
        (CANDLE, is(CANDLE).or(Some("1".into()))),
        (PURGE, is(PURGE).or(Some("-1".into()))),
    ];
    if wanted.iter().all(|(name, value)| is(name) == *value) {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(Error::io("the program's own file"))?;
    let variables = wanted.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let mut again = Command::new(&program);
    again.args(std::env::args_os().skip(1)).envs(variables);
    // Only returns if it fails.
    Err(Error::io(program)(std::os::unix::process::CommandExt::exec(&mut again)))
}
