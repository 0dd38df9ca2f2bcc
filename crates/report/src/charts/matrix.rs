//! The confusion matrix as a heat map: rows are true labels, columns are answers.

use super::{Caption, Point, WIDTH, coordinate, label, svg};
use crate::format::shortened;
use crate::markup::Element;

/// A matrix of more labels is drawn without their names.
const LABELLED: usize = 24;
/// Space for names to the left of the matrix and above it, in user units.
const NAMES: f64 = 120.0;
/// Number of characters that fit into this space.
const CHARACTERS: usize = 15;
/// Space for the names of the axes of a matrix without names of labels.
const AXES: f64 = 22.0;
/// Largest width and height of a cell.
const CELL: f64 = 56.0;
/// Smallest cell that has its count.
const COUNTED: f64 = 22.0;
/// Opacity of a cell with almost nothing of its row: with names of labels, and without them, where cells are tiny.
const FAINTEST: [f64; 2] = [0.35, 0.55];

/// Whether a matrix of so many labels has their names.
pub fn is_labelled(labels: usize) -> bool {
    labels <= LABELLED
}

/// A chart of `counts`, rows of as many counts as there are `names`. A cell is the stronger the more of its row it has.
pub fn chart(caption: &Caption, names: &[&str], counts: &[Vec<u64>]) -> Element {
    let labels = counts.len();
    let is_labelled = is_labelled(labels);
    let edge = if is_labelled { NAMES } else { AXES };
    let cell = ((WIDTH - edge - 2.0) / labels as f64).min(CELL);
    let size = cell * labels as f64;
    let middle = |index: usize| edge + cell * (index as f64 + 0.5);
    let mut texts = Element::new("g").class("axis");
    let upright = |text: &str, at: Point, anchor: &str| {
        let turn = format!("rotate(-90 {} {})", coordinate(at.x), coordinate(at.y));
        label(text, at, anchor).attr("transform", turn)
    };
    if is_labelled {
        texts = texts.child(label("answer →", Point::new(edge - 8.0, 14.0), "end"));
        texts = texts.child(label("true label ↓", Point::new(edge - 8.0, edge - 10.0), "end"));
        for (index, name) in names.iter().enumerate() {
            let name = shortened(name, CHARACTERS);
            texts = texts.child(label(&name, Point::new(edge - 6.0, middle(index) + 4.0), "end"));
            texts = texts.child(upright(&name, Point::new(middle(index) + 4.0, edge - 6.0), "start"));
        }
    } else {
        texts = texts.child(label("answer", Point::new(edge + size / 2.0, 14.0), "middle"));
        texts = texts.child(upright("true label", Point::new(14.0, edge + size / 2.0), "middle"));
    }
    let faintest = FAINTEST[usize::from(!is_labelled)];
    let rows = counts.iter().enumerate().map(|(row, counts)| {
        let all: u64 = counts.iter().sum();
        let cells = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(column, &count)| {
            let share = count as f64 / all as f64;
            let opacity = faintest + (1.0 - faintest) * share;
            let place = Place { x: edge + cell * column as f64, y: edge + cell * row as f64, cell };
            let title = format!("{} → {}: {count}", names[row], names[column]);
            let kind = if row == column { "right" } else { "wrong" };
            place.draw(kind, opacity).child(Element::new("title").text(title))
        });
        let texts =
            counts.iter().enumerate().filter(|(_, count)| is_labelled && cell >= COUNTED && **count > 0);
        let texts = texts.map(|(column, count)| {
            label(&count.to_string(), Point::new(middle(column), middle(row) + 4.0), "middle")
        });
        Element::new("g").children(cells).children(texts)
    });
    let frame = Place { x: edge, y: edge, cell: size }.rect().class("frame");
    let kind = if is_labelled { "matrix" } else { "matrix tiny" };
    let cells = Element::new("g").class(kind).children(rows);
    svg(caption, (edge + size + 2.0).ceil()).children([cells, frame, texts])
}

/// A square.
struct Place {
    x: f64,
    y: f64,
    cell: f64,
}

impl Place {
    fn rect(&self) -> Element {
        let rect = Element::new("rect").attr("x", fine(self.x)).attr("y", fine(self.y));
        rect.attr("width", fine(self.cell)).attr("height", fine(self.cell))
    }

    fn draw(&self, class: &str, opacity: f64) -> Element {
        self.rect().class(class).attr("fill-opacity", fine(opacity))
    }
}

/// Rounded to a hundredth: cells of a tenth of the usual size have to meet.
fn fine(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(names: &[&str], counts: &[Vec<u64>]) -> String {
        let caption = Caption { id: "c".into(), title: "t".into(), description: "d".into() };
        chart(&caption, names, counts).to_string()
    }

    #[test]
    fn cells_stand_in_the_row_of_the_truth() {
        let chart = drawn(&["a", "b"], &[vec![3, 1], vec![0, 4]]);
        // Cells of 56 from 120 on; of the first row, 3 of 4 are right: 0.35 + 0.65 / 4 * 3 and 0.35 + 0.65 / 4.
        let cell = |x: u32, y: u32, class: &str, opacity: &str| {
            format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"56\" height=\"56\" class=\"{class}\" fill-opacity=\"{opacity}\">"
            )
        };
        assert!(chart.contains(&cell(120, 120, "right", "0.84")), "{chart}");
        assert!(chart.contains(&cell(176, 120, "wrong", "0.51")), "{chart}");
        assert!(chart.contains(&cell(176, 176, "right", "1")), "{chart}");
        assert!(chart.contains("a → b: 1") && !chart.contains("b → a"), "{chart}");
        assert!(chart.contains("viewBox=\"0 0 480 234\""), "{chart}");
    }

    #[test]
    fn many_labels_have_no_names_and_stay_in_the_frame() {
        let names = vec!["label"; 150];
        let counts: Vec<Vec<u64>> =
            (0..150).map(|row| (0..150).map(|column| u64::from(row == column)).collect()).collect();
        let chart = drawn(&names, &counts);
        assert!(!chart.contains(">label<") && chart.matches("<rect").count() == 151, "{chart}");
        assert!(chart.contains("viewBox=\"0 0 480 480\""), "{chart}");
    }
}
