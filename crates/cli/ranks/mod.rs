//! Processes that `mpirun` or `srun` started together: how a command joins and leaves them.

#[cfg(feature = "mpi")]
mod mpi;

use std::sync::Arc;
use std::time::Duration;

use tinybert_base::collective::{Collective, Single};
use tinybert_base::{Error, Result};

use crate::commands::Command;
use crate::exit;
use crate::terminal::say;

/// The variables in which launchers tell each process how many they started: Open MPI, then MPICH and its
/// relatives, then Slurm's `srun`. SLURM_NTASKS would be wrong: a batch script, which is one process, has it
/// too.
const COUNT_VARIABLES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];

/// Time for rank 0 to print an error before another rank prints the same.
const FIRST_RANK_DELAY: Duration = Duration::from_secs(1);

/// Joins the processes that were started with this one. A process that was started alone is the only rank.
///
/// # Errors
/// [`Error::Usage`] if the command works in one process, or if this program or MPI cannot join the others.
pub fn join(command: &Command) -> Result<Arc<dyn Collective>> {
    let started = started(|name| std::env::var(name).ok());
    if started == 1 {
        return Ok(Arc::new(Single));
    }
    if !command.shares_work() {
        return Err(Error::Usage(format!(
            "{started} processes were started together, but this command works in one; start it without mpirun or srun"
        )));
    }
    join_all(started)
}

/// The number of processes that were started together, according to the environment `variable`.
fn started(variable: impl Fn(&str) -> Option<String>) -> usize {
    COUNT_VARIABLES.iter().find_map(|name| variable(name)?.parse().ok()).unwrap_or(1)
}

#[cfg(feature = "mpi")]
fn join_all(started: usize) -> Result<Arc<dyn Collective>> {
    let mpi = mpi::Mpi::join()?;
    if mpi.size() == started {
        return Ok(Arc::new(mpi));
    }
    Err(Error::Usage(format!(
        "{started} processes were started together, and MPI sees {}: start them with the mpirun of the MPI library that \
         this program was built with, or with srun and its plug-in for that library (srun --mpi=list)",
        mpi.size()
    )))
}

#[cfg(not(feature = "mpi"))]
fn join_all(started: usize) -> Result<Arc<dyn Collective>> {
    Err(Error::Usage(format!(
        "{started} processes were started together, and this program was built without MPI: each would do all of the work \
         and write the same output; build it with `cargo build --release --features mpi`, or start one process"
    )))
}

/// Lets rank 0 print its error first: most errors happen on every rank, and one message is enough.
pub fn speak_in_turn(ranks: &dyn Collective, result: Result<()>) -> Result<()> {
    if result.is_err() && !ranks.is_first() {
        std::thread::sleep(FIRST_RANK_DELAY);
        say(format_args!("on rank {} of {}:", ranks.rank(), ranks.size()));
    }
    result
}

/// Ends all ranks if this one ends with an error, because the others would wait for it.
pub fn leave(ranks: &dyn Collective, code: u8) {
    if code != exit::DONE && ranks.size() > 1 {
        ranks.abort(code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started_by(variables: &[(&str, &str)]) -> usize {
        started(|name| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned()))
    }

    #[test]
    fn launchers_say_how_many_processes_they_start() {
        assert_eq!(started_by(&[]), 1);
        assert_eq!(started_by(&[("OMPI_COMM_WORLD_SIZE", "4")]), 4);
        assert_eq!(started_by(&[("PMI_SIZE", "3")]), 3);
        assert_eq!(started_by(&[("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_NTASKS", "2")]), 2);
    }

    #[test]
    fn a_batch_script_is_one_process_and_mpirun_knows_better_than_slurm() {
        assert_eq!(started_by(&[("SLURM_NTASKS", "8"), ("SLURM_JOB_ID", "1")]), 1);
        assert_eq!(started_by(&[("SLURM_STEP_NUM_TASKS", "2"), ("OMPI_COMM_WORLD_SIZE", "8")]), 8);
    }
}
