//! What commands print to standard output.

use std::io::Write;

use tinybert_base::{Error, Result};
use tinybert_data::metrics::Metrics;
use tinybert_train::Trial;

/// The name of standard output in [`Error::Io`].
pub const STANDARD_OUTPUT: &str = "standard output";

/// Prints one line to standard output; a closed pipe is an error here, where `println!` would panic.
pub fn print_line(line: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(Error::io(STANDARD_OUTPUT))
}

/// `accuracy 0.9686, f1 0.9500 (872 examples)`; the metric that selects the best weights comes first.
pub fn describe_metrics(metrics: &Metrics) -> String {
    let mut line = format!("{} {:.4}", metrics.primary, metrics.primary());
    for (name, value) in metrics.values.iter().filter(|(name, _)| **name != metrics.primary) {
        line += &format!(", {name} {value:.4}");
    }
    line + &format!(" ({} examples)", metrics.samples)
}

/// Prints the trials of a search of the learning rate as a table; nothing if there were none.
pub fn print_trials(trials: &[Trial], metric: &str) -> Result<()> {
    if trials.is_empty() {
        return Ok(());
    }
    print_line(format_args!("round  learning rate  steps   dev {metric}"))?;
    for Trial { round, learning_rate, steps, dev } in trials {
        let dev = dev.map_or_else(|| "diverged".into(), |dev| format!("{dev:.4}"));
        print_line(format_args!("{round:>5}  {learning_rate:>13e}  {steps:>5}   {dev}"))?;
    }
    Ok(())
}
