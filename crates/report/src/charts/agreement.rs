//! Two values for each example.

use super::frame::{ACROSS, Plot, UPWARDS};
use super::scale::Scale;
use super::{Caption, Point, coordinate, segment};
use crate::markup::Element;

/// A chart of the points. If both values have the same scale, both axes have the same interval, with a diagonal. Points
/// that are not finite are left out.
pub fn chart(
    caption: &Caption,
    x_name: &str,
    y_name: &str,
    points: &[Point],
    is_same_scale: bool,
) -> Element {
    let of = |axis: fn(&Point) -> f64| points.iter().map(axis).collect::<Vec<f64>>();
    let (x_values, y_values) = (of(|point| point.x), of(|point| point.y));
    let both = [x_values.as_slice(), &y_values].concat();
    let values = |of_axis| if is_same_scale { both.clone() } else { of_axis };
    let x = Scale::linear_around(values(x_values), ACROSS);
    let y = Scale::linear_around(values(y_values), UPWARDS);
    let (low, high) = x.domain().into_inner();
    let plot = Plot { x: (x_name, x), y: (y_name, y) };
    let diagonal = is_same_scale.then(|| {
        let [from, to] = [low, high].map(|end| plot.position(Point::new(end, end)));
        segment("diagonal", from, to)
    });
    let dots = points.iter().filter(|point| point.is_finite()).map(|&point| {
        let place = plot.position(point);
        let dot = Element::new("circle").class("example").attr("r", 3);
        dot.attr("cx", coordinate(place.x)).attr("cy", coordinate(place.y))
    });
    plot.draw(caption).children(diagonal).children(dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_axes_have_the_same_interval_if_both_values_have_the_same_scale() {
        let points = [(0.1, 5.0), (2.5, 2.5), (f64::NAN, 1.0)].map(|(x, y)| Point::new(x, y));
        let caption = Caption { id: "c".into(), title: "t".into(), description: "d".into() };
        let drawn = |is_same_scale| chart(&caption, "gold", "predicted", &points, is_same_scale).to_string();
        let chart = drawn(true);
        // 0 to 5 over 58 to 458 and 244 to 26: 80 and 43.6 a unit.
        assert!(chart.contains("cx=\"66\" cy=\"26\"") && chart.contains("cx=\"258\" cy=\"135\""), "{chart}");
        assert_eq!((chart.matches("<circle").count(), chart.matches("diagonal").count()), (2, 1));
        // 1 to 5 over 244 to 26, because the third point is left out of the drawing and not of the scale.
        let apart = drawn(false);
        assert!(apart.contains("cy=\"26\"") && !apart.contains("diagonal"), "{apart}");
    }
}
