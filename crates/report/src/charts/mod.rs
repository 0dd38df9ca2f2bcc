//! Charts as inline SVG: one file per kind, drawn into a [`frame::Plot`] through two [`scale::Scale`]s.
//!
//! All have the same width in user units, and the page scales them to its own. Colours, dashes and the size of text are
//! classes of the page's style sheet.

mod frame;
pub mod line;
pub mod rows;
pub mod scale;
pub mod scatter;

use super::markup::Element;

/// Width of every chart in user units.
const WIDTH: f64 = 480.0;

/// What a chart is to those who do not see it.
pub struct Caption {
    /// Unique on the page: letters, digits and hyphens.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// What there is to see.
    pub description: String,
}

/// The root of a chart `height` user units high.
fn svg(caption: &Caption, height: f64) -> Element {
    let (title, description) = (format!("{}-title", caption.id), format!("{}-description", caption.id));
    Element::new("svg")
        .attr("viewBox", format_args!("0 0 {WIDTH} {height}"))
        .attr("role", "img")
        .attr("aria-labelledby", format_args!("{title} {description}"))
        .child(Element::new("title").attr("id", title).text(&caption.title))
        .child(Element::new("desc").attr("id", description).text(&caption.description))
}

/// A straight line.
fn segment(class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) -> Element {
    let ends = [("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)];
    let line = Element::new("line").class(class);
    ends.into_iter().fold(line, |line, (name, value)| line.attr(name, coordinate(value)))
}

/// Text that begins, ends or has its middle (`start`, `end`, `middle`) at a point on its base line.
fn label(text: &str, [x, y]: [f64; 2], anchor: &str) -> Element {
    Element::new("text")
        .attr("x", coordinate(x))
        .attr("y", coordinate(y))
        .attr("text-anchor", anchor)
        .text(text)
}

/// A tenth of a user unit is finer than a screen.
fn coordinate(value: f64) -> f64 {
    // No negative zero.
    (value * 10.0).round() / 10.0 + 0.0
}
