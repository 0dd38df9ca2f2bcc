//! Measuring the changes that a search can make.

use super::answers::{EvaluationExamples, ModelAnswers};
use super::result::{LinearSensitivity, Measurement};
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
        let change = Measurement { distance: student.distance(&answers)?, metric: answers.value };
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
    pub fn measure_changes(&self, context: &Context) -> Result<[Vec<Measurement>; 5]> {
        let SearchPoint { heads, neurons, vocabulary, weights, embeddings, .. } = self.space.levels();
        let unchanged = SearchPoint::default();
        let axes: [Vec<SearchPoint>; 5] = [
            (0..heads).map(|heads| SearchPoint { heads, ..unchanged }).collect(),
            (0..neurons).map(|neurons| SearchPoint { neurons, ..unchanged }).collect(),
            (0..vocabulary).map(|vocabulary| SearchPoint { vocabulary, ..unchanged }).collect(),
            (0..weights).map(|weights| SearchPoint { weights, ..unchanged }).collect(),
            (0..embeddings).map(|embeddings| SearchPoint { embeddings, ..unchanged }).collect(),
        ];
        context.progress.begin("measure changes", axes.iter().map(Vec::len).sum::<usize>() as u64);
        let mut done = 0;
        let mut axis = |points: Vec<SearchPoint>| {
            let mut changes: Vec<Measurement> = Vec::new();
            for point in points {
                let mut change = match point == unchanged {
                    true => Measurement { distance: 0.0, metric: self.student.value },
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
        let [heads, neurons, vocabulary, weights, embeddings] = axes;
        let changes = [axis(heads)?, axis(neurons)?, axis(vocabulary)?, axis(weights)?, axis(embeddings)?];
        context.progress.end();
        Ok(changes)
    }

    /// Measures the model at a point on inputs of the longest length.
    pub fn measure(&self, point: SearchPoint, context: &Context) -> Result<Measurement> {
        let answers = self.examples.answers(&self.space.model(point)?, context)?;
        Ok(Measurement { distance: self.student.distance(&answers)?, metric: answers.value })
    }
}
