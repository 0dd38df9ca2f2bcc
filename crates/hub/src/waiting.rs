//! Waiting for the network in such a way that the user's wish to stop is heard meanwhile.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tinybert_base::{Context, Error, Result};

/// Time between two looks at the user's wish to stop.
const TICK: Duration = Duration::from_millis(100);

/// Does `work`, which may wait long, in a thread of its own. If the user asks to stop, the thread is left alone and
/// ends with the process.
///
/// # Errors
/// [`Error::Interrupted`] when the user asks to stop.
pub(crate) fn unless_stopped<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = channel();
    // Nobody receives what comes after a stop.
    thread::spawn(move || drop(sender.send(work())));
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) => check_stop(context)?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::Input("the request to the Hub ended without an answer".into()));
            }
        }
    }
}

/// Waits for `pause`.
///
/// # Errors
/// [`Error::Interrupted`] when the user asks to stop.
pub(crate) fn sleep(context: &Context, pause: Duration) -> Result<()> {
    let end = Instant::now() + pause;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        check_stop(context)?;
        thread::sleep(left.min(TICK));
    }
    Ok(())
}

fn check_stop(context: &Context) -> Result<()> {
    match context.should_stop() {
        true => Err(Error::Interrupted("stopped while the Hub was asked; the same command goes on".into())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_wish_to_stop_ends_every_wait() {
        let stop = AtomicBool::new(true);
        let context = Context { stop: &stop, ..Context::default() };
        let long = Duration::from_secs(3600);
        let started = Instant::now();
        for waited in [sleep(&context, long), unless_stopped(&context, move || thread::sleep(long))] {
            assert!(matches!(waited, Err(Error::Interrupted(_))));
        }
        assert!(started.elapsed() < Duration::from_secs(60));
        assert_eq!(unless_stopped(&Context::default(), || 7).unwrap(), 7);
    }
}
