//! The section about the answers of the image to the development set, and about its errors.

mod confidence;
mod confusion;
mod labels;
mod lost;
mod scores;

use super::paragraph;
use crate::Report;
use crate::format::grouped;
use crate::markup::Element;

/// The section; `None` if no image was judged.
pub fn section(report: &Report) -> Option<Element> {
    let answers = report.answers.as_ref()?;
    let count = grouped(answers.samples as u64);
    let note = format!("The answers of {} to the {count} examples of the development set.", answers.model);
    let parts = [
        confusion::part(answers),
        labels::part(answers),
        confidence::part(answers),
        scores::part(answers),
        lost::part(answers),
    ];
    Some(super::section("Answers").child(paragraph(note)).children(parts.into_iter().flatten().flatten()))
}

/// The heading of a part.
fn heading(text: &str) -> Element {
    Element::new("h3").text(text)
}
