//! Rows that are none of a model's labels.

use super::*;
use crate::load_scoped;
use tinybert_base::Error;
use tinybert_base::progress::Silent;

const ROWS: &str = "text,label\nplay jazz,music\nwhat is love,oos\nrain,weather\nwho am i,oos\n";

fn spec(content: &str, labels: &[&str], kind: TaskKind) -> (Folder, DataSpec) {
    let folder = Folder::with("dev.csv", content);
    let columns =
        ColumnNames { text: "text".into(), pair: None, label: Some("label".into()), soft_labels: None };
    let spec = table(None, Some(folder.path().join("dev.csv")), columns, kind);
    (folder, DataSpec { labels: Some(strings(labels)), ..spec })
}

#[test]
fn rows_with_a_label_that_the_model_lacks_are_apart() {
    let (_folder, spec) = spec(ROWS, &["music", "weather"], TaskKind::Classification);
    let found = load_scoped(&spec, Split::Dev, "oos", &Silent).unwrap();
    assert_eq!(texts(&found.labelled), ["play jazz", "rain"]);
    assert_eq!(targets(&found.labelled), [Target::Class(0), Target::Class(1)]);
    assert_eq!(found.labelled.labels, ["music", "weather"]);
    assert_eq!(texts(&found.unknown), ["what is love", "who am i"]);
    assert_eq!(targets(&found.unknown), [Target::None, Target::None]);
    assert_eq!((found.unknown.labels, found.class), (found.labelled.labels, None));
    // Without the option the label is an error, and so is any other label with it.
    assert!(fault(&spec, Split::Dev).contains("\"oos\" is unknown"));
    let error = load_scoped(&spec, Split::Dev, "none", &Silent).unwrap_err().to_string();
    assert!(error.contains("dev.csv:3") && error.contains("\"oos\" is unknown"), "{error}");
    assert!(
        error.contains("are music, weather;") && error.contains("name their label with --out-of-scope"),
        "{error}"
    );
}

#[test]
fn a_label_that_nobody_has_is_refused() {
    let (_folder, spec) = spec("text,label\nrain,weather\n", &["music", "weather"], TaskKind::Classification);
    for (label, is_known) in [("music", true), ("oos", false), ("", false)] {
        let found =
            load_scoped(&spec, Split::Dev, label, &Silent).unwrap().check_out_of_scope_label(Split::Dev);
        assert_eq!(found.is_ok(), is_known, "{label:?}");
        let says = |error: &Error| error.to_string().contains("neither the model nor a row of the dev data");
        assert!(found.is_ok() || matches!(&found, Err(error @ Error::Input(_)) if says(error)), "{found:?}");
    }
}

#[test]
fn a_label_that_the_model_has_stays_a_class() {
    let (_folder, spec) = spec(ROWS, &["music", "oos", "weather"], TaskKind::Classification);
    let found = load_scoped(&spec, Split::Dev, "oos", &Silent).unwrap();
    assert_eq!(found.labelled, load(&spec, Split::Dev, &Silent).unwrap());
    assert_eq!((found.class, found.unknown.examples.len()), (Some(1), 0));
    let in_scope: Vec<bool> =
        found.labelled.examples.iter().map(|example| found.is_in_scope(&example.target)).collect();
    assert_eq!(in_scope, [true, false, true, false]);
}

#[test]
fn a_set_without_rows_in_scope_and_other_tasks_are_refused() {
    let (_folder, all_out) = spec("text,label\nwho am i,oos\n", &["music"], TaskKind::Classification);
    let error = load_scoped(&all_out, Split::Dev, "oos", &Silent).unwrap_err().to_string();
    assert!(error.contains("all rows of the dev data"), "{error}");
    let (_folder, sets) = spec(ROWS, &["music", "weather", "oos"], TaskKind::MultiLabel);
    let error = load_scoped(&sets, Split::Dev, "oos", &Silent).unwrap_err().to_string();
    assert!(error.contains("where a text has one label"), "{error}");
    let glue = Source::Glue { task: crate::GlueTask::Sst2, folder: "nowhere".into() };
    let glue = DataSpec { source: glue, labels: Some(strings(&["negative", "positive"])) };
    let error = load_scoped(&glue, Split::Dev, "oos", &Silent).unwrap_err().to_string();
    assert!(error.contains("neither the model nor sst-2"), "{error}");
}
