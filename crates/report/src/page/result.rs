//! The section about the result: its costs beside the budget, and the reasons for the choice.

use super::paragraph;
use crate::format::{self, number};
use crate::markup::Element;
use crate::{Report, ReportedCandidate, StageReport};
use tinybert_data::metrics::intervals::Estimate;

/// The section; `None` if there is neither an image nor a candidate.
pub fn section(report: &Report) -> Option<Element> {
    let chosen = report.candidates.iter().find(|candidate| candidate.chosen);
    let tiles = tiles(report, chosen);
    if tiles.is_empty() && report.reasons.is_empty() {
        return None;
    }
    let mut section = super::section("Result");
    if let Some(chosen) = chosen {
        section = section.child(paragraph(&chosen.name).class("chosen-name"));
    } else if !report.candidates.is_empty() {
        section = section.child(paragraph("No candidate was chosen.").class("chosen-name"));
    }
    let tiles = Element::new("dl").class("tiles").children(tiles);
    Some(section.child(tiles).children(report.reasons.iter().map(paragraph)))
}

/// The metric of the finished image on the development set, if it was judged. The metric of an earlier stage belongs to
/// another model.
pub fn finished(report: &Report) -> Option<f64> {
    report.image.as_ref()?;
    report.stages.last()?.metrics.get(&report.metric).copied()
}

fn tiles(report: &Report, chosen: Option<&ReportedCandidate>) -> Vec<Element> {
    let budget = &report.budget;
    let image = report.image.as_ref();
    // Candidates are measured before training, so the metric of a finished image comes first.
    let last_stage = report.stages.last();
    let last = match image {
        Some(_) => finished(report),
        None => last_stage.and_then(|stage| stage.metrics.get(&report.metric).copied()),
    };
    let (metric, how, of_metric) = match chosen {
        Some(ReportedCandidate { measured: Some(value), interval, .. }) if image.is_none() => {
            (Some(*value), "development set", *interval)
        }
        Some(ReportedCandidate { predicted: Some(value), .. }) if image.is_none() => {
            (Some(*value), "predicted", None)
        }
        _ => {
            let of_metric = |stage: &StageReport| stage.intervals.get(&report.metric).copied();
            (last, "development set", last_stage.and_then(of_metric))
        }
    };
    let interval = |ends: Option<[f64; 2]>| {
        let text = ends.map(|ends| format!("95 % interval {}", format::interval(ends)));
        text.map(|text| Element::new("dd").class("muted").text(text))
    };
    // What was held out says whether the floor is held.
    let held_out = report.floor.as_ref().and_then(|floor| {
        let Estimate { value, interval: ends } = floor.image;
        let tile = tile(
            &report.metric,
            "held-out examples",
            Some(value),
            format::metric,
            "at least",
            Some(floor.least),
        );
        tile.map(|tile| tile.children(interval(Some(ends))))
    });
    let flash = image.map(|image| image.bytes).or(chosen.map(|chosen| chosen.flash_bytes));
    let ram = image.map(|image| image.workspace_bytes).or(chosen.map(|chosen| chosen.ram_bytes));
    let latency = image.and_then(|image| image.latency_ms).or(chosen.and_then(|chosen| chosen.latency_ms));
    let milliseconds = |value| format!("{} ms", number(value));
    let tiles = [
        held_out,
        tile(&report.metric, how, metric, format::metric, "at least", budget.metric)
            .map(|tile| tile.children(interval(of_metric))),
        tile("flash", "", flash, format::bytes, "at most", budget.flash_bytes),
        tile("RAM", "workspace", ram, format::bytes, "at most", budget.ram_bytes),
        tile("latency", "modelled", latency, milliseconds, "at most", budget.latency_ms),
    ];
    tiles.into_iter().flatten().collect()
}

/// A tile: a value with its name and its limit.
fn tile<T>(
    name: &str,
    how: &str,
    value: Option<T>,
    text: impl Fn(T) -> String,
    bound: &str,
    limit: Option<T>,
) -> Option<Element> {
    let value = text(value?);
    let name = if how.is_empty() { name.to_owned() } else { format!("{name}, {how}") };
    let tile = Element::new("div")
        .child(Element::new("dt").text(name))
        .child(Element::new("dd").class("value").text(value));
    Some(match limit {
        Some(limit) => tile.child(Element::new("dd").class("muted").text(format!("{bound} {}", text(limit)))),
        None => tile,
    })
}
