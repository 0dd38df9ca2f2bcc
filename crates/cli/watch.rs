//! Shows how far a long step is, and hears Ctrl-C.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tinybert_base::Context;
use tinybert_base::collective::Collective;
use tinybert_base::progress::Progress;
use tinybert_base::{Error, Result};

use crate::args::Global;

/// Exit code of a run that the user ended.
const INTERRUPTED: i32 = 130;
/// Time between two progress lines where standard error is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Draws bars on a terminal, an occasional plain line elsewhere, and nothing when quiet. Steps may be nested: an
/// evaluation inside training has a bar of its own.
pub struct Watch {
    display: Mutex<Display>,
    stop: Arc<AtomicBool>,
    ranks: Arc<dyn Collective>,
}

enum Display {
    Quiet,
    Bars { all: MultiProgress, open: Vec<ProgressBar> },
    Lines { open: Vec<Step> },
}

/// A step that is shown as plain lines.
struct Step {
    name: String,
    total: u64,
    /// Units that an earlier process did.
    resumed: u64,
    begun: Instant,
    shown: Instant,
}

impl Watch {
    /// Listens to SIGINT, SIGTERM and, unless `nohup` had it ignored, SIGHUP; call it once.
    pub fn new(global: &Global) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let speaks = global.is_first();
        let mut signals = Signals::new(heard()).map_err(Error::io("signal handlers"))?;
        let listen = move || {
            for _ in signals.forever() {
                if flag.swap(true, Ordering::Relaxed) {
                    std::process::exit(INTERRUPTED);
                }
                if speaks {
                    eprintln!("\nstopping after this step; once more stops at once");
                }
            }
        };
        std::thread::Builder::new().spawn(listen).map_err(Error::io("thread for signals"))?;
        let display = Mutex::new(Display::new(global.quiet || !speaks));
        Ok(Self { display, stop, ranks: Arc::clone(&global.ranks) })
    }

    /// The surroundings of the command's long steps.
    pub fn context(&self) -> Context<'_> {
        Context { progress: self, stop: &*self.stop, ranks: &*self.ranks }
    }

    fn display(&self) -> MutexGuard<'_, Display> {
        // A panic while drawing leaves nothing worse than a wrong bar.
        self.display.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The signals that ask to stop. A run started by `nohup` outlives its terminal.
fn heard() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut heard = vec![SIGINT, SIGTERM];
    heard.extend((!ignores(&status, SIGHUP)).then_some(SIGHUP));
    heard
}

/// Whether a process with this `/proc/PID/status` ignores a signal: its line `SigIgn` is a mask in hexadecimal.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

impl Display {
    fn new(quiet: bool) -> Self {
        if quiet {
            Self::Quiet
        } else if std::io::stderr().is_terminal() {
            Self::Bars { all: MultiProgress::new(), open: Vec::new() }
        } else {
            Self::Lines { open: Vec::new() }
        }
    }
}

impl Progress for Watch {
    fn begin(&self, name: &str, total: u64) {
        match &mut *self.display() {
            Display::Quiet => {}
            Display::Bars { all, open } => open.push(all.add(bar(name, total))),
            Display::Lines { open } => {
                let now = Instant::now();
                open.push(Step { name: name.to_owned(), total, resumed: 0, begun: now, shown: now });
            }
        }
    }

    fn resume(&self, done: u64) {
        match &mut *self.display() {
            Display::Quiet => {}
            Display::Bars { open, .. } => {
                if let Some(bar) = open.last() {
                    bar.set_position(done);
                    bar.reset_eta();
                }
            }
            Display::Lines { open } => {
                if let Some(step) = open.last_mut() {
                    step.resumed = done;
                }
            }
        }
    }

    fn advance(&self, done: u64, note: &str) {
        match &mut *self.display() {
            Display::Quiet => {}
            Display::Bars { open, .. } => {
                if let Some(bar) = open.last() {
                    bar.set_position(done);
                    bar.set_message(note.to_owned());
                }
            }
            Display::Lines { open } => {
                if let Some(step) = open.last_mut().filter(|step| step.shown.elapsed() >= LINE_INTERVAL) {
                    step.shown = Instant::now();
                    eprintln!("{}", step.line(done, note, step.begun.elapsed()));
                }
            }
        }
    }

    fn end(&self) {
        match &mut *self.display() {
            Display::Quiet => {}
            Display::Bars { open, .. } => {
                if let Some(bar) = open.pop() {
                    bar.finish_and_clear();
                }
            }
            Display::Lines { open } => drop(open.pop()),
        }
    }

    fn say(&self, line: &str) {
        match &*self.display() {
            Display::Quiet => {}
            Display::Bars { all, .. } => all.suspend(|| eprintln!("{line}")),
            Display::Lines { .. } => eprintln!("{line}"),
        }
    }
}

fn bar(name: &str, total: u64) -> ProgressBar {
    let template = "{prefix} [{bar:25}] {pos}/{len} {per_sec}, {eta} left  {msg}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_prefix(name.to_owned())
}

impl Step {
    /// `name: 120/2000, 3.1/s, 10 minutes left, note`.
    fn line(&self, done: u64, note: &str, elapsed: Duration) -> String {
        let rate = done.saturating_sub(self.resumed) as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let mut line = format!("{}: {done}/{}, {rate:.1}/s", self.name, self.total);
        let left = self.total.saturating_sub(done) as f64 / rate;
        if let Ok(left) = Duration::try_from_secs_f64(left) {
            line.push_str(&format!(", {} left", HumanDuration(left)));
        }
        if !note.is_empty() {
            line.push_str(&format!(", {note}"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> Step {
        let now = Instant::now();
        Step { name: "distil".into(), total: 2000, resumed: 0, begun: now, shown: now }
    }

    #[test]
    fn a_line_tells_rate_and_time_left() {
        let line = step().line(500, "loss 0.5", Duration::from_secs(250));
        assert_eq!(line, "distil: 500/2000, 2.0/s, 13 minutes left, loss 0.5");
    }

    #[test]
    fn what_an_earlier_process_did_counts_as_done_but_not_as_speed() {
        let line = Step { resumed: 400, ..step() }.line(500, "", Duration::from_secs(50));
        assert_eq!(line, "distil: 500/2000, 2.0/s, 13 minutes left");
    }

    #[test]
    fn an_ignored_signal_is_read_from_the_status_of_the_process() {
        // What Linux shows of a process that `nohup` has started.
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000004002\n";
        assert!(ignores(status, SIGHUP));
        assert!(!ignores(status, SIGINT) && !ignores(status, SIGTERM) && !ignores("", SIGHUP));
    }

    #[test]
    fn nothing_done_yet_has_no_time_left() {
        assert_eq!(step().line(0, "", Duration::ZERO), "distil: 0/2000, 0.0/s");
    }
}
