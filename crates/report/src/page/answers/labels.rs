//! The scores of each label.

use super::heading;
use crate::ReportedAnswers;
use crate::format::{grouped, metric};
use crate::markup::Element;
use crate::page::table::{self, details, number, table};

/// A table of more labels is hidden until it is opened.
const FOLDED_FROM: usize = 24;

/// The part; `None` for scores.
pub fn part(answers: &ReportedAnswers) -> Option<Vec<Element>> {
    if answers.labels.is_empty() {
        return None;
    }
    let rows = answers.labels.iter().map(|label| {
        let scores = [label.precision, label.recall, label.f1].map(|score| number(metric(score)));
        std::iter::once(table::name(&label.name))
            .chain(scores)
            .chain([number(grouped(label.support))])
            .collect()
    });
    let columns = ["label", "precision", "recall", "F1", "support"];
    let table = table("Scores of each label", &columns, rows);
    let table = match answers.labels.len() > FOLDED_FROM {
        true => details(format!("All {} labels", answers.labels.len()), [table]),
        false => table,
    };
    Some(vec![heading("Labels"), table])
}
