//! The section about training: losses and development metrics over steps.

use std::collections::BTreeSet;

use super::table::{self, details, number, table};
use super::{charts, figure, line_sample};
use crate::charts::line::{self, Series};
use crate::charts::{Caption, Point};
use crate::format::{self, grouped};
use crate::markup::Element;
use crate::{Curve, CurvePoint, Report, StageReport};

/// Name of the total loss in the log.
const TOTAL: &str = "loss";

/// The section; `None` if no training was logged.
pub fn section(report: &Report) -> Option<Element> {
    let curves: Vec<(&StageReport, &Curve)> = report
        .stages
        .iter()
        .flat_map(|stage| stage.curves.iter().map(move |curve| (stage, curve)))
        .filter(|(_, curve)| !(curve.losses.is_empty() && curve.evaluations.is_empty()))
        .collect();
    let blocks = curves.iter().enumerate().map(|(index, (stage, curve))| block(index, stage, curve));
    (!curves.is_empty()).then(|| super::section("Training").children(blocks))
}

fn block(index: usize, stage: &StageReport, curve: &Curve) -> Element {
    let heading = match curve.session.as_str() {
        "" => stage.name.clone(),
        session => format!("{}: {session}", stage.name),
    };
    let chart = |what: &str, points: &[CurvePoint]| {
        let series = series(points);
        let names: Vec<&str> = series.iter().map(|series| series.name.as_str()).collect();
        let caption = Caption {
            id: format!("training-{index}-{}", what.replace(' ', "-")),
            title: format!("{heading}: {what}"),
            description: format!(
                "Lines over optimizer steps: {}. The tables below have the numbers.",
                names.join(", ")
            ),
        };
        let legend: Vec<(Element, &str)> =
            names.iter().enumerate().map(|(at, &name)| (line_sample(at), name)).collect();
        let y_name = if let [only] = names[..] { only } else { "" };
        (!series.is_empty())
            .then(|| figure(what, line::chart(&caption, "optimizer steps", y_name, &series), &legend))
    };
    let figures = [chart("losses", &curve.losses), chart("development set", &curve.evaluations)];
    let tables = [losses(&curve.losses), evaluations(&curve.evaluations)];
    Element::new("div")
        .class("block")
        .child(Element::new("h3").text(&heading))
        .child(charts(figures.into_iter().flatten()))
        .child(details("Numbers", tables.into_iter().flatten()))
}

/// One series for each name, beginning with the total.
fn series(points: &[CurvePoint]) -> Vec<Series> {
    let mut names: Vec<&String> =
        points.iter().flat_map(|point| point.values.keys()).collect::<BTreeSet<_>>().into_iter().collect();
    names.sort_by_key(|name| *name != TOTAL);
    let of = |name: &String| {
        points
            .iter()
            .filter_map(|point| Some(Point::new(point.step as f64, *point.values.get(name)?)))
            .collect()
    };
    names.into_iter().map(|name| Series { name: name.clone(), points: of(name) }).collect()
}

fn losses(points: &[CurvePoint]) -> Option<Element> {
    let rows = series(points).into_iter().filter_map(|Series { name, points }| {
        let (first, last) = (*points.first()?, *points.last()?);
        let least = points.iter().copied().min_by(|a, b| a.y.total_cmp(&b.y))?;
        let cells = [first, least, last]
            .into_iter()
            .flat_map(|Point { x, y }| [number(grouped(x as u64)), number(format::number(y))]);
        Some(std::iter::once(table::name(name)).chain(cells).collect())
    });
    let columns = ["loss", "first at step", "first", "least at step", "least", "last at step", "last"];
    (!points.is_empty())
        .then(|| table("Losses, each a mean over the steps since the one logged before", &columns, rows))
}

fn evaluations(points: &[CurvePoint]) -> Option<Element> {
    let names: BTreeSet<&str> =
        points.iter().flat_map(|point| point.values.keys().map(String::as_str)).collect();
    let columns: Vec<&str> = std::iter::once("step").chain(names.iter().copied()).collect();
    let rows = points.iter().map(|point| {
        let values =
            names.iter().map(|&name| table::number_if(point.values.get(name).copied(), format::metric));
        std::iter::once(number(grouped(point.step))).chain(values).collect()
    });
    (!points.is_empty()).then(|| table("Metrics on the development set", &columns, rows))
}
