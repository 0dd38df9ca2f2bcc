//! The answers of models on development examples, and the distance between two models' answers.

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::Dataset;
use tinybert_evaluate::judge::{Judge, Outputs};
use tinybert_model::Checkpoint;
use tinybert_nn::TaskModel;
use tinybert_quantize::stored::LogitError;

/// The examples that all models of a search are evaluated on.
pub(super) struct EvaluationExamples {
    part: Dataset,
    metrics: MetricSet,
    max_tokens: usize,
}

/// The answers of a model.
pub(super) struct ModelAnswers {
    /// Name of the metric.
    pub metric: String,
    /// Value of the metric.
    pub value: f64,
    /// Logits of every answer of every example, `[examples][answers][outputs]`.
    logits: Vec<Vec<Vec<f32>>>,
}

impl EvaluationExamples {
    /// At most `count` examples, evenly spread over a data set.
    pub fn new(data: &Dataset, count: usize, metrics: MetricSet, max_tokens: usize) -> Self {
        Self { part: data.sample(count), metrics, max_tokens }
    }

    /// The answers of a model.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; the errors of the forward pass.
    pub fn answers(&self, model: &Checkpoint, context: &Context) -> Result<ModelAnswers> {
        let judge = Judge::new(&model.text, &self.part, self.metrics, self.max_tokens)?;
        let task_model = TaskModel::frozen(&model.config, &model.head, &model.tensors)?;
        let outputs = judge.outputs(&task_model, context)?;
        let head = judge.with_thresholds(&model.head, &outputs)?;
        let metrics = judge.metrics(&judge.answers(&head, &outputs)?)?;
        let logits = by_sample(&outputs, judge.answer_counts())?;
        Ok(ModelAnswers { metric: metrics.primary.to_owned(), value: metrics.primary(), logits })
    }
}

/// The logits of each sample; sample i has `counts[i]` answers.
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

impl ModelAnswers {
    /// Mean squared distance of another model's logits from these, relative to the variance of these logits
    /// (of each output over all answers). Answers that only one of the two models gives are left out.
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

    fn answers(logits: &[[f32; 2]]) -> ModelAnswers {
        let logits = logits.iter().map(|row| vec![row.to_vec()]).collect();
        ModelAnswers { metric: "accuracy".into(), value: 1.0, logits }
    }

    #[test]
    fn distances_are_shares_of_the_variance() {
        let whole = answers(&[[1.0, 5.0], [3.0, 5.0]]);
        assert_eq!(whole.distance(&whole).unwrap(), 0.0);
        // The outputs' squared deviations from their means sum to 2; half of each answer's first logit is off
        // by 1.
        assert_eq!(whole.distance(&answers(&[[2.0, 5.0], [3.0, 5.0]])).unwrap(), 0.5);
        // The mean for every answer is as far as the answers vary.
        assert_eq!(whole.distance(&answers(&[[2.0, 5.0], [2.0, 5.0]])).unwrap(), 1.0);
    }
}
