//! What commands print to standard output.

use std::io::Write;

use tinybert_base::{Error, Result};
use tinybert_data::metrics::Metrics;

/// The name of standard output in [`Error::Io`].
pub const STANDARD_OUTPUT: &str = "standard output";

/// Prints one line to standard output; a closed pipe is an error here, where `println!` would panic.
pub fn print_line(line: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(Error::io(STANDARD_OUTPUT))
}

/// `accuracy 0.9686 [0.9547, 0.9783], f1 0.9500 [0.9286, 0.9671] (872 examples, 95 % intervals)`; the metric that selects
/// the best weights comes first. Without intervals it is `accuracy 0.9686, f1 0.9500 (872 examples)`.
pub fn describe_metrics(metrics: &Metrics) -> String {
    let value = |name: &str| {
        let interval = metrics.intervals.get(name);
        let interval = interval.map_or(String::new(), |[low, high]| format!(" [{low:.4}, {high:.4}]"));
        format!("{name} {:.4}{interval}", metrics.values[name])
    };
    let others = metrics.values.keys().copied().filter(|&name| name != metrics.primary);
    let values: Vec<String> = std::iter::once(metrics.primary).chain(others).map(value).collect();
    let with = if metrics.intervals.is_empty() { "" } else { ", 95 % intervals" };
    format!("{} ({} examples{with})", values.join(", "), metrics.samples)
}
