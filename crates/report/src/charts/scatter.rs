//! Scatter charts: the cost and the quality of candidates.

use super::frame::{ACROSS, BOTTOM, LEFT, Plot, RIGHT, TOP, UPWARDS};
use super::scale::Scale;
use super::{Caption, Point, coordinate, label, segment};
use crate::markup::Element;

/// How a point is drawn. Later kinds are drawn above earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// A candidate beyond a limit: a cross.
    Infeasible,
    /// A candidate that was only predicted: a ring.
    Predicted,
    /// A candidate that was measured: a disc.
    Measured,
    /// The chosen candidate: a diamond.
    Chosen,
}

/// One candidate of a chart.
pub struct PlottedPoint {
    /// Cost (x) and quality (y).
    pub at: Point,
    /// How it is drawn.
    pub mark: Mark,
    /// True on the Pareto front, which is drawn as a line.
    pub front: bool,
    /// Text that appears when the pointer rests on the point.
    pub title: String,
}

/// The limits of cost and quality.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Largest cost.
    pub x: Option<f64>,
    /// Smallest quality.
    pub y: Option<f64>,
}

/// A chart of the points, the Pareto front, and the limits that are near the points.
pub fn chart(
    caption: &Caption,
    x_name: &str,
    y_name: &str,
    points: &[PlottedPoint],
    limits: Limits,
) -> Element {
    let costs = points.iter().map(|point| point.at.x);
    let qualities = points.iter().map(|point| point.at.y);
    let near = Limits { x: near(costs.clone(), limits.x), y: near(qualities.clone(), limits.y) };
    let plot = Plot {
        x: (x_name, Scale::around(costs.chain(near.x), ACROSS)),
        y: (y_name, Scale::around(qualities.chain(near.y), UPWARDS)),
    };
    let mut order: Vec<&PlottedPoint> = points.iter().filter(|point| point.at.is_finite()).collect();
    order.sort_by_key(|point| point.mark);
    let marks = order.into_iter().map(|point| {
        symbol(point.mark, plot.position(point.at)).child(Element::new("title").text(&point.title))
    });
    plot.draw(caption).children(lines(&plot, near)).child(front(&plot, points)).children(marks)
}

/// The limit, if it is so near that a scale with it does not press the points together.
fn near(values: impl Iterator<Item = f64> + Clone, limit: Option<f64>) -> Option<f64> {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    let room = (high - low).max(high.abs() * 0.05);
    limit.filter(|limit| (low - room..=high + room).contains(limit))
}

fn lines(plot: &Plot, limits: Limits) -> Vec<Element> {
    let x = limits.x.map(|limit| {
        let x = plot.x.1.position(limit);
        [
            segment("limit", Point::new(x, TOP), Point::new(x, BOTTOM)),
            label("limit", Point::new(x - 4.0, TOP + 12.0), "end").class("limit-name"),
        ]
    });
    let y = limits.y.map(|limit| {
        let y = plot.y.1.position(limit);
        [
            segment("limit", Point::new(LEFT, y), Point::new(RIGHT, y)),
            label("floor", Point::new(RIGHT - 4.0, y + 13.0), "end").class("limit-name"),
        ]
    });
    x.into_iter().chain(y).flatten().collect()
}

/// The Pareto front as a stair: the best quality for any cost up to x.
fn front(plot: &Plot, points: &[PlottedPoint]) -> Element {
    let mut front: Vec<Point> = points.iter().filter(|point| point.front).map(|point| point.at).collect();
    front.retain(|at| at.is_finite());
    front.sort_by(|a, b| a.x.total_cmp(&b.x).then(b.y.total_cmp(&a.y)));
    // A point may be on the front because of a cost that this plane does not show, and be dominated in this
    // plane.
    let mut best = f64::NEG_INFINITY;
    front.retain(|at| {
        let rises = at.y > best;
        best = best.max(at.y);
        rises
    });
    let mut path = String::new();
    for at in front {
        let place = plot.position(at);
        let (x, y) = (coordinate(place.x), coordinate(place.y));
        path += &if path.is_empty() { format!("M{x} {y}") } else { format!(" H{x} V{y}") };
    }
    Element::new("path").class("front").attr("d", path)
}

/// A mark whose middle is at a position in user units.
pub fn symbol(mark: Mark, place: Point) -> Element {
    let (x, y) = (coordinate(place.x), coordinate(place.y));
    let circle = |class| Element::new("circle").class(class).attr("cx", x).attr("cy", y).attr("r", 4);
    let path = |class, d: String| Element::new("path").class(class).attr("d", d);
    match mark {
        Mark::Measured => circle("measured"),
        Mark::Predicted => circle("predicted"),
        Mark::Infeasible => {
            path("infeasible", format!("M{} {} l7 7 m0 -7 l-7 7", coordinate(x - 3.5), coordinate(y - 3.5)))
        }
        Mark::Chosen => path("chosen", format!("M{x} {} l6 6 l-6 6 l-6 -6 Z", coordinate(y - 6.0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64, mark: Mark, front: bool) -> PlottedPoint {
        PlottedPoint { at: Point::new(x, y), mark, front, title: format!("{x}, {y}") }
    }

    fn drawn(points: &[PlottedPoint], limits: Limits) -> String {
        let caption = Caption { id: "c".into(), title: "t".into(), description: "d".into() };
        chart(&caption, "flash, MB", "accuracy", points, limits).to_string()
    }

    #[test]
    fn points_front_and_limits_stand_where_the_scales_say() {
        let points = [
            point(10.0, 1.0, Mark::Chosen, true),
            point(0.0, 0.0, Mark::Measured, true),
            point(5.0, 0.4, Mark::Predicted, true),
            point(8.0, 0.2, Mark::Infeasible, false),
        ];
        // 0 to 10 over 58 to 458: 40 a unit. 0 to 1 over 244 to 26: 218.
        let chart = drawn(&points, Limits { x: Some(7.5), y: Some(0.5) });
        assert!(chart.contains("<path class=\"front\" d=\"M58 244 H258 V156.8 H458 V26\">"), "{chart}");
        assert!(chart.contains("class=\"predicted\" cx=\"258\" cy=\"156.8\""), "{chart}");
        assert!(chart.contains("class=\"limit\" x1=\"358\" y1=\"26\" x2=\"358\" y2=\"244\""), "{chart}");
        assert!(chart.contains("class=\"limit\" x1=\"58\" y1=\"135\" x2=\"458\" y2=\"135\""), "{chart}");
        let names = chart.matches(">limit</text>").count() + chart.matches(">floor</text>").count();
        assert!(names == 2 && chart.contains(">floor</text>"), "{chart}");
        // The diamond is drawn last.
        assert!(chart.rfind("chosen") > chart.rfind("measured"), "{chart}");
    }

    #[test]
    fn limits_far_away_do_not_squeeze_the_points() {
        let points = [point(1.0, 0.5, Mark::Measured, false), point(2.0, 0.6, Mark::Measured, false)];
        assert!(!drawn(&points, Limits { x: Some(1000.0), y: None }).contains("class=\"limit\""));
        assert!(drawn(&points, Limits { x: Some(2.9), y: None }).contains("class=\"limit\""));
    }
}
