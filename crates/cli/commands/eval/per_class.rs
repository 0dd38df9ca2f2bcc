//! The scores of each label and the confusion matrix as tables.

use tinybert_data::metrics::{ClassScores, ClassificationReport};

use crate::terminal::on_one_line;

/// The most characters of a label that are shown.
const LONGEST: usize = 32;
/// The most characters of a line of a confusion matrix that is shown.
const WIDEST: usize = 120;

/// The tables, one behind the other.
pub fn to_text(report: &ClassificationReport) -> String {
    let labels = report.labels.iter().map(|(name, scores)| row(shortened(name), scores));
    let averages = report.averages.iter().map(|(name, scores)| row((*name).into(), scores));
    let support = report.averages.first().map_or(0, |(_, scores)| scores.support);
    let accuracy = report.accuracy.map(|accuracy| {
        ["accuracy".into(), String::new(), String::new(), format!("{accuracy:.4}"), support.to_string()]
    });
    let head = ["", "precision", "recall", "f1", "support"].map(String::from);
    let rows: Vec<[String; 5]> =
        std::iter::once(head).chain(labels).chain(accuracy).chain(averages).collect();
    let scores = aligned(&rows);
    match &report.confusion {
        Some(confusion) => format!("\n{scores}\n{}", matrix(report, confusion)),
        None => format!("\n{scores}"),
    }
}

fn row(name: String, ClassScores { precision, recall, f1, support }: &ClassScores) -> [String; 5] {
    let share = |value: &f64| format!("{value:.4}");
    [name, share(precision), share(recall), share(f1), support.to_string()]
}

/// The confusion matrix, whose columns have the numbers of the rows; a hint if it is too large.
fn matrix(report: &ClassificationReport, confusion: &[Vec<u64>]) -> String {
    let labels = confusion.len();
    let head =
        std::iter::once("true \\ predicted".to_owned()).chain((1..=labels).map(|number| number.to_string()));
    let rows = (1..).zip(&report.labels).zip(confusion).map(|((number, (name, _)), counts)| {
        std::iter::once(format!("{number} {}", shortened(name)))
            .chain(counts.iter().map(ToString::to_string))
            .collect()
    });
    let table = aligned(&std::iter::once(head.collect()).chain(rows).collect::<Vec<Vec<_>>>());
    if table.lines().any(|line| length(line) > WIDEST) {
        return format!("The confusion matrix of {labels} labels is too wide to be shown; --json has it.\n");
    }
    table
}

/// The rows as lines: the first column to the left, the others to the right.
fn aligned<R: AsRef<[String]>>(rows: &[R]) -> String {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |column: usize| rows.iter().map(|row| length(&row.as_ref()[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &R| {
        let cells =
            row.as_ref().iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:width$}"),
                _ => format!("  {cell:>width$}"),
            });
        cells.collect::<String>() + "\n"
    };
    rows.iter().map(line).collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The first characters of a label; the last one is `…` if the label was cut.
fn shortened(label: &str) -> String {
    let label = on_one_line(label);
    match length(&label) > LONGEST {
        true => label.chars().take(LONGEST - 1).chain(['…']).collect(),
        false => label.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(labels: usize) -> ClassificationReport {
        let scores = ClassScores { precision: 0.5, recall: 1.0, f1: 2.0 / 3.0, support: 12 };
        let name = |label: usize| if label == 0 { "für".repeat(20) } else { format!("label {label}") };
        ClassificationReport {
            labels: (0..labels).map(|label| (name(label), scores)).collect(),
            accuracy: Some(0.75),
            averages: vec![("macro avg", scores)],
            confusion: Some(vec![vec![7; labels]; labels]),
        }
    }

    #[test]
    fn columns_stand_below_each_other() {
        let text = to_text(&report(2));
        let tables: Vec<Vec<&str>> = text.trim().split("\n\n").map(|table| table.lines().collect()).collect();
        assert_eq!(tables.len(), 2, "{text}");
        for table in &tables {
            assert!(table[1..].iter().all(|line| length(line) == length(table[1])), "{text}");
        }
        assert!(tables[0][1].ends_with("…     0.5000  1.0000  0.6667       12"), "{text}");
        assert!(
            tables[0][3].starts_with("accuracy ") && tables[0][3].ends_with(" 0.7500       12"),
            "{text}"
        );
        assert!(tables[1][2].starts_with("2 label 1 ") && tables[1][2].ends_with("  7  7"), "{text}");
    }

    #[test]
    fn a_matrix_that_is_too_wide_is_left_out_with_a_hint() {
        assert!(to_text(&report(20)).contains("true \\ predicted"));
        let text = to_text(&report(60));
        assert!(text.contains("60 labels is too wide") && text.contains("--json"), "{text}");
    }
}
