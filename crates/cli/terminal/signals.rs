//! Signals that ask a command to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use tinybert_base::{Error, Result, StopSignal};

use super::text::say;

/// Exit code of a process that the user ended with a second signal.
const INTERRUPTED: i32 = 130;

/// True while no command listens. A signal that had the system's default action has it again then.
static IDLE: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Listens to SIGINT, SIGTERM and SIGHUP until it is dropped. The first signal asks the command to stop, the
/// second one ends the process.
pub struct SignalListener {
    /// The flag that the first signal raises.
    stop: Arc<AtomicBool>,
    /// Ends the listening.
    handle: Handle,
    /// The thread that listens, until it is joined.
    thread: Option<JoinHandle<()>>,
}

impl SignalListener {
    /// Starts to listen; `speaks` says on standard error what a signal does.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses signal handlers or a thread.
    pub fn start(speaks: bool) -> Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let heard = heard_signals(&status);
        IDLE.store(false, Ordering::Relaxed);
        for &signal in heard.iter().filter(|&&signal| !mask_has(&status, "SigCgt:", signal)) {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&IDLE))
                .map_err(Error::io("signal handlers"))?;
        }
        let mut signals = Signals::new(heard).map_err(Error::io("signal handlers"))?;
        let handle = signals.handle();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let listen = move || {
            for _ in signals.forever() {
                if flag.swap(true, Ordering::Relaxed) {
                    std::process::exit(INTERRUPTED);
                }
                if speaks {
                    say("\nstopping after this step; once more stops at once");
                }
            }
        };
        let thread = std::thread::Builder::new().spawn(listen).map_err(Error::io("thread for signals"))?;
        Ok(Self { stop, handle, thread: Some(thread) })
    }

    /// The flag that the first signal raises.
    pub fn stop(&self) -> &dyn StopSignal {
        &*self.stop
    }
}

impl Drop for SignalListener {
    fn drop(&mut self) {
        self.handle.close();
        // Joined, so that the thread does not take the first signal of the next listener for the second one
        // of this.
        drop(self.thread.take().map(JoinHandle::join));
        IDLE.store(true, Ordering::Relaxed);
    }
}

/// The signals that ask to stop, for a process with this `/proc/PID/status`. A process that `nohup` started
/// ignores SIGHUP, so that it outlives its terminal.
fn heard_signals(status: &str) -> Vec<i32> {
    let mut heard = vec![SIGINT, SIGTERM];
    heard.extend((!mask_has(status, "SigIgn:", SIGHUP)).then_some(SIGHUP));
    heard
}

/// True if `signal` is in a mask of `/proc/PID/status`: `SigIgn:` has the ignored signals, `SigCgt:` those
/// with a handler, in hexadecimal.
fn mask_has(status: &str, mask: &str, signal: i32) -> bool {
    let bits = status.lines().find_map(|line| line.strip_prefix(mask));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .is_some_and(|bits| bits >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_of_every_listener_asks_to_stop() {
        for _ in 0..2 {
            let listener = SignalListener::start(false).unwrap();
            assert!(!listener.stop().is_raised());
            signal_hook::low_level::raise(SIGTERM).unwrap();
            while !listener.stop().is_raised() {
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn an_ignored_signal_is_read_from_the_status_of_the_process() {
        // Linux shows this for a process that `nohup` has started.
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000004002\n";
        let ignores = |status, signal| mask_has(status, "SigIgn:", signal);
        assert!(ignores(status, SIGHUP));
        assert!(!ignores(status, SIGINT) && !ignores(status, SIGTERM) && !ignores("", SIGHUP));
        assert!(mask_has(status, "SigCgt:", SIGINT) && !mask_has(status, "SigCgt:", SIGHUP));
        assert_eq!(heard_signals(status), [SIGINT, SIGTERM]);
        assert_eq!(heard_signals(""), [SIGINT, SIGTERM, SIGHUP]);
    }
}
