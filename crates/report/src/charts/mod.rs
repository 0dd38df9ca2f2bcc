//! Charts as inline SVG, one file for each kind. Most are drawn into a [`frame::Plot`] through two
//! [`scale::Scale`]s.
//!
//! All charts have the same width in user units, and the page scales them to its own width. The style sheet
//! of the page defines colours, dashes and the size of text.

pub mod agreement;
mod frame;
pub mod line;
pub mod matrix;
pub mod reliability;
pub mod rows;
pub mod scale;
pub mod scatter;

use super::markup::Element;

/// Width of every chart in user units.
const WIDTH: f64 = 480.0;

/// The description of a chart for people who do not see it.
pub struct Caption {
    /// An identifier of letters, digits and hyphens that is unique on the page.
    pub id: String,
    /// The title of the chart.
    pub title: String,
    /// The description of the chart's contents.
    pub description: String,
}

/// A pair of values, or a position in user units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The value on the horizontal axis.
    pub x: f64,
    /// The value on the vertical axis; as a position, the distance from the upper edge.
    pub y: f64,
}

impl Point {
    /// A point with these coordinates.
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }
}

/// The root element of a chart that is `height` user units high.
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
fn segment(class: &str, from: Point, to: Point) -> Element {
    let ends = [("x1", from.x), ("y1", from.y), ("x2", to.x), ("y2", to.y)];
    let line = Element::new("line").class(class);
    ends.into_iter().fold(line, |line, (name, value)| line.attr(name, coordinate(value)))
}

/// Text whose `start`, `middle` or `end` (the anchor) is at a point on its base line.
fn label(text: &str, at: Point, anchor: &str) -> Element {
    Element::new("text")
        .attr("x", coordinate(at.x))
        .attr("y", coordinate(at.y))
        .attr("text-anchor", anchor)
        .text(text)
}

/// A coordinate rounded to a tenth of a user unit, which is finer than a screen.
fn coordinate(value: f64) -> f64 {
    // Adding 0 turns -0 into 0.
    (value * 10.0).round() / 10.0 + 0.0
}
