//! The command line of tinybert-compress as a library: [`run`] reads arguments, runs the command that they
//! name, prints what it has to say, and returns the exit code. The program `tinybert-compress` is a thin
//! shell around [`run_program`]; other front ends call [`run`].
//!
//! # Example
//! ```
//! let code = tinybert_compress::run(["tinybert-compress", "--version"].map(Into::into));
//! assert_eq!(code, 0);
//! ```
//!
//! # Features
//! | feature | what it adds | needs |
//! | --- | --- | --- |
//! | `cuda` | training and evaluation on NVIDIA GPUs (`--device cuda`) | the CUDA toolkit, to build |
//! | `mpi` | training on several machines | an MPI library and libclang, to build |

mod args;
mod command_line;
mod commands;
mod environment;
mod exit;
mod invocation;
mod judged_data;
mod output_paths;
mod ranks;
mod replay;
mod standard_output;
mod terminal;

use std::ffi::OsString;
use std::path::Path;

use clap::{CommandFactory, FromArgMatches};
use tinybert_base::{Error, Result};

use crate::args::GlobalArgs;
use crate::command_line::Cli;
use crate::commands::Command;
use crate::invocation::Invocation;
use crate::terminal::say;

pub use crate::exit::explain_panics;

/// Stack of each thread in bytes: that of a main thread on Linux.
const STACK_BYTES: usize = 8 << 20;

/// Runs one command in this process and returns its exit code: 0 is success, the other codes are those that
/// `tinybert-compress --help` lists.
///
/// `arguments` are those of a process: the first one is the name of the program, the second one usually the
/// command. Results go to standard output, progress and errors to standard error. The call reads nothing from
/// the arguments of this process and never replaces the process. A panic inside the command is caught and
/// gives code 1.
///
/// What a caller has to know:
/// * The environment is taken as it is. The program sets `RAYON_NUM_THREADS`, `CANDLE_NUM_THREADS` and
///   `MIMALLOC_PURGE_DELAY` before it starts ([`run_program`]), which makes training faster and does not change
///   results.
/// * While a long command runs, SIGINT, SIGTERM and SIGHUP ask it to stop, and a second signal ends the
///   process with code 130. The handlers that the process had are called too. When the command is done, they
///   alone are called, or the system's default action is taken where there were none.
/// * In a process that `mpirun` or `srun` has started with others, an error ends all of them, and only one
///   call can use MPI.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    run_after(&arguments, |_| Ok(()))
}

/// Does the same as [`run`] for a program whose whole work is one command. If the command computes for long and
/// environment variables that make it faster are missing, the same program with `arguments` and these variables
/// replaces the process.
pub fn run_program(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    run_after(&arguments, |global| environment::settle(global.threads, &arguments))
}

/// Reads `arguments` and runs their command; `prepare` is called before a command that computes for long.
fn run_after(arguments: &[OsString], prepare: impl FnOnce(&GlobalArgs) -> Result<()>) -> u8 {
    let all = match replay::with_recorded_options(arguments.to_vec()) {
        Ok(all) => all,
        Err(error) => return exit::code_of(|| Err(error)),
    };
    let (command, mut invocation) = match parse(&all) {
        Ok(parsed) => parsed,
        Err(error) => {
            // A closed standard output or error leaves nobody to tell.
            drop(error.print());
            if let Some(record) = replay::record(arguments).filter(|_| error.use_stderr()) {
                say(format_args!(
                    "options of this command line also come from {}",
                    Path::new(&record).display()
                ));
            }
            return u8::try_from(error.exit_code()).unwrap_or(exit::INTERNAL);
        }
    };
    let code = exit::code_of(|| {
        if !command.computes() {
            return command.run(&invocation);
        }
        // This comes first, because a process that has joined others may not be replaced.
        prepare(&invocation.global)?;
        invocation.ranks = ranks::join(&command)?;
        let result = compute(&command, &invocation);
        ranks::speak_in_turn(&*invocation.ranks, result)
    });
    ranks::leave(&*invocation.ranks, code);
    code
}

/// Reads the command and what belongs to every command.
///
/// # Errors
/// Wrong arguments, and also a call for help or for the version: clap knows what to print and which exit code
/// it gives.
fn parse(arguments: &[OsString]) -> clap::error::Result<(Command, Invocation)> {
    let matches = Cli::command().try_get_matches_from(arguments)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))?;
    Ok((cli.command, Invocation::new(cli.global, &matches)))
}

/// Runs a command in a thread pool of its own.
fn compute(command: &Command, invocation: &Invocation) -> Result<()> {
    let threads = invocation.global.threads.map_or(0, usize::from); // 0: as the environment says, or all cores
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK_BYTES).build();
    let pool = pool.map_err(|error| Error::Usage(format!("cannot start the threads: {error}")))?;
    // The command runs inside the pool, because a caller outside would sleep and be woken again for each of a
    // training step's hundreds of operations.
    pool.install(|| command.run(invocation))
}
