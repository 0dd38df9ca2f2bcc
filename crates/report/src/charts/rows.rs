//! Charts of one number for each name: bars from zero for amounts, dots for numbers whose differences matter.

use super::scale::{Ends, Scale};
use super::{Caption, Point, WIDTH, coordinate, label, segment, svg};
use crate::format::shortened;
use crate::markup::Element;

/// Width of the names in user units.
const NAMES: f64 = 150.0;
/// Width of the numbers after the longest bar in user units.
const NUMBERS: f64 = 76.0;
/// Height of a row in user units.
const ROW: f64 = 26.0;
/// Number of characters that fit into the width of the names.
const CHARACTERS: usize = 22;

/// A row of a chart.
pub struct ChartRow {
    /// Name of the row.
    pub name: String,
    /// The number.
    pub value: f64,
    /// The number as text.
    pub text: String,
}

/// A chart of bars from zero, for amounts.
pub fn bars(caption: &Caption, rows: &[ChartRow]) -> Element {
    let scale = Scale::from_zero(rows.iter().map(|row| row.value), Ends::new(NAMES, WIDTH - NUMBERS));
    draw(
        caption,
        rows,
        |value, middle| {
            let bar = Element::new("rect").class("bar").attr("x", NAMES).attr("y", coordinate(middle - 8.0));
            bar.attr("width", coordinate((scale.position(value) - NAMES).max(0.5))).attr("height", 16)
        },
        |value| scale.position(value),
    )
}

/// A chart of dots on an interval around the values.
pub fn dots(caption: &Caption, rows: &[ChartRow]) -> Element {
    let ends = Ends::new(NAMES + 10.0, WIDTH - NUMBERS);
    let scale = Scale::around(rows.iter().map(|row| row.value), ends);
    draw(
        caption,
        rows,
        |value, middle| {
            let dot = Element::new("circle").class("bar").attr("r", 5).attr("cy", coordinate(middle));
            let dot = dot.attr("cx", coordinate(scale.position(value)));
            let rail = segment("tick", Point::new(ends.start, middle), Point::new(ends.end, middle));
            Element::new("g").children([rail, dot])
        },
        |value| scale.position(value),
    )
}

/// Draws the rows below each other. `mark` draws a value at the middle of its row, `end` gives the position
/// of its text.
fn draw(
    caption: &Caption,
    rows: &[ChartRow],
    mark: impl Fn(f64, f64) -> Element,
    end: impl Fn(f64) -> f64,
) -> Element {
    let drawn = rows.iter().enumerate().map(|(index, ChartRow { name, value, text })| {
        let middle = ROW * (index as f64 + 0.5);
        let name = label(&shortened(name, CHARACTERS), Point::new(NAMES - 8.0, middle + 4.0), "end");
        let text = label(text, Point::new(end(*value) + 9.0, middle + 4.0), "start");
        Element::new("g").class("row").children([name, mark(*value, middle), text])
    });
    svg(caption, ROW * rows.len() as f64).children(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, value: f64) -> ChartRow {
        ChartRow { name: name.into(), value, text: format!("{value}") }
    }

    fn caption() -> Caption {
        Caption { id: "c".into(), title: "t".into(), description: "d".into() }
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let chart = bars(&caption(), &[row("a", 10.0), row("b", 2.5), row("c", 0.0)]).to_string();
        // 0 to 10 over 150 to 404: 254 units; a quarter is 63.5.
        assert!(chart.contains("width=\"254\"") && chart.contains("width=\"63.5\""), "{chart}");
        assert!(chart.contains("width=\"0.5\""), "{chart}");
        assert!(chart.contains("viewBox=\"0 0 480 78\""), "{chart}");
    }

    #[test]
    fn dots_stand_on_an_interval_around_the_values() {
        let chart = dots(&caption(), &[row("a", 0.92), row("b", 0.96), row("c", 1.0)]).to_string();
        // 0.92 to 1.00 over 160 to 404.
        assert!(["160", "282", "404"].iter().all(|x| chart.contains(&format!("cx=\"{x}\""))), "{chart}");
    }

    #[test]
    fn long_names_are_cut() {
        let chart = bars(&caption(), &[row(&"x".repeat(40), 1.0)]).to_string();
        assert!(chart.contains(&format!(">{}…<", "x".repeat(21))), "{chart}");
    }
}
