//! The reliability diagram: a bar for each bin of probability, as high as the share of right answers.

use tinybert_data::metrics::confidence::ReliabilityBin;

use super::frame::{ACROSS, BOTTOM, Plot, TOP, UPWARDS};
use super::scale::Scale;
use super::{Caption, Point, coordinate, label, segment};
use crate::markup::Element;

/// Space between bars in user units.
const GAP: f64 = 2.0;
/// Height of a count in user units.
const COUNT: f64 = 16.0;

/// A chart of the bins, which divide the probabilities from 0 to 1 equally.
pub fn chart(caption: &Caption, bins: &[ReliabilityBin]) -> Element {
    let plot = Plot {
        x: ("probability of the answer", Scale::around([0.0, 1.0], ACROSS)),
        y: ("share of right answers", Scale::around([0.0, 1.0], UPWARDS)),
    };
    let (x, y) = (&plot.x.1, &plot.y.1);
    let bars = bins.iter().enumerate().filter_map(|(at, bin)| {
        let (accuracy, _) = bin.accuracy_and_confidence()?;
        let [left, right] = [at, at + 1].map(|edge| x.position(edge as f64 / bins.len() as f64));
        let top = y.position(accuracy).min(BOTTOM - 1.0);
        let bar = Element::new("rect").class("share").attr("x", coordinate(left + GAP / 2.0));
        let bar = bar.attr("width", coordinate(right - left - GAP)).attr("y", coordinate(top));
        // A count above a high bar would run into the name of the axis.
        let (class, base) =
            if top < TOP + COUNT { ("count inside", top + COUNT - 4.0) } else { ("count", top - 4.0) };
        let count = label(&short(bin.count), Point::new((left + right) / 2.0, base), "middle").class(class);
        Some([bar.attr("height", coordinate(BOTTOM - top)), count])
    });
    let [low, high] = [0.0, 1.0].map(|end| plot.position(Point::new(end, end)));
    let bars: Vec<[Element; 2]> = bars.collect();
    // The counts are drawn above the diagonal.
    let (bars, counts): (Vec<_>, Vec<_>) = bars.into_iter().map(|[bar, count]| (bar, count)).unzip();
    plot.draw(caption).children(bars).child(segment("diagonal", low, high)).children(counts)
}

/// A number of at most four characters.
fn short(count: u64) -> String {
    match count {
        ..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_share_of_right_answers() {
        let mut bins = vec![ReliabilityBin::default(); 4];
        bins[1] = ReliabilityBin { count: 4, right: 1, probabilities: 1.5 };
        bins[3] = ReliabilityBin { count: 12_345, right: 12_345, probabilities: 12_000.0 };
        let caption = Caption { id: "c".into(), title: "t".into(), description: "d".into() };
        let chart = chart(&caption, &bins).to_string();
        // Four bins over 58 to 458 are 100 wide; a quarter of 244 to 26 is 54.5.
        assert!(chart.contains("x=\"159\" width=\"98\" y=\"189.5\" height=\"54.5\""), "{chart}");
        assert!(chart.contains("x=\"359\" width=\"98\" y=\"26\" height=\"218\""), "{chart}");
        assert!(chart.contains(">4<") && chart.contains(">12k<"), "{chart}");
        assert!(chart.contains("class=\"diagonal\" x1=\"58\" y1=\"244\" x2=\"458\" y2=\"26\""), "{chart}");
        assert_eq!(chart.matches("class=\"share\"").count(), 2);
    }
}
