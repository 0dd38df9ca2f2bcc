//! Ranks that are processes, on one machine or several, started by `mpirun` or `srun`.
//!
//! Every operation here can be asked whether it is finished, so that a rank which waits in vain can report
//! this and end. If a rank dies, `mpirun` or `srun` notices it and ends the others. The bindings have no safe
//! way to make MPI return its errors: an error ends the process.

use std::time::{Duration, Instant};

use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::request::{Request, Scope, scope};
use mpi::traits::{Communicator, CommunicatorCollectives};
use mpi::{Count, Threading};

use tinybert_base::collective::Collective;
use tinybert_base::{Error, Result};

/// How long a rank may be behind another. A step takes seconds, an evaluation or a checkpoint minutes.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Waiting for less than this keeps a core busy, for the sake of short messages.
const EAGER: Duration = Duration::from_millis(2);
const NAP: Duration = Duration::from_micros(50);

/// All processes that were started together. MPI is left when this is dropped, on the thread that made it.
pub struct Mpi {
    universe: Universe,
}

impl Mpi {
    /// Joins the other processes; once per process.
    ///
    /// # Errors
    /// [`Error::Ranks`] if MPI cannot be called from a thread of its caller's choice.
    pub fn join() -> Result<Self> {
        // Any thread that trains may call MPI, but only one at a time.
        match mpi::initialize_with_threading(Threading::Serialized) {
            Some((universe, provided)) if provided >= Threading::Serialized => Ok(Self { universe }),
            Some(_) => {
                Err(Error::Ranks("this MPI library does not support threads (MPI_THREAD_SERIALIZED)".into()))
            }
            None => Err(Error::Ranks("MPI was joined already".into())),
        }
    }

    /// Waits until `request` is finished, or for `patience`.
    fn finish<'a, D: ?Sized, S: Scope<'a>>(&self, mut request: Request<'a, D, S>, patience: Duration) {
        let begun = Instant::now();
        while let Err(unfinished) = request.test() {
            request = unfinished;
            let waited = begun.elapsed();
            if waited >= patience {
                // Its buffers belong to MPI until it is finished: there is no way back from here.
                let lost = Error::Ranks(format!(
                    "rank {} has waited {} minutes for the other ranks: one of them or its machine is lost; the last \
                     checkpoint stays, the same command with --resume goes on from it",
                    self.rank(),
                    waited.as_secs() / 60
                ));
                crate::terminal::say(format_args!("error: {lost}"));
                self.abort(lost.exit_code());
            }
            if waited < EAGER { std::thread::yield_now() } else { std::thread::sleep(NAP) }
        }
    }
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        self.universe.world().rank() as usize
    }

    fn size(&self) -> usize {
        self.universe.world().size() as usize
    }

    fn exchange(&self, send: &[f32], received: &mut [f32]) -> Result<()> {
        let world = self.universe.world();
        scope(|scope| self.finish(world.immediate_all_to_all_into(scope, send, received), PATIENCE));
        Ok(())
    }

    fn gather(&self, mine: &[f32], all: &mut [f32]) -> Result<()> {
        let world = self.universe.world();
        scope(|scope| self.finish(world.immediate_all_gather_into(scope, mine, all), PATIENCE));
        Ok(())
    }

    fn gather_bytes(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>> {
        let world = self.universe.world();
        let mut lengths = vec![0u64; self.size()];
        let length = [mine.len() as u64];
        scope(|scope| {
            self.finish(world.immediate_all_gather_into(scope, &length[..], &mut lengths[..]), PATIENCE)
        });

        // MPI counts in 32 bits.
        let too_many =
            |_| Error::Ranks(format!("messages of {lengths:?} bytes: together they may have 2 GiB"));
        let total = Count::try_from(lengths.iter().sum::<u64>()).map_err(too_many)?;
        let counts: Vec<Count> = lengths.iter().map(|&length| length as Count).collect();
        let begins: Vec<Count> = counts
            .iter()
            .scan(0, |end, &count| {
                *end += count;
                Some(*end - count)
            })
            .collect();
        let mut all = vec![0u8; total as usize];
        {
            let mut parts = PartitionMut::new(&mut all[..], &counts[..], &begins[..]);
            scope(|scope| {
                self.finish(world.immediate_all_gather_varcount_into(scope, mine, &mut parts), PATIENCE);
            });
        }
        let part = |(&begin, &count): (&Count, &Count)| all[begin as usize..][..count as usize].to_vec();
        Ok(begins.iter().zip(&counts).map(part).collect())
    }

    fn wait(&self) -> Result<()> {
        self.finish(self.universe.world().immediate_barrier(), PATIENCE);
        Ok(())
    }

    fn abort(&self, code: u8) -> ! {
        self.universe.world().abort(code.into())
    }
}
