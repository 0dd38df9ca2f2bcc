//! How far a model's answers are from another's, and how good they are.

use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::Dataset;
use tinybert_evaluate::judge::{Judge, Outputs};
use tinybert_model::Checkpoint;
use tinybert_nn::TaskModel;
use tinybert_quantize::stored::LogitError;

/// The examples that all variants of a model are judged by.
pub(super) struct Examples {
    part: Dataset,
    metrics: MetricSet,
    max_tokens: usize,
}

/// What a variant gives.
pub(super) struct Answers {
    /// Name of the metric.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Logits of every answer of every example.
    logits: Vec<Vec<Vec<f32>>>,
}

impl Examples {
    /// At most `count` of a data set, evenly spread.
    pub fn new(data: &Dataset, count: usize, metrics: MetricSet, max_tokens: usize) -> Self {
        Self { part: data.sample(count), metrics, max_tokens }
    }

    /// The answers of a model.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; those of the forward pass.
    pub fn answers(&self, model: &Checkpoint, context: &Context) -> Result<Answers> {
        let judge = Judge::new(&model.text, &self.part, self.metrics, self.max_tokens)?;
        let task_model = TaskModel::frozen(&model.config, &model.head, &model.tensors)?;
        let outputs = judge.outputs(&task_model, context)?;
        let metrics = judge.metrics(&judge.answers(&model.head, &outputs)?)?;
        let logits = by_sample(&outputs, judge.answer_counts())?;
        Ok(Answers { metric: metrics.primary.to_owned(), value: metrics.primary(), logits })
    }
}

/// Logits by sample, of which each has so many answers.
fn by_sample(outputs: &Outputs, counts: Vec<usize>) -> Result<Vec<Vec<Vec<f32>>>> {
    let mut logits = vec![Vec::new(); counts.len()];
    for (samples, rows) in outputs {
        let mut rows = rows.to_vec2::<f32>()?.into_iter();
        for &sample in samples {
            logits[sample] = rows.by_ref().take(counts[sample]).collect();
        }
    }
    Ok(logits)
}

impl Answers {
    /// Mean squared distance of another model's logits from these, relative to the variance of these: of each output over all
    /// answers. An answer that only one of both gives is left out.
    ///
    /// # Errors
    /// [`Error::Usage`] for models that answer different things.
    pub fn distance(&self, other: &Self) -> Result<f64> {
        let pairs = self.logits.iter().zip(&other.logits).flat_map(|(ours, theirs)| ours.iter().zip(theirs));
        let mut error = LogitError::default();
        for (ours, theirs) in pairs {
            if ours.len() != theirs.len() {
                return Err(Error::Usage("models of different heads are not compared".into()));
            }
            error.add(theirs, ours);
        }
        Ok(error.relative())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(logits: &[[f32; 2]]) -> Answers {
        let logits = logits.iter().map(|row| vec![row.to_vec()]).collect();
        Answers { metric: "accuracy".into(), value: 1.0, logits }
    }

    #[test]
    fn distances_are_shares_of_the_variance() {
        let whole = answers(&[[1.0, 5.0], [3.0, 5.0]]);
        assert_eq!(whole.distance(&whole).unwrap(), 0.0);
        // The outputs' squared deviations from their means sum to 2; half of each answer's first logit is off by 1.
        assert_eq!(whole.distance(&answers(&[[2.0, 5.0], [3.0, 5.0]])).unwrap(), 0.5);
        // The mean for every answer is as far as the answers vary.
        assert_eq!(whole.distance(&answers(&[[2.0, 5.0], [2.0, 5.0]])).unwrap(), 1.0);
    }
}
