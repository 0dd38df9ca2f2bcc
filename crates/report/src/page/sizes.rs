//! The section about the sizes of the image.

use super::table::{self, number, table};
use super::{charts, figure, paragraph};
use crate::charts::Caption;
use crate::charts::rows::{self, ChartRow};
use crate::format::{bytes, fixed, grouped};
use crate::markup::Element;
use crate::{ImageSize, Report};

/// The section; `None` without an image.
pub fn section(report: &Report) -> Option<Element> {
    let image @ ImageSize { bytes: size, workspace_bytes, max_tokens, .. } = report.image.as_ref()?;
    let parts = parts(image);
    let drawn: Vec<ChartRow> = parts
        .iter()
        .map(|(name, size)| ChartRow { name: name.clone(), value: *size as f64, text: bytes(*size) })
        .collect();
    let caption = Caption {
        id: "sizes".into(),
        title: "Flash by section of the image".into(),
        description: "The table below has the numbers.".into(),
    };
    let share = |part: u64| fixed(100.0 * part as f64 / (*size).max(1) as f64, 1);
    let row = |name: &str, part: u64| vec![table::name(name), number(grouped(part)), number(share(part))];
    let all = parts.iter().map(|(name, part)| row(name, *part)).chain([row("image", *size)]);
    let workspace =
        format!("The workspace takes {} bytes of RAM for {max_tokens} tokens.", grouped(*workspace_bytes));
    Some(
        super::section("Size")
            .child(charts([figure(&caption.title, rows::bars(&caption, &drawn), &[])]))
            .child(table("Bytes of the image", &["section", "bytes", "share, %"], all))
            .child(paragraph(workspace)),
    )
}

/// The sections of the image, and the bytes between them.
fn parts(image: &ImageSize) -> Vec<(String, u64)> {
    let known: u64 = image.sections.iter().map(|(_, bytes)| bytes).sum();
    let mut parts = image.sections.clone();
    parts.push(("header and padding".into(), image.bytes.saturating_sub(known)));
    parts
}
