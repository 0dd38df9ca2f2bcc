//! The page: one file without scripts, fonts or images from elsewhere.
//!
//! Each part of the report is a section of the page, and each section has a source file of its own. Every
//! chart has a table with its numbers.

mod answers;
mod baseline;
mod candidates;
mod floor;
mod latencies;
mod losses;
mod origin;
mod result;
mod sensitivity;
mod sizes;
mod stages;
mod table;

use super::Report;
use super::charts::line;
use super::markup::Element;

const STYLE: &str = include_str!("style.css");

/// The report as a page. The same report gives the same bytes.
pub fn html(report: &Report) -> String {
    let title = if report.title.is_empty() { "Report" } else { &report.title };
    let sections = [
        result::section(report),
        baseline::section(report),
        floor::section(report),
        answers::section(report),
        candidates::section(report),
        stages::section(report),
        losses::section(report),
        sizes::section(report),
        latencies::section(report),
        sensitivity::section(report),
        origin::section(report),
    ];
    let head = Element::new("head")
        .child(Element::new("meta").attr("charset", "utf-8"))
        .child(
            Element::new("meta")
                .attr("name", "viewport")
                .attr("content", "width=device-width, initial-scale=1"),
        )
        .child(Element::new("meta").attr("name", "color-scheme").attr("content", "light dark"))
        .child(Element::new("title").text(title))
        .child(Element::new("style").text(STYLE));
    let by = match report.command.as_str() {
        "" => format!("tinybert-compress {}", report.version),
        command => format!("tinybert-compress {}, {command}", report.version),
    };
    let header = Element::new("header")
        .child(Element::new("h1").text(title))
        .child(Element::new("p").class("muted").text(by));
    let main = Element::new("main").child(header).children(sections.into_iter().flatten());
    let page = Element::new("html").attr("lang", "en").child(head).child(Element::new("body").child(main));
    format!("<!DOCTYPE html>\n{page}\n")
}

/// A section with its heading.
fn section(heading: &str) -> Element {
    Element::new("section").child(Element::new("h2").text(heading))
}

/// Text as a paragraph.
fn paragraph(text: impl std::fmt::Display) -> Element {
    Element::new("p").text(text)
}

/// Charts beside each other if there is room.
fn charts(charts: impl IntoIterator<Item = Element>) -> Element {
    Element::new("div").class("charts").children(charts)
}

/// A chart with its title and a legend of lines or marks. A single entry needs no legend.
fn figure(title: &str, chart: Element, legend: &[(Element, &str)]) -> Element {
    let figure = Element::new("figure").child(Element::new("figcaption").text(title)).child(chart);
    if legend.len() < 2 {
        return figure;
    }
    let entries = legend.iter().map(|(sample, name)| {
        Element::new("li").child(sample.clone()).text(' ').text(super::format::shortened(name, 40))
    });
    figure.child(Element::new("ul").class("legend").children(entries))
}

/// A sample of a line of [`line::chart`] for a legend.
fn line_sample(index: usize) -> Element {
    sample(Element::new("path").class("line").attr("d", "M0 6 L28 6"), 28).class(line::class(index))
}

/// A small drawing for a legend, 12 units high.
fn sample(drawing: Element, width: u32) -> Element {
    Element::new("svg")
        .attr("viewBox", format_args!("0 0 {width} 12"))
        .attr("width", width)
        .attr("height", 12)
        .attr("aria-hidden", "true")
        .child(drawing)
}

#[cfg(test)]
mod tests;
