//! The table of the demo: the linear baseline, the teacher, the student and the image on the same sentences.

use std::path::Path;

use tinybert_base::{Context, Error, Result};
use tinybert_baseline::BaselineRow;
use tinybert_data::Split;
use tinybert_data::metrics::intervals::Estimate;
use tinybert_data::metrics::{MetricSet, Metrics};
use tinybert_data::task::Dataset;
use tinybert_evaluate::predictor::{FloatModel, Predictor};
use tinybert_model::Checkpoint;

use super::MAX_TOKENS;
use super::data::DemoData;
use crate::standard_output::print_line;

/// A row of the table.
pub struct Row {
    name: &'static str,
    bytes: u64,
    /// Accuracy on the test set, 0 to 1.
    accuracy: Estimate,
}

impl Row {
    /// Trains the linear baseline on the sentences that have labels, and judges it.
    pub fn of_baseline(data: &DemoData, context: &Context) -> Result<Self> {
        let splits = [(Split::Test, &data.test)];
        let row = BaselineRow::measure((&data.labelled, &data.dev), MetricSet::Accuracy, &splits, context)?;
        Ok(Self::new("linear baseline, n-grams", row.bytes, &row.splits[&Split::Test.to_string()]))
    }

    /// Judges a model folder.
    pub fn of_folder(
        name: &'static str,
        checkpoint: &Checkpoint,
        test: &Dataset,
        context: &Context,
    ) -> Result<Self> {
        let predictor = Predictor::Folder(Box::new(FloatModel::new(checkpoint, MAX_TOKENS)?));
        Self::of_model(name, 4 * checkpoint.parameters() as u64, &predictor, test, context)
    }

    /// Judges the image at `path`, which `predictor` has open.
    pub fn of_image(path: &Path, predictor: &Predictor, test: &Dataset, context: &Context) -> Result<Self> {
        let bytes = std::fs::metadata(path).map_err(Error::io(path))?.len();
        Self::of_model("model.tbim, int8", bytes, predictor, test, context)
    }

    fn of_model(
        name: &'static str,
        bytes: u64,
        predictor: &Predictor,
        test: &Dataset,
        context: &Context,
    ) -> Result<Self> {
        let metrics = predictor.evaluate_with_intervals(test, MetricSet::Accuracy, context)?;
        Ok(Self::new(name, bytes, &metrics))
    }

    fn new(name: &'static str, bytes: u64, test: &Metrics) -> Self {
        let interval = test.intervals[&test.primary];
        Self { name, bytes, accuracy: Estimate { value: test.primary(), interval } }
    }
}

/// Prints the rows under a line of titles.
pub fn print_table(rows: &[&Row]) -> Result<()> {
    print_line(format_args!(
        "\n{:26} {:>10} {:>14}   95 % interval",
        "CLINC150 intents", "size", "test accuracy"
    ))?;
    rows.iter().try_for_each(|Row { name, bytes, accuracy: Estimate { value, interval: [low, high] } }| {
        let megabytes = *bytes as f64 / 1e6;
        let [accuracy, low, high] = [*value, *low, *high].map(|share| 100.0 * share);
        print_line(format_args!("{name:26} {megabytes:>7.2} MB {accuracy:>12.1} %   {low:.1} to {high:.1} %"))
    })
}

/// What the Transformer is worth in place of the linear baseline, as far as the intervals of both accuracies tell.
pub fn verdict(baseline: &Row, image: &Row) -> String {
    let (of_image, of_baseline) = (&image.accuracy, &baseline.accuracy);
    let points = 100.0 * (of_image.value - of_baseline.value);
    let times = |large: u64, small: u64| large as f64 / small as f64;
    let size = if image.bytes < baseline.bytes {
        format!("{:.1} times smaller", times(baseline.bytes, image.bytes))
    } else {
        format!("{:.1} times larger", times(image.bytes, baseline.bytes))
    };
    if of_image.interval[0] > of_baseline.interval[1] {
        format!(
            "Here a Transformer pays: the image is {points:.1} points better than a linear classifier of the same labels, and \
             {size}."
        )
    } else if of_image.interval[1] < of_baseline.interval[0] {
        format!(
            "Here no Transformer pays: the image is {:.1} points worse than the linear baseline and {size}.",
            -points
        )
    } else {
        format!(
            "Here the accuracies do not tell the image from the linear baseline, because their intervals overlap; the \
             image is {size}."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_asks_the_intervals_and_the_sizes() {
        let row = |bytes, value: f64| {
            let accuracy = Estimate { value, interval: [value - 0.01, value + 0.01] };
            Row { name: "", bytes, accuracy }
        };
        let says = |baseline, image, parts: [&str; 2]| {
            let verdict = verdict(&baseline, &image);
            assert!(parts.iter().all(|part| verdict.contains(part)), "{verdict}");
        };
        says(row(3000, 0.75), row(1000, 0.85), ["10.0 points better", "3.0 times smaller"]);
        says(row(1000, 0.75), row(2500, 0.7), ["5.0 points worse", "2.5 times larger"]);
        says(row(1000, 0.75), row(1000, 0.765), ["overlap", "1.0 times larger"]);
    }
}
