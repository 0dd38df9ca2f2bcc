//! The section about the stages and the metrics after each of them.

use std::collections::BTreeSet;

use super::table::{self, number_if, table};
use super::{charts, figure, paragraph};
use crate::Report;
use crate::charts::Caption;
use crate::charts::rows::{self, ChartRow};
use crate::format::{self, fixed, grouped};
use crate::markup::Element;

/// The section; `None` without stages.
pub fn section(report: &Report) -> Option<Element> {
    if report.stages.is_empty() {
        return None;
    }
    let section = super::section("Stages").children(chart(report).map(|chart| charts([chart])));
    let metrics = metric_names(report);
    let mut columns = vec!["stage", "command", "minutes", "parameters", "bytes"];
    columns.extend(&metrics);
    let table = table(
        "Stages in order",
        &columns,
        report.stages.iter().map(|stage| {
            let mut cells = vec![
                table::name(&stage.name),
                table::text(&stage.command),
                number_if(stage.minutes, |minutes| fixed(minutes, 1)),
                number_if(stage.parameters, grouped),
                number_if(stage.bytes, grouped),
            ];
            cells.extend(metrics.iter().map(|name| table::metric(&stage.metrics, &stage.intervals, name)));
            cells
        }),
    );
    let intervals = report.stages.iter().any(|stage| !stage.intervals.is_empty());
    let note = intervals.then(|| paragraph("In brackets: the 95 % interval of the metric.").class("muted"));
    Some(section.child(table).children(note))
}

/// A chart of the metric after each evaluated stage; `None` for fewer than two.
fn chart(report: &Report) -> Option<Element> {
    let judged: Vec<ChartRow> = report
        .stages
        .iter()
        .filter_map(|stage| {
            let value = *stage.metrics.get(&report.metric).filter(|value| value.is_finite())?;
            Some(ChartRow { name: stage.name.clone(), value, text: format::metric(value) })
        })
        .collect();
    let title = format!("{} after each stage, development set", report.metric);
    let caption = Caption {
        id: "stages".into(),
        title: title.clone(),
        description: "The table below has the numbers.".into(),
    };
    (judged.len() > 1).then(|| figure(&title, rows::dots(&caption, &judged), &[]))
}

/// The names of all metrics, beginning with the metric of the report.
fn metric_names(report: &Report) -> Vec<&str> {
    let names: BTreeSet<&str> =
        report.stages.iter().flat_map(|stage| stage.metrics.keys().map(String::as_str)).collect();
    let first = names.get(report.metric.as_str()).copied();
    first.into_iter().chain(names.into_iter().filter(|&name| name != report.metric)).collect()
}
