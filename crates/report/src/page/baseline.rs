//! The section about the linear baseline.

use super::paragraph;
use super::table::{self, number, number_if, table};
use crate::Report;
use crate::format::{self, grouped};
use crate::markup::Element;
use tinybert_data::metrics::intervals::Estimate;

/// The section; `None` without a baseline.
pub fn section(report: &Report) -> Option<Element> {
    let baseline = report.baseline.as_ref()?;
    let note = "A linear classifier on words, neighbouring words and groups of characters, trained on the same data in \
                seconds. A Transformer is worth its size where it is better. Its time was measured on one core of the \
                machine that made it.";
    let mut columns = vec!["model", "data", "bytes", "one text, µs"];
    let names: Vec<&str> = baseline.splits.values().next().map_or(Vec::new(), |metrics| {
        let others = metrics.values.keys().map(String::as_str).filter(|name| *name != baseline.metric);
        std::iter::once(baseline.metric.as_str()).chain(others).collect()
    });
    columns.extend(&names);
    let mut rows: Vec<Vec<Element>> = Vec::new();
    for (split, metrics) in &baseline.splits {
        let mut cells = vec![
            table::name("linear baseline"),
            table::text(split),
            number(grouped(baseline.bytes)),
            number(format::number(baseline.microseconds)),
        ];
        cells.extend(names.iter().map(|name| table::metric(&metrics.values, &metrics.intervals, name)));
        rows.push(cells);
    }
    // The metric of an earlier stage belongs to another model.
    let last = report.stages.last().filter(|stage| !stage.metrics.is_empty());
    if let Some(last) = last {
        let mut cells = vec![
            table::name(&last.name),
            table::text("dev"),
            number_if(last.bytes, grouped),
            number_if(None::<f64>, format::number),
        ];
        cells.extend(names.iter().map(|name| table::metric(&last.metrics, &last.intervals, name)));
        rows.push(cells);
    }
    let judged = last.and_then(|last| {
        let interval = *last.intervals.get(&baseline.metric)?;
        Some(Estimate { value: *last.metrics.get(&baseline.metric)?, interval })
    });
    let image = report.image.as_ref();
    let comparison = image.zip(judged).and_then(|(image, judged)| baseline.comparison(image.bytes, judged));
    let section = super::section("Linear baseline").child(paragraph(note));
    let section = section.children(comparison.map(paragraph));
    Some(section.child(table("The linear baseline beside the last stage", &columns, rows)))
}
