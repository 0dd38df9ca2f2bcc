//! The frame of a plot with two axes: grid, ticks and the names of the axes.

use super::scale::{Ends, Scale};
use super::{Caption, Point, WIDTH, label, segment, svg};
use crate::markup::Element;

/// Height of a plot in user units.
const HEIGHT: f64 = 290.0;

/// Left edge of the area between the axes in user units. Texts stand outside of the area.
pub const LEFT: f64 = 58.0;
/// Right edge of the area.
pub const RIGHT: f64 = WIDTH - 22.0;
/// Upper edge of the area.
pub const TOP: f64 = 26.0;
/// Lower edge of the area.
pub const BOTTOM: f64 = HEIGHT - 46.0;

/// Range of a scale from left to right.
pub const ACROSS: Ends = Ends::new(LEFT, RIGHT);
/// Range of a scale from bottom to top.
pub const UPWARDS: Ends = Ends::new(BOTTOM, TOP);

/// A plot with two axes.
pub struct Plot<'a> {
    /// Name with unit, and scale, of the horizontal axis.
    pub x: (&'a str, Scale),
    /// Name with unit, and scale, of the vertical axis.
    pub y: (&'a str, Scale),
}

impl Plot<'_> {
    /// Draws grid and axes. Everything else is drawn on top.
    pub fn draw(&self, caption: &Caption) -> Element {
        let (x_name, x) = &self.x;
        let (y_name, y) = &self.y;
        let mut grid = Element::new("g").class("grid");
        let mut texts = Element::new("g").class("axis");
        for (at, text) in x.ticks() {
            grid = grid.child(segment("tick", Point::new(at, TOP), Point::new(at, BOTTOM)));
            texts = texts.child(label(&text, Point::new(at, BOTTOM + 16.0), "middle"));
        }
        for (at, text) in y.ticks() {
            grid = grid.child(segment("tick", Point::new(LEFT, at), Point::new(RIGHT, at)));
            texts = texts.child(label(&text, Point::new(LEFT - 7.0, at + 4.0), "end"));
        }
        let names = Element::new("g")
            .class("names")
            .child(label(x_name, Point::new((LEFT + RIGHT) / 2.0, HEIGHT - 8.0), "middle"))
            .child(label(y_name, Point::new(4.0, 14.0), "start"));
        svg(caption, HEIGHT).children([grid, texts, names])
    }

    /// The position of a pair of values in user units.
    pub fn position(&self, values: Point) -> Point {
        Point::new(self.x.1.position(values.x), self.y.1.position(values.y))
    }
}
