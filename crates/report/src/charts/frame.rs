//! The plot of two numbers: area, grid, ticks and the names of the axes.

use super::scale::Scale;
use super::{Caption, WIDTH, label, segment, svg};
use crate::markup::Element;

/// Height of a plot in user units.
const HEIGHT: f64 = 290.0;

/// The area between the axes, in user units; the rest is for the texts.
pub const LEFT: f64 = 58.0;
pub const RIGHT: f64 = WIDTH - 22.0;
pub const TOP: f64 = 26.0;
pub const BOTTOM: f64 = HEIGHT - 46.0;

/// Range of a scale from left to right.
pub const ACROSS: [f64; 2] = [LEFT, RIGHT];
/// Range of a scale from bottom to top.
pub const UPWARDS: [f64; 2] = [BOTTOM, TOP];

/// Two axes.
pub struct Plot<'a> {
    /// Name and unit of what goes [`ACROSS`].
    pub x: (&'a str, Scale),
    /// Name and unit of what goes [`UPWARDS`].
    pub y: (&'a str, Scale),
}

impl Plot<'_> {
    /// Grid and axes, on which the rest is drawn.
    pub fn draw(&self, caption: &Caption) -> Element {
        let (x_name, x) = &self.x;
        let (y_name, y) = &self.y;
        let mut grid = Element::new("g").class("grid");
        let mut texts = Element::new("g").class("axis");
        for (at, text) in x.ticks() {
            grid = grid.child(segment("tick", [at, TOP], [at, BOTTOM]));
            texts = texts.child(label(&text, [at, BOTTOM + 16.0], "middle"));
        }
        for (at, text) in y.ticks() {
            grid = grid.child(segment("tick", [LEFT, at], [RIGHT, at]));
            texts = texts.child(label(&text, [LEFT - 7.0, at + 4.0], "end"));
        }
        let names = Element::new("g")
            .class("names")
            .child(label(x_name, [(LEFT + RIGHT) / 2.0, HEIGHT - 8.0], "middle"))
            .child(label(y_name, [4.0, 14.0], "start"));
        svg(caption, HEIGHT).children([grid, texts, names])
    }

    /// Where a pair of values is.
    pub fn position(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.x.1.position(x), self.y.1.position(y)]
    }
}
