//! What commands print to standard output.

use std::io::Write;

use tinybert_base::{Error, Result};
use tinybert_baseline::BaselineRow;
use tinybert_data::metrics::Metrics;
use tinybert_data::metrics::intervals::{Interval, LEAST_SAMPLES};
use tinybert_train::{Trial, chosen_rate};

use crate::terminal::safe_lines;

/// The name of standard output in [`Error::Io`].
pub const STANDARD_OUTPUT: &str = "standard output";

/// Prints one line, or several, for people to standard output; a closed pipe is an error here, where `println!` would
/// panic. Names and texts of others that are part of the line have gone through [`on_one_line`](crate::terminal::on_one_line).
pub fn print_line(line: impl std::fmt::Display) -> Result<()> {
    let line = line.to_string();
    print_exactly(safe_lines(&line))
}

/// Prints a JSON value on one line to standard output, exactly as it is.
pub fn print_json(value: &serde_json::Value) -> Result<()> {
    print_exactly(value)
}

fn print_exactly(line: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(Error::io(STANDARD_OUTPUT))
}

/// `accuracy 0.9686 [0.9547, 0.9783], f1 0.9500 [0.9286, 0.9671] (872 examples, 95 % intervals)`; the metric that
/// selects the best weights comes first. Without intervals it is `accuracy 0.9686, f1 0.9500 (872 examples)`. Of few
/// examples it says that they are too few.
pub fn describe_metrics(metrics: &Metrics) -> String {
    let Metrics { primary, values, samples, intervals } = metrics;
    let value = |(&name, &value)| (name, value, intervals.get(name).copied());
    describe_values(primary, values.iter().map(value), *samples)
}

/// One line for each split of the linear baseline: `baseline dev  accuracy 0.9857 [0.9739, 0.9922] (700 examples, 95 %
/// intervals)`.
pub fn print_baseline(row: &BaselineRow) -> Result<()> {
    row.splits.iter().try_for_each(|(split, metrics)| {
        let values = metrics.values.iter();
        let values =
            values.map(|(name, &value)| (name.as_str(), value, metrics.intervals.get(name).copied()));
        let values = describe_values(&row.metric, values, metrics.samples);
        print_line(format_args!("baseline {split:4} {values}"))
    })
}

fn describe_values<'a>(
    primary: &str,
    values: impl Iterator<Item = (&'a str, f64, Option<Interval>)>,
    samples: usize,
) -> String {
    let (mut first, mut others, mut note, mut few) = (String::new(), String::new(), "", "");
    for (name, value, interval) in values {
        let mut text = format!("{name} {value:.4}");
        if let Some([low, high]) = interval {
            text += &format!(" [{low:.4}, {high:.4}]");
            note = ", 95 % intervals";
        } else if samples < LEAST_SAMPLES {
            few = ", too few for bootstrap intervals";
        }
        if name == primary { first = text } else { others += &format!(", {text}") }
    }
    format!("{first}{others} ({samples} examples{note}{few})")
}

/// Prints the trials of a search of the learning rate as a table, in which the last trial of the chosen rate is marked;
/// nothing if there were none.
pub fn print_trials(trials: &[Trial], metric: &str) -> Result<()> {
    if trials.is_empty() {
        return Ok(());
    }
    print_line(format_args!("round  learning rate  steps   dev {metric}"))?;
    let last = trials.iter().map(|trial| trial.round).max();
    let chosen = last.zip(chosen_rate(trials));
    for Trial { round, learning_rate, steps, dev } in trials {
        let mark = if chosen == Some((*round, *learning_rate)) { "  chosen" } else { "" };
        let dev = dev.map_or_else(|| "diverged".into(), |dev| format!("{dev:.4}"));
        print_line(format_args!("{round:>5}  {learning_rate:>13e}  {steps:>5}   {dev}{mark}"))?;
    }
    Ok(())
}
