//! Tables of the page.

use std::fmt::Display;

use crate::format::shortened;
use crate::markup::Element;

/// Characters of a cell beyond which it is folded up, and beyond which it is cut off.
const FOLDED: usize = 120;
const CUT: usize = 10_000;

/// A table that scrolls by itself where the page is too narrow. A row is its cells; a column's head is aligned as its
/// first cell.
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
    // By keyboard too.
    let region = Element::new("div").class("scroll").attr("tabindex", "0").attr("role", "region");
    region.attr("aria-label", caption).child(table)
}

/// The cell that says what a row is about.
pub fn name(text: impl Display) -> Element {
    folded(Element::new("th").attr("scope", "row"), &text.to_string())
}

/// A cell of text.
pub fn text(text: impl Display) -> Element {
    folded(Element::new("td"), &text.to_string())
}

/// A cell of a number, with its unit in the head of the column.
pub fn number(text: impl Display) -> Element {
    Element::new("td").class("number").text(text)
}

/// [`number`], or an empty cell.
pub fn number_if<T: Copy, D: Display>(value: Option<T>, text: impl Fn(T) -> D) -> Element {
    value.map_or_else(|| number(""), |value| number(text(value)))
}

/// Long text shows its beginning until it is opened.
fn folded(cell: Element, text: &str) -> Element {
    let beginning = shortened(text, FOLDED);
    if beginning == text {
        return cell.text(text);
    }
    let summary = Element::new("summary").text(beginning);
    cell.child(Element::new("details").child(summary).child(Element::new("p").text(shortened(text, CUT))))
}

/// Something long that is closed at first.
pub fn details(summary: impl Display, contents: impl IntoIterator<Item = Element>) -> Element {
    Element::new("details").child(Element::new("summary").text(summary)).children(contents)
}
