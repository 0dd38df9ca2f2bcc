//! Several processes that share the work of one run: its *ranks*, numbered from 0.
//!
//! Everything is built on a few operations that move values and never add them. This program therefore
//! decides the order of every sum ([`sum`]); `MPI_Allreduce` promises no order.

mod single;
mod sum;
mod threads;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::single::Single;
pub use self::sum::sum;
pub use self::threads::ThreadRanks;
use crate::{Error, Result};

/// The ranks of a run as one of them sees them. Every rank has to call the same operations in the same order.
/// A call returns when all ranks have made it.
///
/// # Errors
/// Every operation gives [`Error::Ranks`] if another rank is lost.
pub trait Collective: Send + Sync {
    /// Number of this rank, below [`Collective::size`]. Rank 0 alone writes and speaks.
    fn rank(&self) -> usize;

    /// Number of ranks, at least 1.
    fn size(&self) -> usize;

    /// Sends piece r of `send` to rank r and fills piece r of `received` with what rank r sent here. Both hold
    /// [`Collective::size`] pieces of one length, the same on every rank.
    fn exchange(&self, send: &[f32], received: &mut [f32]) -> Result<()>;

    /// Fills piece r of `all` with what rank r gives as `mine`. All pieces have one length.
    fn gather(&self, mine: &[f32], all: &mut [f32]) -> Result<()>;

    /// The bytes that each rank passes as `mine`, by rank; lengths may differ.
    fn gather_bytes(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>>;

    /// Waits for all ranks.
    fn wait(&self) -> Result<()>;

    /// Ends the processes of all ranks with this exit code; for errors of one rank, which the others would
    /// wait for.
    fn abort(&self, code: u8) -> !;
}

/// Bytes that are broadcast at once.
const PIECE: usize = 64 << 20;

impl dyn Collective + '_ {
    /// True for the rank that writes and speaks.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// The value that each rank passes as `mine`, by rank. Values are sent as JSON.
    ///
    /// # Errors
    /// [`Error::Ranks`].
    pub fn gather_values<T: Serialize + DeserializeOwned>(&self, mine: T) -> Result<Vec<T>> {
        if self.size() == 1 {
            return Ok(vec![mine]);
        }
        self.gather_bytes(&to_json(&mine))?.iter().map(|bytes| from_json(bytes)).collect()
    }

    /// The value that rank 0 passes. Values are sent as JSON.
    ///
    /// # Errors
    /// [`Error::Ranks`].
    pub fn first_value<T: Serialize + DeserializeOwned>(&self, mine: T) -> Result<T> {
        if self.size() == 1 {
            return Ok(mine);
        }
        let bytes = if self.is_first() { to_json(&mine) } else { Vec::new() };
        from_json(&self.broadcast(bytes)?)
    }

    /// The bytes that rank 0 passes; the bytes of the other ranks are ignored.
    ///
    /// # Errors
    /// [`Error::Ranks`].
    pub fn broadcast(&self, mine: Vec<u8>) -> Result<Vec<u8>> {
        if self.size() == 1 {
            return Ok(mine);
        }
        let length = self.gather_values(mine.len())?[0];
        let mut all = Vec::with_capacity(length);
        while all.len() < length {
            let piece = match self.is_first() {
                true => &mine[all.len()..length.min(all.len() + PIECE)],
                false => &[],
            };
            all.append(&mut self.gather_bytes(piece)?.swap_remove(0));
        }
        Ok(all)
    }

    /// Makes sure that `digest` of `what` is the same on every rank.
    ///
    /// # Errors
    /// [`Error::Ranks`] on every rank, naming those that differ from rank 0.
    pub fn check_equal(&self, what: &str, digest: impl FnOnce() -> Result<String>) -> Result<()> {
        if self.size() == 1 {
            return Ok(());
        }
        let all = self.gather_values(digest()?)?;
        let others: Vec<String> =
            (0..all.len()).filter(|&rank| all[rank] != all[0]).map(|rank| rank.to_string()).collect();
        if others.is_empty() {
            return Ok(());
        }
        Err(Error::Ranks(format!(
            "{what} are not the same bits on rank {} as on rank 0; run all ranks on the same kind of CPU",
            others.join(", ")
        )))
    }
}

/// The `rank`th of `ranks` near-equal runs of `0..length`; empty where there are fewer items than ranks.
pub fn share(length: usize, rank: usize, ranks: usize) -> std::ops::Range<usize> {
    length * rank / ranks..length * (rank + 1) / ranks
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what ranks tell each other is plain values")
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::Ranks(format!(
            "another rank says what this one does not know ({error}): run one program on all"
        ))
    })
}

#[cfg(test)]
mod tests;
