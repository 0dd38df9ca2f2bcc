//! The section about modelled latencies.

use super::paragraph;
use super::table::{self, number, table};
use crate::Report;
use crate::format::{self, fixed};
use crate::markup::Element;

/// The section; `None` without latencies.
pub fn section(report: &Report) -> Option<Element> {
    if report.latencies.is_empty() {
        return None;
    }
    let note =
        "Modelled from instruction counts and the rates of the processor cores, not measured on a board.";
    let columns = ["board", "core", "clock, MHz", "tokens", "one answer, modelled, ms"];
    let rows = report.latencies.iter().map(|latency| {
        vec![
            table::name(&latency.board),
            table::text(&latency.core),
            number(fixed(latency.mhz, 0)),
            number(latency.tokens),
            number(format::number(latency.milliseconds)),
        ]
    });
    let section = super::section("Latency, modelled").child(paragraph(note));
    Some(section.child(table("Modelled latency by board", &columns, rows)))
}
