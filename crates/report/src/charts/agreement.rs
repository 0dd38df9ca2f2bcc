//! Points around a diagonal: two values of the same kind for each example.

use super::frame::{ACROSS, Plot, UPWARDS};
use super::scale::Scale;
use super::{Caption, Point, coordinate, segment};
use crate::markup::Element;

/// A chart of the points, whose axes have the same interval. Points that are not finite are left out.
pub fn chart(caption: &Caption, x_name: &str, y_name: &str, points: &[Point]) -> Element {
    let values = || points.iter().flat_map(|point| [point.x, point.y]);
    let (x, y) = (Scale::linear_around(values(), ACROSS), Scale::linear_around(values(), UPWARDS));
    let (low, high) = x.domain().into_inner();
    let plot = Plot { x: (x_name, x), y: (y_name, y) };
    let ends = [low, high].map(|end| plot.position(Point::new(end, end)));
    let dots = points.iter().filter(|point| point.is_finite()).map(|&point| {
        let place = plot.position(point);
        let dot = Element::new("circle").class("example").attr("r", 3);
        dot.attr("cx", coordinate(place.x)).attr("cy", coordinate(place.y))
    });
    plot.draw(caption).child(segment("diagonal", ends[0], ends[1])).children(dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_axes_have_the_same_interval() {
        let points = [(0.1, 5.0), (2.5, 2.5), (f64::NAN, 1.0)].map(|(x, y)| Point::new(x, y));
        let caption = Caption { id: "c".into(), title: "t".into(), description: "d".into() };
        let chart = chart(&caption, "gold", "predicted", &points).to_string();
        // 0 to 5 over 58 to 458 and 244 to 26: 80 and 43.6 a unit.
        assert!(chart.contains("cx=\"66\" cy=\"26\"") && chart.contains("cx=\"258\" cy=\"135\""), "{chart}");
        assert_eq!(chart.matches("<circle").count(), 2);
    }
}
