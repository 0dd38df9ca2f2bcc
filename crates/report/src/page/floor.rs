//! The section about the floor: the image beside its teacher on what was held out, and the models that were tried.

use super::paragraph;
use super::table::{self, number, table};
use crate::Report;
use crate::format::{self, grouped, metric};
use crate::markup::Element;
use tinybert_data::metrics::intervals::Estimate;

/// The section; `None` for a run without a floor.
pub fn section(report: &Report) -> Option<Element> {
    let floor = report.floor.as_ref()?;
    let examples = format!("{} examples that were held out", floor.samples);
    let summary = format!("The floor is {}: {} on {examples}.", floor.name, metric(floor.least));
    let row = |name: &str, Estimate { value, interval }: Estimate| {
        vec![table::name(name), number(metric(value)), number(format::interval(interval))]
    };
    let check = table(
        &format!("{}, {examples}", report.metric),
        &["", "value", "95 % interval"],
        [
            row("teacher", floor.teacher),
            row("image", floor.image),
            row("image minus teacher", floor.difference),
            row("image minus floor", floor.margin),
        ],
    );
    let tries = table(
        &format!("Tries; the floor on the rest of the development set is {}", metric(floor.least_in_search)),
        &["candidate", "flash, bytes", &report.metric, "floor held"],
        floor.tries.iter().map(|of| {
            vec![
                table::name(&of.name),
                number(grouped(of.flash_bytes)),
                table::measured(Some(of.metric), of.interval),
                table::text(match &of.exceeds {
                    Some(limits) => limits,
                    None if of.held => "yes",
                    None => "no",
                }),
            ]
        }),
    );
    let section = super::section("Floor").child(paragraph(summary));
    Some(section.child(paragraph(&floor.verdict)).child(check).child(tries))
}
