//! The published data sets themselves, where they are at hand: `TINYBERT_DATA` names a folder that holds them
//! as `glue/<TASK>`, `intents/<NAME>` and `corpus`. Without it nothing is tested here.

use std::path::PathBuf;

use crate::task::{Target, TaskKind};
use crate::{ColumnNames, Corpus, DataSpec, GlueTask, Source, Split, TableFiles, load};
use tinybert_base::progress::Silent;

fn root() -> Option<PathBuf> {
    std::env::var_os("TINYBERT_DATA").map(PathBuf::from)
}

/// Rows of train, dev and test; every one must have a target.
fn check(name: &str, source: Source, labels: usize, rows: [Option<usize>; 3]) {
    let spec = DataSpec { source, labels: None };
    for (split, want) in [Split::Train, Split::Dev, Split::Test].into_iter().zip(rows) {
        let Some(want) = want else { continue };
        let dataset = load(&spec, split, &Silent).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(dataset.examples.len(), want, "{name} {split}");
        assert_eq!(dataset.labels.len(), labels, "{name} {split}");
        assert!(dataset.examples.iter().all(|example| example.target != Target::None), "{name} {split}");
    }
}

#[test]
fn glue_has_its_published_row_counts() {
    let Some(root) = root() else { return };
    let check = |task, name, labels, rows| {
        check(name, Source::Glue { task, folder: root.join("glue").join(name) }, labels, rows);
    };
    check(GlueTask::Sst2, "SST-2", 2, [Some(67349), Some(872), Some(1821)]);
    check(GlueTask::Cola, "CoLA", 2, [Some(8551), Some(1043), None]);
    check(GlueTask::Rte, "RTE", 2, [Some(2490), Some(277), None]);
    check(GlueTask::Stsb, "STS-B", 0, [Some(5749), Some(1500), Some(1379)]);
    check(GlueTask::Mrpc, "MRPC", 2, [Some(3576), Some(500), Some(1725)]);
}

#[test]
fn intents_have_their_published_row_counts() {
    let Some(root) = root() else { return };
    let check = |name, [text, label]: [&str; 2], kind, labels, rows| {
        let file = |split: &str| Some(root.join("intents").join(name).join(split).with_extension("jsonl"));
        let columns =
            ColumnNames { text: text.into(), pair: None, label: Some(label.into()), soft_labels: None };
        let (train, dev, test) = (file("train"), file("dev"), file("test"));
        check(
            name,
            Source::Table(TableFiles { train, dev, test, format: None, columns, kind, dev_share: None }),
            labels,
            rows,
        );
    };
    let tagged = |name, labels, rows| check(name, ["tokens", "tags"], TaskKind::Tagging, labels, rows);
    tagged("snips", 72, [Some(13084), Some(700), Some(700)]);
    // Its dev and test splits have tags that train does not know.
    tagged("atis", 120, [Some(4478), None, None]);
    let check = |name, labels, rows| check(name, ["text", "label"], TaskKind::Classification, labels, rows);
    check("snips", 7, [Some(13084), Some(700), Some(700)]);
    check("clinc150", 151, [Some(15100), Some(3100), Some(5500)]);
    // Its dev and test splits have combined labels that train does not know.
    check("atis", 21, [Some(4478), None, None]);
}

#[test]
fn corpora_have_their_published_document_counts() {
    let Some(root) = root() else { return };
    for (name, documents) in [("enwiki.txt", 22_848), ("books.txt", 256)] {
        let corpus = Corpus::open(&[root.join("corpus").join(name)], &root).expect("a valid corpus");
        assert_eq!(corpus.documents(), documents, "{name}");
    }
}
