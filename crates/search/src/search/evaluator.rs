//! Measuring the changes that a search can make.

use super::answers::{EvaluationExamples, ModelAnswers};
use super::result::{LinearSensitivity, MeasuredChanges, Measurement};
use crate::space::{SearchPoint, SearchSpace};
use tinybert_base::{Context, Error, Result};
use tinybert_quantize::stored::LinearPlace;

/// Measures every linear alone in four bits. The linear that changes the answers least comes first.
pub(super) fn measure_linears(
    space: &SearchSpace,
    examples: &EvaluationExamples,
    student: &ModelAnswers,
    context: &Context,
) -> Result<Vec<LinearSensitivity>> {
    let places = space.linears();
    context.progress.begin("measure linears", places.len() as u64);
    let mut linears = Vec::new();
    for place in places {
        let LinearPlace { layer, linear } = place;
        let answers = examples.answers(&space.with_one_in_four_bits(place)?, context)?;
        let change = Measurement::new(student.distance(&answers)?, answers.estimate);
        linears.push(LinearSensitivity { layer, linear, change });
        context.progress.advance(linears.len() as u64, "");
    }
    context.progress.end();
    linears.sort_by(|a, b| a.change.distance.total_cmp(&b.change.distance));
    Ok(linears)
}

/// Measures models against the unchanged student.
pub(super) struct Evaluator<'a> {
    pub space: &'a SearchSpace<'a>,
    pub examples: EvaluationExamples,
    /// The answers of the unchanged student.
    pub student: ModelAnswers,
}

impl Evaluator<'_> {
    /// Measures every level of every axis alone. A further level never gets a smaller distance than the level
    /// before it.
    pub fn measure_changes(&self, context: &Context) -> Result<MeasuredChanges> {
        let SearchPoint { heads, neurons, vocabulary, weights, embeddings, .. } = self.space.levels();
        let unchanged = SearchPoint::default();
        let total = heads + neurons + vocabulary + weights + embeddings;
        context.progress.begin("measure changes", total as u64);
        let mut done = 0;
        let mut axis = |levels: usize, point_at: fn(usize) -> SearchPoint| {
            let mut changes: Vec<Measurement> = Vec::new();
            for point in (0..levels).map(point_at) {
                let mut change = match point == unchanged {
                    true => Measurement::new(0.0, self.student.estimate),
                    false => self.measure(point, context)?,
                };
                let before = changes.last().map_or(0.0, |before| before.distance);
                change.distance = change.distance.max(before);
                changes.push(change);
                done += 1;
                context.progress.advance(done, "");
            }
            Ok::<_, Error>(changes)
        };
        let changes = MeasuredChanges {
            heads: axis(heads, |heads| SearchPoint { heads, ..Default::default() })?,
            neurons: axis(neurons, |neurons| SearchPoint { neurons, ..Default::default() })?,
            vocabulary: axis(vocabulary, |vocabulary| SearchPoint { vocabulary, ..Default::default() })?,
            weights: axis(weights, |weights| SearchPoint { weights, ..Default::default() })?,
            embeddings: axis(embeddings, |embeddings| SearchPoint { embeddings, ..Default::default() })?,
        };
        context.progress.end();
        Ok(changes)
    }

    /// Measures the model at a point on inputs of the longest length.
    pub fn measure(&self, point: SearchPoint, context: &Context) -> Result<Measurement> {
        let answers = self.examples.answers(&self.space.model(point)?, context)?;
        Ok(Measurement::new(self.student.distance(&answers)?, answers.estimate))
    }
}
