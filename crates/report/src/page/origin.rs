//! The section about settings and files, which are needed to make the same model again.

use serde_json::Value;

use super::table::{self, details, number, table};
use crate::Report;
use crate::format::grouped;
use crate::markup::Element;
use tinybert_base::{FileHash, json};

/// The section; `None` if neither settings nor files are known.
pub fn section(report: &Report) -> Option<Element> {
    let report_tables: Vec<Element> = tables(&report.settings, &report.inputs).collect();
    let stages: Vec<Element> = report
        .stages
        .iter()
        .filter(|stage| !(stage.settings.is_null() && stage.inputs.is_empty()))
        .map(|stage| details(&stage.name, tables(&stage.settings, &stage.inputs)))
        .collect();
    let all = report_tables.into_iter().chain(stages);
    let section = super::section("Settings and files").children(all);
    let anything = !report.settings.is_null()
        || !report.inputs.is_empty()
        || report.stages.iter().any(|stage| !stage.settings.is_null() || !stage.inputs.is_empty());
    anything.then_some(section)
}

/// The tables of settings and of files that are not empty.
fn tables(settings: &Value, inputs: &[FileHash]) -> impl Iterator<Item = Element> {
    let rows = json::leaves(settings)
        .into_iter()
        .map(|(name, value)| vec![table::name(name), table::text(text(value))]);
    let settings = (!settings.is_null()).then(|| table("Settings", &["setting", "value"], rows));
    let rows = inputs.iter().map(|FileHash { path, bytes, sha256 }| {
        vec![table::name(path), number(grouped(*bytes)), table::text(sha256).class("hash")]
    });
    let files =
        (!inputs.is_empty()).then(|| table("Files that were read", &["file", "bytes", "SHA-256"], rows));
    settings.into_iter().chain(files)
}

/// The value of a setting.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
