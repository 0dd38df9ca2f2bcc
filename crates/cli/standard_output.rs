//! What commands print to standard output.

use std::io::Write;

use tinybert_base::{Error, Result};
use tinybert_baseline::BaselineRow;
use tinybert_data::metrics::Metrics;
use tinybert_data::metrics::intervals::{Estimate, LEAST_SAMPLES};
use tinybert_quantize::FittedConfidence;
use tinybert_runtime::image::Confidence;
use tinybert_train::{Trial, chosen_rate};

use crate::terminal::safe_lines;

/// The name of standard output in [`Error::Io`].
pub const STANDARD_OUTPUT: &str = "standard output";

/// Prints one line, or several, for people to standard output; a closed pipe is an error here, where `println!` would
/// panic. Names and texts of others that are part of the line have gone through
/// [`on_one_line`](crate::terminal::on_one_line).
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
    let (mut first, mut others) = (String::new(), String::new());
    for (name, &value) in values {
        let text = match intervals.get(name) {
            Some(&interval) => format!("{name} {}", Estimate { value, interval }),
            None => format!("{name} {value:.4}"),
        };
        if name == primary { first = text } else { others += &format!(", {text}") }
    }
    let note = if intervals.is_empty() { "" } else { ", 95 % intervals" };
    let lacks_one = values.keys().any(|name| !intervals.contains_key(name));
    let few = if lacks_one && *samples < LEAST_SAMPLES { ", too few for bootstrap intervals" } else { "" };
    format!("{first}{others} ({samples} examples{note}{few})")
}

/// One line for each split of the linear baseline: `baseline dev  accuracy 0.9857 [0.9739, 0.9922] (700 examples, 95 %
/// intervals)`.
pub fn print_baseline(row: &BaselineRow) -> Result<()> {
    row.splits.iter().try_for_each(|(split, metrics)| {
        print_line(format_args!("baseline {split:4} {}", describe_metrics(metrics)))
    })
}

/// Prints the temperature and the threshold that an image got, and how good they are on the rows that have chosen them.
/// `labels` are those of the image.
pub fn print_fitted(fitted: &FittedConfidence, labels: &[String]) -> Result<()> {
    const ERROR: &str = "expected_calibration_error";
    let before = fitted.before.values.get(ERROR).copied().unwrap_or_default();
    print_line(describe_confidence(&fitted.confidence, labels))?;
    print_line(format_args!("dev {}", fitted.after))?;
    print_line(format_args!("dev without a temperature: {ERROR} {before:.4}"))?;
    print_line(
        "Temperature and threshold were fitted to these very rows: measure with `eval` on rows that they were not fitted \
         to.",
    )
}

/// `temperature 1.2345; answers are accepted from a probability of 0.6000 on, not accepted with the label other`.
pub fn describe_confidence(confidence: &Confidence, labels: &[String]) -> String {
    let Confidence { temperature, threshold, out_of_scope } = *confidence;
    let accepted = if threshold > 0.0 {
        format!("accepted from a probability of {threshold:.4} on")
    } else {
        "accepted with every probability".to_owned()
    };
    let label = out_of_scope.and_then(|label| labels.get(label as usize));
    let label = label.map_or_else(String::new, |label| format!(", not accepted with the label {label}"));
    format!("temperature {temperature:.4}; answers are {accepted}{label}")
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
