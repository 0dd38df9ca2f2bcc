//! The confusion matrix, and the labels that are confused most often.

use super::heading;
use crate::ReportedAnswers;
use crate::charts::{Caption, matrix};
use crate::format::{grouped, number as three_digits};
use crate::markup::Element;
use crate::page::table::{self, details, number, table};
use crate::page::{charts, figure, paragraph};

/// Largest number of confused pairs in the table.
const PAIRS: usize = 20;

/// The part; `None` for answers that are not one label.
pub fn part(answers: &ReportedAnswers) -> Option<Vec<Element>> {
    let counts = &answers.confusion;
    if counts.is_empty() {
        return None;
    }
    let names: Vec<&str> = answers.labels.iter().map(|label| label.name.as_str()).collect();
    let note = "A row has the examples of one true label, a column the answers with one label. Right answers stand on the \
                diagonal. The larger the share of its row, the stronger is the colour of a cell.";
    let title = "How often each label got which answer";
    let is_labelled = matrix::is_labelled(counts.len());
    let caption = Caption {
        id: "confusion".into(),
        title: title.into(),
        description: format!("A matrix of {} labels; the tables have the numbers.", counts.len()),
    };
    let chart = figure(title, matrix::chart(&caption, &names, counts), &[]);
    let beside = pairs(&names, counts).unwrap_or_else(|| paragraph("No answer is wrong."));
    let whole = is_labelled.then(|| details("The whole matrix", [whole(&names, counts)]));
    let parts = [heading("Confusion matrix"), paragraph(note).class("muted"), charts([chart, beside])];
    Some(parts.into_iter().chain(whole).collect())
}

/// The pairs of labels that are confused most often; of equally frequent ones those of the first labels. `None` if
/// every answer is right.
fn pairs(names: &[&str], counts: &[Vec<u64>]) -> Option<Element> {
    let mut wrong: Vec<(usize, usize, u64)> = (counts.iter().enumerate())
        .flat_map(|(gold, row)| row.iter().enumerate().map(move |(answer, &count)| (gold, answer, count)))
        .filter(|&(gold, answer, count)| gold != answer && count > 0)
        .collect();
    wrong.sort_by_key(|&(.., count)| std::cmp::Reverse(count));
    let all = wrong.len();
    wrong.truncate(PAIRS);
    let rows = wrong.iter().map(|&(gold, answer, count)| {
        let of_label: u64 = counts[gold].iter().sum();
        let share = 100.0 * count as f64 / of_label as f64;
        vec![
            table::name(names[gold]),
            table::text(names[answer]),
            number(grouped(count)),
            number(three_digits(share)),
        ]
    });
    let caption = match all > PAIRS {
        true => format!("The {PAIRS} most frequent of {all} confusions"),
        false => "Confusions".to_owned(),
    };
    (all > 0).then(|| table(&caption, &["true label", "answer", "examples", "% of label"], rows))
}

fn whole(names: &[&str], counts: &[Vec<u64>]) -> Element {
    let columns: Vec<&str> = std::iter::once("true label").chain(names.iter().copied()).collect();
    let rows = names.iter().zip(counts).map(|(name, row)| {
        std::iter::once(table::name(name)).chain(row.iter().map(|&count| number(grouped(count)))).collect()
    });
    table("Confusion matrix: true labels by answers", &columns, rows)
}
