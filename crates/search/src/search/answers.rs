//! The answers of models on development examples, and the distance between two models' answers.

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::metrics::intervals::Estimate;
use tinybert_data::task::Dataset;
use tinybert_evaluate::Outputs;
use tinybert_evaluate::judge::Judge;
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
    /// Value of the metric with its 95 % interval.
    pub estimate: Estimate,
    /// Logits of every answer of every example.
    outputs: Outputs,
    /// Logits of an answer.
    width: usize,
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
        let outcomes = judge.outcomes(&judge.answers(&head, &outputs)?)?;
        let (metric, estimate) = (outcomes.metrics().primary, outcomes.estimate());
        Ok(ModelAnswers { metric, estimate, outputs, width: head.outputs() })
    }
}

impl ModelAnswers {
    /// Mean squared distance of another model's logits from these, relative to the variance of these logits
    /// (of each output over all answers). Answers that only one of the two models gives are left out.
    ///
    /// # Errors
    /// [`Error::Usage`] for models that answer different things.
    pub fn distance(&self, other: &Self) -> Result<f64> {
        if self.width != other.width {
            return Err(Error::Usage("models of different heads are not compared".into()));
        }
        Ok(LogitError::of_outputs(&other.outputs, &self.outputs, self.width).relative())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(logits: &[[f32; 2]]) -> ModelAnswers {
        let outputs = logits.iter().map(|row| row.to_vec()).collect();
        let estimate = Estimate { value: 1.0, interval: [0.5, 1.0] };
        ModelAnswers { metric: "accuracy".into(), estimate, outputs, width: 2 }
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
