//! Environment variables that the libraries below read, set once for the process.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::process::CommandExt;
use std::process::Command;

use tinybert_base::{Error, Result};

/// Number of threads of rayon, and of candle's matrix products. If it is not set, candle reads
/// `/proc/cpuinfo` at every product, which takes longer than a small product.
const RAYON_THREADS: &str = "RAYON_NUM_THREADS";
/// Number of threads of candle's own pool for element-wise operations. These threads spin while they wait,
/// which stalls everything as soon as another process wants the cores. This program uses rayon for all work
/// that is worth several threads.
const CANDLE_THREADS: &str = "CANDLE_NUM_THREADS";
/// Milliseconds until mimalloc gives freed memory back to the system. A training step frees and takes the
/// same few hundred megabytes again and again; clearing the returned pages took up to half of the step.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Makes sure that the variables are set. If one is missing, the function replaces this process by the same
/// program with all variables and with `arguments`, whose first is the program's name. Variables that the
/// user has set stay as they are, except that `--threads` sets the number of threads.
///
/// # Errors
/// [`Error::Io`] if the system does not start the program.
pub fn settle(threads: Option<NonZeroUsize>, arguments: &[OsString]) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rayon = threads.map_or(cores, usize::from).to_string();
    let current = |name: &str| std::env::var(name).ok();
    let wanted = [
        (RAYON_THREADS, if threads.is_some() { Some(rayon) } else { current(RAYON_THREADS).or(Some(rayon)) }),
        (CANDLE_THREADS, current(CANDLE_THREADS).or(Some("1".into()))),
        (PURGE_DELAY, current(PURGE_DELAY).or(Some("-1".into()))),
    ];
    if wanted.iter().all(|(name, value)| current(name) == *value) {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(Error::io("the program's own file"))?;
    let variables = wanted.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let mut again = Command::new(&program);
    again.args(arguments.iter().skip(1)).envs(variables);
    // `exec` only returns if it fails.
    Err(Error::io(program)(again.exec()))
}
