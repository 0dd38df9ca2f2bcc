//! Tables.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::format::{self, shortened};
use crate::markup::Element;
use tinybert_data::metrics::intervals::Interval;

/// A cell with more characters is folded.
const FOLDED: usize = 120;
/// A cell with more characters is cut off.
const CUT: usize = 10_000;

/// A table, which scrolls if the page is too narrow. The head of a column is aligned like the column's first
/// cell.
pub fn table(caption: &str, columns: &[&str], rows: impl IntoIterator<Item = Vec<Element>>) -> Element {
    let rows: Vec<Vec<Element>> = rows.into_iter().collect();
    let head = columns.iter().enumerate().map(|(index, column)| {
        let head = Element::new("th").attr("scope", "col").text(column);
        let class = rows.first().and_then(|cells| cells.get(index)?.get("class"));
        if class.is_some_and(|class| class.starts_with("number")) { head.class("number") } else { head }
    });
    let head = Element::new("thead").child(Element::new("tr").children(head));
    let rows = rows.into_iter().map(|cells| Element::new("tr").children(cells));
    let table = Element::new("table")
        .child(Element::new("caption").text(caption))
        .child(head)
        .child(Element::new("tbody").children(rows));
    // The tabindex allows scrolling by keyboard.
    let region = Element::new("div").class("scroll").attr("tabindex", "0").attr("role", "region");
    region.attr("aria-label", caption).child(table)
}

/// The cell with the name of a row.
pub fn name(text: impl Display) -> Element {
    folded(Element::new("th").attr("scope", "row"), &text.to_string())
}

/// A cell with text.
pub fn text(text: impl Display) -> Element {
    folded(Element::new("td"), &text.to_string())
}

/// A cell with a number. The head of the column has its unit.
pub fn number(text: impl Display) -> Element {
    Element::new("td").class("number").text(text)
}

/// A cell with a number, or an empty cell.
pub fn number_if<T: Copy, D: Display>(value: Option<T>, text: impl Fn(T) -> D) -> Element {
    value.map_or_else(|| number(""), |value| number(text(value)))
}

/// A cell with the metric `name` and its 95 % interval, as far as they are known.
pub fn metric(values: &BTreeMap<String, f64>, intervals: &BTreeMap<String, Interval>, name: &str) -> Element {
    measured(values.get(name).copied(), intervals.get(name).copied())
}

/// A cell with the value of a metric and its 95 % interval, as far as they are known.
pub fn measured(value: Option<f64>, interval: Option<Interval>) -> Element {
    let interval = interval.map(|ends| format!(" {}", format::interval(ends))).unwrap_or_default();
    number_if(value, |value| format::metric(value) + &interval)
}

/// A cell that shows only the beginning of a long text until it is opened.
fn folded(cell: Element, text: &str) -> Element {
    let beginning = shortened(text, FOLDED);
    if beginning == text {
        return cell.text(text);
    }
    let summary = Element::new("summary").text(beginning);
    cell.child(Element::new("details").child(summary).child(Element::new("p").text(shortened(text, CUT))))
}

/// Contents that are hidden until they are opened.
pub fn details(summary: impl Display, contents: impl IntoIterator<Item = Element>) -> Element {
    Element::new("details").child(Element::new("summary").text(summary)).children(contents)
}
