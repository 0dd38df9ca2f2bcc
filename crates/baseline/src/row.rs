//! The baseline in a table: metrics, size and speed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use crate::training::{Trained, train};
use tinybert_base::{Context, Result, files};
use tinybert_data::Split;
use tinybert_data::metrics::intervals::Estimate;
use tinybert_data::metrics::{MetricSet, Metrics};
use tinybert_data::task::{Dataset, TaskKind};

/// A model is near the baseline if it is at most so much better.
const NEAR: f64 = 0.005;

/// The largest number of texts or pairs that are learned from, so that the n-grams of all of them are in memory at
/// once. Of a larger training set, examples at even distances are taken.
const MOST_TEXTS: usize = 100_000;
/// The same for sentences with tags, so that training takes minutes at most: it learns from each of their words.
const MOST_SENTENCES: usize = 20_000;

/// What a linear baseline reaches, and what it takes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineRow {
    /// Name of the metric that selects; larger is better.
    pub metric: String,
    /// The metrics on each split by its name: `dev`, `test`, ...
    pub splits: BTreeMap<String, Metrics>,
    /// Bytes that a device would need to store ([`LinearModel::bytes`](crate::LinearModel::bytes)).
    pub bytes: u64,
    /// Median time of one answer on one core of this machine in microseconds, from the text on.
    pub microseconds: f64,
    /// Number of hashed features that have weights.
    pub features: u64,
    /// Strength of the penalty: scikit-learn's `alpha`, the inverse of its `C`.
    pub penalty: f64,
    /// Seconds of training with the choice of the penalty, on all threads.
    pub seconds: f64,
}

impl BaselineRow {
    /// Trains a baseline on `data`, whose development set chooses the penalty, and judges it on `splits`.
    ///
    /// # Errors
    /// Those of [`train`] and of [`LinearModel::evaluate`](crate::LinearModel::evaluate).
    pub fn measure(
        data: (&Dataset, &Dataset),
        metrics: MetricSet,
        splits: &[(Split, &Dataset)],
        context: &Context,
    ) -> Result<Self> {
        let begin = Instant::now();
        let (train_set, dev_set) = data;
        let most = if train_set.kind == TaskKind::Tagging { MOST_SENTENCES } else { MOST_TEXTS };
        let part = (train_set.examples.len() > most).then(|| train_set.sample(most));
        if let Some(part) = &part {
            context.progress.say(&format!(
                "the linear baseline learns from {} of the {} training examples",
                part.examples.len(),
                train_set.examples.len()
            ));
        }
        let Trained { model, penalty, dev, .. } =
            train(part.as_ref().unwrap_or(train_set), dev_set, metrics, context)?;
        let seconds = begin.elapsed().as_secs_f64();
        let judged =
            splits.iter().map(|(split, data)| Ok((split.to_string(), model.evaluate(data, metrics)?)));
        Ok(Self {
            metric: dev.primary,
            splits: judged.collect::<Result<_>>()?,
            bytes: model.bytes(),
            microseconds: model.microseconds(dev_set),
            features: model.features() as u64,
            penalty: penalty.into(),
            seconds,
        })
    }

    /// Reads what the command `baseline --out FILE` has written.
    ///
    /// # Errors
    /// [`Error::Io`](tinybert_base::Error::Io) if it cannot be read,
    /// [`Error::Input`](tinybert_base::Error::Input) with line and reason if it is not a row.
    pub fn read(path: &Path) -> Result<Self> {
        files::parse_json(path, &files::read(path)?)
    }

    /// The metric that selects on a split.
    pub fn estimate(&self, split: Split) -> Option<Estimate> {
        self.splits.get(&split.to_string())?.primary_estimate()
    }

    /// A sentence for the user of an image of `bytes` bytes whose metric on the development set is `image`, if the
    /// image is hardly better than the baseline or worse.
    pub fn comparison(&self, bytes: u64, image: Estimate) -> Option<String> {
        let own = self.estimate(Split::Dev).filter(|own| image.value - own.value <= NEAR)?;
        Some(format!(
            "A linear baseline of {} bytes reaches {} {own} on the development set, the image of {bytes} bytes {image}: \
             for this task, consider whether the image is worth its size.",
            self.bytes, self.metric
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_image_that_is_not_half_a_point_better_is_compared() {
        let dev = Metrics {
            primary: "accuracy".into(),
            values: BTreeMap::from([("accuracy".into(), 0.9)]),
            samples: 10,
            intervals: BTreeMap::from([("accuracy".into(), [0.5958, 0.9821])]),
        };
        let row = BaselineRow {
            metric: "accuracy".into(),
            splits: BTreeMap::from([("dev".into(), dev)]),
            bytes: 1000,
            microseconds: 5.0,
            features: 100,
            penalty: 1.0,
            seconds: 2.0,
        };
        let image = |value| Estimate { value, interval: [value - 0.1, value + 0.05] };
        assert_eq!(row.comparison(9000, image(0.906)), None);
        for value in [0.904, 0.8] {
            let said = row.comparison(9000, image(value)).unwrap();
            let own = "1000 bytes reaches accuracy 0.9000 [0.5958, 0.9821]";
            let of_image = format!("9000 bytes {}", image(value));
            assert!(said.contains(own) && said.contains(&of_image), "{said}");
        }
        assert_eq!(BaselineRow { splits: BTreeMap::new(), ..row }.comparison(9000, image(0.1)), None);
    }
}
