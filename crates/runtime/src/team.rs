//! The threads that compute: the caller alone, or a pool in which each thread computes a band of the rows.
//!
//! The results of a row do not depend on the rows beside it, so the number of threads changes no bit.

use tinybert_kernels::{ROW_BLOCK, ShapeMismatch};

/// Threads that compute an answer together. They are started once. The feature `threads` adds them, for targets with an
/// operating system.
#[cfg(feature = "threads")]
pub struct Threads(rayon::ThreadPool);

#[cfg(feature = "threads")]
impl Threads {
    /// Starts `count` threads; 0 means as many as there are cores.
    ///
    /// # Errors
    /// The error of the operating system, if it starts no thread.
    pub fn start(count: usize) -> std::io::Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build();
        pool.map(Self).map_err(std::io::Error::other)
    }

    /// Returns the number of threads.
    pub fn count(&self) -> usize {
        self.0.current_num_threads()
    }
}

/// The threads that compute an answer.
#[derive(Clone, Copy)]
pub(crate) enum Team<'t> {
    /// The caller alone. The marker uses the lifetime.
    Alone(core::marker::PhantomData<&'t ()>),
    /// A pool of threads.
    #[cfg(feature = "threads")]
    Threads(&'t Threads),
}

impl Team<'_> {
    pub const ALONE: Team<'static> = Team::Alone(core::marker::PhantomData);

    /// Returns the number of threads that compute.
    pub fn count(self) -> usize {
        match self {
            Self::Alone(_) => 1,
            #[cfg(feature = "threads")]
            Self::Threads(threads) => threads.count(),
        }
    }

    /// Runs `work` on a thread of the pool, from which [`each`](Self::each) reaches the others fastest.
    pub fn enter<R: Send>(self, work: impl FnOnce() -> R + Send) -> R {
        match self {
            Self::Alone(_) => work(),
            #[cfg(feature = "threads")]
            Self::Threads(threads) => threads.0.install(work),
        }
    }

    /// Calls `work` with every part, and waits for all of them. Returns the result of the first part. There is one part
    /// where the caller is alone.
    pub fn each<T: Send, R>(
        self,
        mut parts: impl Iterator<Item = T>,
        work: impl Fn(T) -> Result<R, ShapeMismatch> + Sync,
    ) -> Result<R, ShapeMismatch> {
        let own = parts.next().ok_or(ShapeMismatch)?;
        match self {
            Self::Alone(_) => work(own),
            #[cfg(feature = "threads")]
            Self::Threads(_) => {
                let failed = core::sync::atomic::AtomicBool::new(false);
                let run = &|part| {
                    if work(part).is_err() {
                        failed.store(true, core::sync::atomic::Ordering::Relaxed);
                    }
                };
                let result = rayon::in_place_scope(|scope| {
                    for part in parts {
                        scope.spawn(move |_| run(part));
                    }
                    work(own)
                });
                if failed.into_inner() { Err(ShapeMismatch) } else { result }
            }
        }
    }
}

/// Returns the number of rows of a band, in whole blocks, if `count` threads share `rows` rows.
pub(crate) fn band(rows: usize, count: usize) -> usize {
    rows.div_ceil(count.max(1)).next_multiple_of(ROW_BLOCK).max(ROW_BLOCK)
}
