//! Ranks that are threads of one process, for tests.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::Collective;
use crate::{Error, Result};

/// A rank that is a thread. When one ends, the others are told that it is lost.
pub struct ThreadRanks {
    rank: usize,
    /// Senders to every rank, including this one.
    to: Vec<Sender<Vec<u8>>>,
    /// Receivers from every rank, including this one.
    from: Vec<Mutex<Receiver<Vec<u8>>>>,
}

impl ThreadRanks {
    /// `size` ranks, each of which is moved into a thread of its own.
    pub fn new(size: usize) -> Vec<Self> {
        let (mut to, mut from): (Vec<Vec<_>>, Vec<Vec<_>>) = Default::default();
        to.resize_with(size, Vec::new);
        from.resize_with(size, Vec::new);
        for sender in &mut to {
            for receivers in &mut from {
                let (send, receive) = channel();
                sender.push(send);
                receivers.push(Mutex::new(receive));
            }
        }
        to.into_iter().zip(from).enumerate().map(|(rank, (to, from))| Self { rank, to, from }).collect()
    }

    /// Sends a message to each rank and receives one from each.
    fn swap(&self, message: impl Fn(usize) -> Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let lost = |rank: usize| Error::Ranks(format!("rank {rank} is lost"));
        for (rank, to) in self.to.iter().enumerate() {
            to.send(message(rank)).map_err(|_| lost(rank))?;
        }
        let receive = |(rank, from): (usize, &Mutex<Receiver<_>>)| {
            from.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv().map_err(|_| lost(rank))
        };
        self.from.iter().enumerate().map(receive).collect()
    }
}

impl Collective for ThreadRanks {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn exchange(&self, send: &[f32], received: &mut [f32]) -> Result<()> {
        let share = send.len() / self.size();
        read(&self.swap(|rank| bytes(&send[rank * share..][..share]))?.concat(), received);
        Ok(())
    }

    fn gather(&self, mine: &[f32], all: &mut [f32]) -> Result<()> {
        read(&self.swap(|_| bytes(mine))?.concat(), all);
        Ok(())
    }

    fn gather_bytes(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.swap(|_| mine.to_vec())
    }

    fn wait(&self) -> Result<()> {
        self.swap(|_| Vec::new()).map(drop)
    }

    fn abort(&self, code: u8) -> ! {
        panic!("rank {} ends the run with code {code}", self.rank)
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

fn read(bytes: &[u8], values: &mut [f32]) {
    let (quads, _) = bytes.as_chunks::<4>();
    assert_eq!(quads.len(), values.len(), "every rank gives as many values");
    for (value, &quad) in values.iter_mut().zip(quads) {
        *value = f32::from_ne_bytes(quad);
    }
}
