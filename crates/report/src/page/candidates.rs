//! The section about the candidates of the search: quality against flash, and against latency.

use super::table::{self, details, number, number_if, table};
use super::{charts, figure, paragraph, sample};
use crate::charts::scatter::{self, Limits, Mark, PlottedPoint};
use crate::charts::{Caption, Point};
use crate::format::{self, grouped};
use crate::markup::Element;
use crate::{Report, ReportedCandidate};

/// A table with more rows shows only the measured candidates until it is opened.
const FOLDED_FROM: usize = 24;

/// The section; `None` without candidates.
pub fn section(report: &Report) -> Option<Element> {
    if report.candidates.is_empty() {
        return None;
    }
    let figures = [flash(report), latency(report)].into_iter().flatten();
    let note = "The line is the Pareto front of each plane: the best that any cost buys before training. Values that were not \
                measured are the search's predictions; the diamond stands at the finished image; latency is modelled.";
    let section = super::section("Candidates").child(charts(figures)).child(paragraph(note).class("muted"));
    let all: Vec<&ReportedCandidate> = report.candidates.iter().collect();
    if all.len() <= FOLDED_FROM {
        return Some(section.child(rows("Candidates", report, &all)));
    }
    let leads = |candidate: &&ReportedCandidate| candidate.chosen || candidate.measured.is_some();
    let (leading, others): (Vec<_>, Vec<_>) = all.into_iter().partition(leads);
    let others = details(format!("{} more", others.len()), [rows("Other candidates", report, &others)]);
    Some(section.child(rows("Candidates that were measured", report, &leading)).child(others))
}

fn flash(report: &Report) -> Option<Element> {
    let bytes = report.candidates.iter().map(|candidate| candidate.flash_bytes).max()?;
    let (unit, divisor) = format::unit(bytes as f64);
    let limit = report.budget.flash_bytes.map(|bytes| bytes as f64 / divisor);
    plane(report, "flash", unit, limit, |candidate| Some(candidate.flash_bytes as f64 / divisor))
}

fn latency(report: &Report) -> Option<Element> {
    plane(report, "modelled latency", "ms", report.budget.latency_ms, |candidate| candidate.latency_ms)
}

/// A chart of the metric against `cost`; `None` if no candidate has both.
fn plane(
    report: &Report,
    cost_name: &str,
    unit: &str,
    limit: Option<f64>,
    cost: impl Fn(&ReportedCandidate) -> Option<f64> + Copy,
) -> Option<Element> {
    let finished = super::result::finished(report);
    let mut points: Vec<PlottedPoint> = report
        .candidates
        .iter()
        .filter_map(|candidate| {
            let (cost, quality) = (cost(candidate)?, quality(candidate)?);
            let how = if candidate.measured.is_some() { "measured" } else { "predicted" };
            let title = format!(
                "{}: {cost_name} {} {unit}, {} {} {how}",
                candidate.name,
                format::number(cost),
                report.metric,
                format::metric(quality)
            );
            Some(PlottedPoint {
                at: Point::new(cost, quality),
                mark: mark(candidate, finished.is_some()),
                front: candidate.pareto,
                title,
            })
        })
        .collect();
    if points.is_empty() {
        return None;
    }
    // The chosen candidate stands at what it was predicted to be, too.
    let chosen = report.candidates.iter().find(|candidate| candidate.chosen);
    if let (Some(quality), Some(cost)) = (finished, chosen.and_then(cost)) {
        points.push(PlottedPoint {
            at: Point::new(cost, quality),
            mark: Mark::Chosen,
            front: false,
            title: format!(
                "finished image: {cost_name} {} {unit}, {} {}",
                format::number(cost),
                report.metric,
                format::metric(quality)
            ),
        });
    }
    let title = format!("{} against {cost_name}", report.metric);
    let caption = Caption {
        id: format!("candidates-{}", cost_name.replace(' ', "-")),
        title: title.clone(),
        description: format!("{} candidates; the table below has their numbers.", points.len()),
    };
    let limits = Limits { x: limit, y: report.budget.metric };
    let chart = scatter::chart(&caption, &format!("{cost_name}, {unit}"), &report.metric, &points, limits);
    let chosen = if finished.is_some() { "chosen, finished image" } else { "chosen" };
    Some(figure(&title, chart, &legend(&points, chosen)))
}

/// The legend of the marks that the chart has; `chosen` is what the diamond stands for.
fn legend(points: &[PlottedPoint], chosen: &'static str) -> Vec<(Element, &'static str)> {
    let names = [
        (Mark::Chosen, chosen),
        (Mark::Measured, "measured before training"),
        (Mark::Predicted, "predicted"),
        (Mark::Infeasible, "beyond the budget"),
    ];
    let used = names.into_iter().filter(|(mark, _)| points.iter().any(|point| point.mark == *mark));
    let marks = used.map(|(mark, name)| (sample(scatter::symbol(mark, Point::new(9.0, 6.0)), 18), name));
    let front = sample(Element::new("path").class("front").attr("d", "M0 6 L28 6"), 28);
    marks.chain(points.iter().any(|point| point.front).then_some((front, "Pareto front"))).collect()
}

/// The mark of a candidate. That of the chosen one stands at its finished image, if there is one that was judged.
fn mark(candidate: &ReportedCandidate, is_finished: bool) -> Mark {
    match candidate {
        ReportedCandidate { chosen: true, .. } if !is_finished => Mark::Chosen,
        ReportedCandidate { feasible: false, .. } => Mark::Infeasible,
        ReportedCandidate { measured: Some(_), .. } => Mark::Measured,
        _ => Mark::Predicted,
    }
}

fn quality(candidate: &ReportedCandidate) -> Option<f64> {
    candidate.measured.or(candidate.predicted)
}

fn rows(caption: &str, report: &Report, candidates: &[&ReportedCandidate]) -> Element {
    let [predicted, measured] = ["predicted", "measured"].map(|how| format!("{} {how}", report.metric));
    let columns = [
        "candidate",
        "flash, bytes",
        "RAM, bytes",
        "latency modelled, ms",
        &predicted,
        &measured,
        "in budget",
        "Pareto",
        "why",
    ];
    let yes = |yes: bool| table::text(if yes { "yes" } else { "no" });
    table(
        caption,
        &columns,
        candidates.iter().map(|candidate| {
            let name = table::name(&candidate.name);
            vec![
                name.class(if candidate.chosen { "long chosen-row" } else { "long" }),
                number(grouped(candidate.flash_bytes)),
                number(grouped(candidate.ram_bytes)),
                number_if(candidate.latency_ms, format::number),
                number_if(candidate.predicted, format::metric),
                table::measured(candidate.measured, candidate.interval),
                yes(candidate.feasible),
                yes(candidate.pareto),
                table::text(&candidate.reason),
            ]
        }),
    )
}
