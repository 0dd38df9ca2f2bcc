//! The section about storing single parts in fewer bits: a table for each encoding. Cells with larger errors
//! are darker.

use std::collections::BTreeSet;

use super::paragraph;
use super::table::{name, number, table};
use crate::Report;
use crate::format;
use crate::markup::Element;
use tinybert_quantize::sensitivity::Sensitivity;

/// The section; `None` if no sensitivity was measured.
pub fn section(report: &Report) -> Option<Element> {
    let all = &report.sensitivity;
    if all.is_empty() {
        return None;
    }
    let note = "Each number is the mean squared difference of the logits, relative to their variance, when that part alone is \
                stored in the encoding; all other parts stay float.";
    let with_metric = match all.iter().any(|entry| entry.metric.is_some()) {
        true => format!(" Below it: {}.", report.metric),
        false => String::new(),
    };
    let heat = Heat::around(all);
    let encodings = in_order(all.iter().map(|entry| entry.encoding.as_str()));
    let tables = encodings.iter().map(|encoding| by_layer(encoding, all, &heat));
    let section = super::section("Sensitivity").child(paragraph(format!("{note}{with_metric}")));
    Some(section.child(super::charts(tables.flatten())).children(outside(&encodings, all, &heat)))
}

/// A table with a row for each layer and a column for each of its parts.
fn by_layer(encoding: &str, all: &[Sensitivity], heat: &Heat) -> Option<Element> {
    let of: Vec<&Sensitivity> =
        all.iter().filter(|entry| entry.encoding == encoding && entry.layer.is_some()).collect();
    let layers: BTreeSet<usize> = of.iter().filter_map(|entry| entry.layer).collect();
    let parts = in_order(of.iter().map(|entry| entry.part.as_str()));
    let columns: Vec<&str> = std::iter::once("layer").chain(parts.iter().copied()).collect();
    let rows = layers.into_iter().map(|layer| {
        let find = |part: &str| of.iter().find(|entry| entry.layer == Some(layer) && entry.part == part);
        std::iter::once(name(layer)).chain(parts.iter().map(|part| heat.cell(find(part).copied()))).collect()
    });
    (!of.is_empty()).then(|| table(&format!("{encoding}, by layer"), &columns, rows))
}

/// A table of the parts outside the layers: embeddings and head.
fn outside(encodings: &[&str], all: &[Sensitivity], heat: &Heat) -> Option<Element> {
    let of: Vec<&Sensitivity> = all.iter().filter(|entry| entry.layer.is_none()).collect();
    let columns: Vec<&str> = std::iter::once("part").chain(encodings.iter().copied()).collect();
    let rows = in_order(of.iter().map(|entry| entry.part.as_str())).into_iter().map(|part| {
        let find = |encoding: &str| of.iter().find(|entry| entry.part == part && entry.encoding == encoding);
        std::iter::once(name(part))
            .chain(encodings.iter().map(|encoding| heat.cell(find(encoding).copied())))
            .collect()
    });
    (!of.is_empty()).then(|| table("Outside the layers", &columns, rows))
}

/// A map from errors to colours that is linear in the logarithm of the error.
struct Heat {
    low: f64,
    high: f64,
}

impl Heat {
    fn around(all: &[Sensitivity]) -> Self {
        let errors = all.iter().map(|entry| entry.logit_error.ln()).filter(|error| error.is_finite());
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = errors.fold(ends, |(low, high), error| (low.min(error), high.max(error)));
        Self { low, high }
    }

    /// The heat of an error, from 0 to 1; 0 for no error.
    fn of_error(&self, error: f64) -> f64 {
        let share = (error.ln() - self.low) / (self.high - self.low);
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    fn cell(&self, entry: Option<&Sensitivity>) -> Element {
        let Some(entry) = entry else { return number("") };
        let share = (100.0 * self.of_error(entry.logit_error)).round();
        let cell = number(format::number(entry.logit_error))
            .class("number heat")
            .attr("style", format_args!("--heat:{share}%"));
        match entry.metric {
            Some(metric) => cell.child(Element::new("br")).text(format::metric(metric)),
            None => cell,
        }
    }
}

/// Each name once, in the order of first appearance.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|&name| seen.insert(name)).collect()
}
