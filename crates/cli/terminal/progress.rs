//! Shows how far a long step is.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use tinybert_base::progress::Progress;

use super::text::{on_one_line, say};

/// Time between two progress lines where standard error is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Draws bars on a terminal, an occasional plain line elsewhere, and nothing when quiet. Steps may be nested:
/// an evaluation inside training has a bar of its own.
pub struct ProgressDisplay(Mutex<DisplayMode>);

/// How progress is shown, with the steps that are not over, the innermost last.
enum DisplayMode {
    Quiet,
    Bars { all: MultiProgress, open: Vec<ProgressBar> },
    Lines { open: Vec<LineStep> },
}

/// A step that is shown as plain lines.
struct LineStep {
    name: String,
    /// Units that the step has.
    total: u64,
    /// Units that an earlier process did.
    resumed: u64,
    begun: Instant,
    /// Time of the last line.
    shown: Instant,
}

impl ProgressDisplay {
    /// A display that is silent if `quiet`, and else fits standard error.
    pub fn new(quiet: bool) -> Self {
        Self(Mutex::new(if quiet {
            DisplayMode::Quiet
        } else if std::io::stderr().is_terminal() {
            DisplayMode::Bars { all: MultiProgress::new(), open: Vec::new() }
        } else {
            DisplayMode::Lines { open: Vec::new() }
        }))
    }

    fn mode(&self) -> MutexGuard<'_, DisplayMode> {
        // A panic while drawing leaves nothing worse than a wrong bar.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for ProgressDisplay {
    fn begin(&self, name: &str, total: u64) {
        match &mut *self.mode() {
            DisplayMode::Quiet => {}
            DisplayMode::Bars { all, open } => open.push(all.add(bar(name, total))),
            DisplayMode::Lines { open } => {
                let now = Instant::now();
                open.push(LineStep { name: name.to_owned(), total, resumed: 0, begun: now, shown: now });
            }
        }
    }

    fn resume(&self, done: u64) {
        match &mut *self.mode() {
            DisplayMode::Quiet => {}
            DisplayMode::Bars { open, .. } => {
                if let Some(bar) = open.last() {
                    bar.set_position(done);
                    bar.reset_eta();
                }
            }
            DisplayMode::Lines { open } => {
                if let Some(step) = open.last_mut() {
                    step.resumed = done;
                }
            }
        }
    }

    fn advance(&self, done: u64, note: &str) {
        match &mut *self.mode() {
            DisplayMode::Quiet => {}
            DisplayMode::Bars { open, .. } => {
                if let Some(bar) = open.last() {
                    bar.set_position(done);
                    bar.set_message(on_one_line(note).into_owned());
                }
            }
            DisplayMode::Lines { open } => {
                if let Some(step) = open.last_mut().filter(|step| step.shown.elapsed() >= LINE_INTERVAL) {
                    step.shown = Instant::now();
                    say(step.line(done, note, step.begun.elapsed()));
                }
            }
        }
    }

    fn end(&self) {
        match &mut *self.mode() {
            DisplayMode::Quiet => {}
            DisplayMode::Bars { open, .. } => {
                if let Some(bar) = open.pop() {
                    bar.finish_and_clear();
                }
            }
            DisplayMode::Lines { open } => drop(open.pop()),
        }
    }

    fn say(&self, line: &str) {
        match &*self.mode() {
            DisplayMode::Quiet => {}
            DisplayMode::Bars { all, .. } => all.suspend(|| say(line)),
            DisplayMode::Lines { .. } => say(line),
        }
    }
}

fn bar(name: &str, total: u64) -> ProgressBar {
    let template = "{prefix} [{bar:25}] {pos}/{len} {per_sec}, {eta} left  {msg}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_prefix(name.to_owned())
}

impl LineStep {
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

    fn step() -> LineStep {
        let now = Instant::now();
        LineStep { name: "distil".into(), total: 2000, resumed: 0, begun: now, shown: now }
    }

    #[test]
    fn a_line_tells_rate_and_time_left() {
        let line = step().line(500, "loss 0.5", Duration::from_secs(250));
        assert_eq!(line, "distil: 500/2000, 2.0/s, 13 minutes left, loss 0.5");
    }

    #[test]
    fn what_an_earlier_process_did_counts_as_done_but_not_as_speed() {
        let line = LineStep { resumed: 400, ..step() }.line(500, "", Duration::from_secs(50));
        assert_eq!(line, "distil: 500/2000, 2.0/s, 13 minutes left");
    }

    #[test]
    fn nothing_done_yet_has_no_time_left() {
        assert_eq!(step().line(0, "", Duration::ZERO), "distil: 0/2000, 0.0/s");
    }
}
