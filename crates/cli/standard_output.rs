//! What commands print to standard output.

use std::io::Write;

use tinybert_base::{Error, Result};
use tinybert_baseline::BaselineRow;
use tinybert_data::metrics::Metrics;

/// The name of standard output in [`Error::Io`].
pub const STANDARD_OUTPUT: &str = "standard output";

/// Prints one line to standard output; a closed pipe is an error here, where `println!` would panic.
pub fn print_line(line: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(Error::io(STANDARD_OUTPUT))
}

/// `accuracy 0.9686, f1 0.9500 (872 examples)`; the metric that selects the best weights comes first.
pub fn describe_metrics(metrics: &Metrics) -> String {
    let Metrics { primary, values, samples, .. } = metrics;
    describe_values(primary, values.iter().map(|(&name, &value)| (name, value)), *samples)
}

/// One line for each split of the linear baseline: `baseline dev  accuracy 0.9857 (700 examples)`.
pub fn print_baseline(row: &BaselineRow) -> Result<()> {
    row.splits.iter().try_for_each(|(split, metrics)| {
        let values = metrics.values.iter().map(|(name, &value)| (name.as_str(), value));
        let values = describe_values(&row.metric, values, metrics.samples);
        print_line(format_args!("baseline {split:4} {values}"))
    })
}

fn describe_values<'a>(
    primary: &str,
    values: impl Iterator<Item = (&'a str, f64)>,
    samples: usize,
) -> String {
    let (mut first, mut others) = (String::new(), String::new());
    for (name, value) in values {
        if name == primary {
            first = format!("{name} {value:.4}");
        } else {
            others += &format!(", {name} {value:.4}");
        }
    }
    format!("{first}{others} ({samples} examples)")
}
