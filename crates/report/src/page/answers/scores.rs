//! Predicted scores beside the right ones.

use super::heading;
use crate::ReportedAnswers;
use crate::charts::{Caption, Point, agreement};
use crate::format::{grouped, metric};
use crate::markup::Element;
use crate::page::table::{details, number, table};
use crate::page::{charts, figure, paragraph};

/// The part; `None` for labels.
pub fn part(answers: &ReportedAnswers) -> Option<Vec<Element>> {
    if answers.scores.is_empty() {
        return None;
    }
    let count = answers.scores.len();
    let (title, predicted) = match answers.are_similarities {
        true => ("Similarities against gold scores", "similarity"),
        false => ("Predicted scores against gold scores", "predicted score"),
    };
    let caption = Caption {
        id: "scores".into(),
        title: title.into(),
        description: format!("{count} examples; the table below has their numbers."),
    };
    let points: Vec<Point> =
        answers.scores.iter().map(|&[gold, predicted]| Point::new(gold, predicted)).collect();
    let chart = agreement::chart(&caption, "gold score", predicted, &points, !answers.are_similarities);
    let rows = answers.scores.iter().map(|&pair| pair.map(|score| number(metric(score))).into());
    let numbers = details("Numbers", [table("Scores of examples", &["gold score", predicted], rows)]);
    let shown = (count < answers.samples).then(|| {
        let all = grouped(answers.samples as u64);
        paragraph(format!("{count} of the {all} examples, evenly spread.")).class("muted")
    });
    let parts = std::iter::once(heading("Scores")).chain(shown);
    Some(parts.chain([charts([figure(title, chart, &[])]), numbers]).collect())
}
