//! The table of the results as Markdown.

use std::fmt::Write;

use super::{Ablation, AblationResult};

/// A table of the rows in their order: the mean over the seeds with its standard deviation, and the
/// difference from the whole method.
pub(super) fn markdown(results: &[AblationResult]) -> String {
    let metric = results.first().map_or("metric", |row| &row.metric);
    let mut table = format!(
        "| row | dev {metric} | from full | seeds | steps | tokens | minutes |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    let full = RowMean::of_row(results, Ablation::Full);
    for row in Ablation::ALL {
        let Some(mean) = RowMean::of_row(results, row) else { continue };
        let from_full = match &full {
            Some(full) if row != Ablation::Full => format!("{:+.2}", 100.0 * (mean.dev - full.dev)),
            _ => String::new(),
        };
        let spread = mean.deviation.map_or(String::new(), |deviation| format!(" ± {:.2}", 100.0 * deviation));
        writeln!(
            table,
            "| {} | {:.2}{spread} | {from_full} | {} | {:.0} | {:.0} | {:.1} |",
            row.name(),
            100.0 * mean.dev,
            mean.seeds,
            mean.steps,
            mean.tokens,
            mean.seconds / 60.0
        )
        .expect("a string takes all that is written to it");
    }
    table
}

/// Means over the seeds of a row.
struct RowMean {
    dev: f64,
    /// Standard deviation of the sample; `None` for a single seed.
    deviation: Option<f64>,
    seeds: usize,
    steps: f64,
    tokens: f64,
    seconds: f64,
}

impl RowMean {
    /// The means of a row; `None` if the row has not run.
    fn of_row(results: &[AblationResult], row: Ablation) -> Option<Self> {
        let runs: Vec<&AblationResult> = results.iter().filter(|run| run.row == row).collect();
        if runs.is_empty() {
            return None;
        }
        let count = runs.len() as f64;
        let mean =
            |value: &dyn Fn(&AblationResult) -> f64| runs.iter().map(|run| value(run)).sum::<f64>() / count;
        let dev = mean(&|run| run.dev);
        let squares = runs.iter().map(|run| (run.dev - dev).powi(2)).sum::<f64>();
        Some(Self {
            dev,
            deviation: (runs.len() > 1).then(|| (squares / (count - 1.0)).sqrt()),
            seeds: runs.len(),
            steps: mean(&|run| run.steps as f64),
            tokens: mean(&|run| run.tokens as f64),
            seconds: mean(&|run| run.seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(row: Ablation, seed: u64, dev: f64) -> AblationResult {
        AblationResult { row, seed, metric: "accuracy".into(), dev, steps: 10, tokens: 1000, seconds: 90.0 }
    }

    #[test]
    fn rows_have_means_deviations_and_distances() {
        let runs = [
            run(Ablation::MapTop, 1, 0.5),
            run(Ablation::Full, 1, 0.80),
            run(Ablation::Full, 2, 0.82),
            run(Ablation::Full, 3, 0.90),
        ];
        let table = markdown(&runs);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert!(lines[0].starts_with("| row | dev accuracy |"), "{table}");
        // 0.84; the deviations -0.04, -0.02 and 0.06 give a variance of 0.0056 / 2.
        assert_eq!(lines[2], "| full | 84.00 ± 5.29 |  | 3 | 10 | 1000 | 1.5 |");
        assert_eq!(lines[3], "| map-top | 50.00 | -34.00 | 1 | 10 | 1000 | 1.5 |");
    }
}
