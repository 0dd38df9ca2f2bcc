//! Line charts: values over steps.

use super::frame::{ACROSS, Plot, UPWARDS};
use super::scale::Scale;
use super::scatter::{Mark, symbol};
use super::{Caption, Point, coordinate};
use crate::markup::Element;

/// Largest number of points of a line; a screen shows no more.
pub const POINTS: usize = 240;

/// Lines of at most so many points show each point as a dot.
const DOTTED: usize = 24;

/// A named line.
pub struct Series {
    /// Name of the line.
    pub name: String,
    /// Points with ascending x. Points that are not finite are left out.
    pub points: Vec<Point>,
}

/// A chart with a line for each of `series`. The classes `s0`, `s1`, ... set colours and dashes.
pub fn chart(caption: &Caption, x_name: &str, y_name: &str, series: &[Series]) -> Element {
    marked(caption, x_name, y_name, series, None)
}

/// The same with a diamond at the point `mark`.
pub fn marked(
    caption: &Caption,
    x_name: &str,
    y_name: &str,
    series: &[Series],
    mark: Option<Point>,
) -> Element {
    let thin: Vec<Vec<Point>> = series.iter().map(|series| thinned(&series.points)).collect();
    let points = || thin.iter().flatten().chain(&mark);
    let plot = Plot {
        x: (x_name, Scale::from_zero(points().map(|point| point.x), ACROSS)),
        y: (y_name, Scale::around(points().map(|point| point.y), UPWARDS)),
    };
    let lines = thin.iter().enumerate().map(|(index, points)| {
        let places: Vec<Point> = points.iter().map(|&point| plot.position(point)).collect();
        let group = Element::new("g").class(class(index));
        let group = group.child(Element::new("path").class("line").attr("d", path(&places)));
        let dots = places.iter().filter(|_| places.len() <= DOTTED);
        group.children(dots.map(|place| {
            let dot = Element::new("circle").class("dot").attr("r", 3);
            dot.attr("cx", coordinate(place.x)).attr("cy", coordinate(place.y))
        }))
    });
    let mark = mark.map(|mark| symbol(Mark::Chosen, plot.position(mark)));
    plot.draw(caption).children(lines).children(mark)
}

/// The class of the line with this index. There are six classes, which repeat.
pub fn class(index: usize) -> String {
    format!("s{}", index % 6)
}

/// The path of a line through all points.
fn path(places: &[Point]) -> String {
    let parts = places.iter().enumerate().map(|(index, place)| {
        let command = if index == 0 { 'M' } else { 'L' };
        format!("{command}{} {}", coordinate(place.x), coordinate(place.y))
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// The finite points. If a chart cannot show all of them, neighbouring points are replaced by their mean.
fn thinned(points: &[Point]) -> Vec<Point> {
    let finite: Vec<Point> = points.iter().copied().filter(|point| point.is_finite()).collect();
    let neighbours = finite.len().div_ceil(POINTS).max(1);
    let mean = |points: &[Point], axis: fn(&Point) -> f64| {
        points.iter().map(axis).sum::<f64>() / points.len() as f64
    };
    let middle = |points: &[Point]| Point::new(mean(points, |point| point.x), mean(points, |point| point.y));
    finite.chunks(neighbours).map(middle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_become_means_of_neighbours() {
        let points: Vec<Point> = (0..480).map(|x| Point::new(f64::from(x), f64::from(x % 2))).collect();
        let thin = thinned(&points);
        assert_eq!(thin.len(), 240);
        assert!(
            thin.iter().enumerate().all(|(index, point)| *point == Point::new(2.0 * index as f64 + 0.5, 0.5))
        );
    }

    #[test]
    fn points_stand_where_the_scales_say() {
        let points = [(0.0, 4.0), (50.0, f64::NAN), (100.0, 0.0)].map(|(x, y)| Point::new(x, y));
        let series = [Series { name: "loss".into(), points: points.to_vec() }];
        let caption = Caption { id: "c".into(), title: "t".into(), description: "d".into() };
        let chart = chart(&caption, "steps", "loss", &series).to_string();
        // The area is 58 to 458 across and 244 to 26 upwards; 0 to 100 and 0 to 4 are round ends already.
        assert!(chart.contains("d=\"M58 26 L458 244\""), "{chart}");
        assert!(chart.contains("cx=\"458\" cy=\"244\""), "{chart}");
    }
}
