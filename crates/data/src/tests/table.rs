use std::path::PathBuf;

use proptest::prelude::*;

use super::{Folder, fault, load_and_listen, strings, table, targets, texts};
use crate::task::{Target, TaskKind};
use crate::{
    ColumnNames, DataSpec, DevShare, Format, Source, Split, TableFiles, load, read_rows, unlabelled,
};
use tinybert_base::Error;
use tinybert_base::progress::Silent;

/// Text and label columns by their usual names.
fn columns() -> ColumnNames {
    ColumnNames { text: "text".into(), pair: None, label: Some("label".into()), soft_labels: None }
}

fn spec(train: Option<PathBuf>, dev: Option<PathBuf>) -> DataSpec {
    table(train, dev, columns(), TaskKind::Classification)
}

/// A spec whose training file has this content.
fn train(folder: &Folder, name: &str, content: impl AsRef<[u8]>) -> DataSpec {
    spec(Some(folder.write(name, content)), None)
}

fn train_fault(name: &str, content: impl AsRef<[u8]>) -> String {
    fault(&train(&Folder::new(), name, content), Split::Train)
}

fn with(mut spec: DataSpec, columns: ColumnNames, kind: TaskKind) -> DataSpec {
    if let Source::Table(TableFiles { columns: old_columns, kind: old_kind, .. }) = &mut spec.source {
        (*old_columns, *old_kind) = (columns, kind);
    }
    spec
}

#[test]
fn every_format_gives_the_same_examples() {
    let folder = Folder::new();
    let files = [
        (
            "a.jsonl",
            "{\"label\": \"b\", \"text\": \"say \\\"hi\\\", you\", \"x\": [1]}\n\n{\"text\": \"\", \"label\": \"a\"}\n",
        ),
        ("a.csv", "x,label,text\n1,b,\"say \"\"hi\"\", you\"\n2,a,\n"),
        ("a.tsv", "x\tlabel\ttext\n1\tb\tsay \"hi\", you\n2\ta\t\n"),
    ];
    for (name, content) in files {
        let (dataset, _) = load_and_listen(&train(&folder, name, content), Split::Train);
        assert_eq!(texts(&dataset), ["say \"hi\", you", ""], "{name}");
        assert_eq!(targets(&dataset), [Target::Class(1), Target::Class(0)], "{name}");
        assert_eq!(dataset.labels, ["a", "b"], "{name}");
    }
}

#[test]
fn pairs_and_scores_come_from_named_columns() {
    let folder = Folder::new();
    let columns = ColumnNames {
        text: "left".into(),
        pair: Some("right".into()),
        label: Some("similarity".into()),
        soft_labels: None,
    };
    let files = [
        ("a.jsonl", "{\"left\": \"A\", \"right\": \"B\", \"similarity\": 2.5}\n"),
        ("a.csv", "similarity,right,left\n2.5,B,A\n"),
    ];
    for (name, content) in files {
        let spec = with(train(&folder, name, content), columns.clone(), TaskKind::Regression);
        let (dataset, _) = load_and_listen(&spec, Split::Train);
        assert_eq!(dataset.examples[0].text, "A");
        assert_eq!(dataset.examples[0].pair.as_deref(), Some("B"));
        assert_eq!(dataset.examples[0].target, Target::Score(2.5));
        assert_eq!(dataset.labels, Vec::<String>::new());
    }
}

#[test]
fn without_a_label_column_everything_is_unlabelled() {
    let folder = Folder::new();
    let columns = ColumnNames { label: None, ..columns() };
    let mut spec = with(train(&folder, "a.csv", "text\nhello\n"), columns, TaskKind::Classification);
    assert_eq!(targets(&load_and_listen(&spec, Split::Train).0), [Target::None]);
    spec.labels = Some(strings(&["LABEL_0", "LABEL_1"]));
    assert_eq!(load_and_listen(&spec, Split::Train).0.labels, ["LABEL_0", "LABEL_1"]);
}

#[test]
fn dev_takes_its_classes_from_train() {
    let folder = Folder::new();
    let files = |dev: &str| {
        let train = folder.write("train.tsv", "text\tlabel\n1\tc\n2\ta\n3\tb\n");
        spec(Some(train), Some(folder.write("dev.tsv", format!("text\tlabel\n{dev}"))))
    };
    let (dataset, _) = load_and_listen(&files("x\tc\n"), Split::Dev);
    assert_eq!((targets(&dataset), dataset.labels), (vec![Target::Class(2)], strings(&["a", "b", "c"])));

    let message = fault(&files("x\ta\ny\tB\n"), Split::Dev);
    assert!(message.contains("dev.tsv:3: label \"B\" is unknown; the labels of "), "{message}");
    assert!(message.contains("train.tsv are a, b, c; correct it or leave such rows out"), "{message}");
}

#[test]
fn whole_numbers_are_classes_in_order_of_value() {
    let folder = Folder::new();
    let lines: String = [10, 9, 2].map(|label| format!("{{\"text\": \"t\", \"label\": {label}}}\n")).concat();
    let (dataset, _) = load_and_listen(&train(&folder, "a.jsonl", lines), Split::Train);
    assert_eq!(dataset.labels, ["2", "9", "10"]);
    assert_eq!(targets(&dataset), [Target::Class(2), Target::Class(1), Target::Class(0)]);
}

#[test]
fn a_number_as_label_is_what_is_written() {
    let folder = Folder::new();
    let written = ["1.10", "1.1", "1.0", "1", "1e2", "100.0", "12345678901234567890123", "-0"];
    let lines = written.map(|label| format!("{{\"text\": \"t\", \"label\": {label}}}\n")).concat();
    let (dataset, _) = load_and_listen(&train(&folder, "a.jsonl", lines), Split::Train);
    let labels: Vec<&str> = dataset
        .examples
        .iter()
        .map(|example| match example.target {
            Target::Class(class) => dataset.labels[class as usize].as_str(),
            _ => "no class",
        })
        .collect();
    assert_eq!(labels, written);
}

#[test]
fn a_byte_order_mark_is_no_part_of_any_file() {
    let files = [
        ("a.jsonl", "{\"text\": \"t\", \"label\": \"a\"}\n{\"text\": \"u\", \"label\": \"b\"}\n"),
        ("a.csv", "\"text\",label\nt,a\nu,b\n"),
        ("a.tsv", "text\tlabel\nt\ta\nu\tb\n"),
    ];
    for (name, content) in files {
        let folder = Folder::new();
        let (dataset, _) = load_and_listen(&train(&folder, name, format!("\u{feff}{content}")), Split::Train);
        assert_eq!(
            (texts(&dataset), dataset.labels.clone()),
            (vec!["t", "u"], strings(&["a", "b"])),
            "{name}"
        );
    }
}

#[test]
fn a_quote_within_an_unquoted_cell_is_an_ordinary_character() {
    let folder = Folder::new();
    let content = "text,label\n5\" disk,a\n\"say \"\"hi\"\"\",b\n";
    let (dataset, _) = load_and_listen(&train(&folder, "a.csv", content), Split::Train);
    assert_eq!(texts(&dataset), ["5\" disk", "say \"hi\""]);
}

#[test]
fn a_model_keeps_its_own_labels() {
    let folder = Folder::new();
    let mut spec = train(&folder, "a.tsv", "text\tlabel\n1\tyes\n2\tno\n");
    spec.labels = Some(strings(&["yes", "perhaps", "no"]));
    let (dataset, _) = load_and_listen(&spec, Split::Train);
    assert_eq!(targets(&dataset), [Target::Class(0), Target::Class(2)]);
    assert_eq!(dataset.labels, ["yes", "perhaps", "no"]);

    spec.labels = Some(strings(&["yes", "perhaps"]));
    let message = fault(&spec, Split::Train);
    assert!(message.contains("a.tsv:3: label \"no\" is unknown"), "{message}");
    assert!(message.contains("the labels of the model are yes, perhaps; "), "{message}");

    spec.labels = Some(strings(&["LABEL_0", "LABEL_1"]));
    let (dataset, said) = load_and_listen(&spec, Split::Train);
    assert_eq!(
        (targets(&dataset), dataset.labels),
        (vec![Target::Class(1), Target::Class(0)], strings(&["no", "yes"]))
    );
    assert!(said.contains("LABEL_0 = no, LABEL_1 = yes"), "{said}");

    spec.labels = Some(strings(&["LABEL_0", "LABEL_1", "LABEL_2"]));
    let message = fault(&spec, Split::Train);
    assert!(message.contains("2 labels (no, yes), but the model has 3 outputs"), "{message}");
}

#[test]
fn a_wrong_column_lists_the_columns_that_are_there() {
    assert!(
        train_fault("a.csv", "sentence,label\na,b\n")
            .ends_with("a.csv:1: there is no column \"text\"; the columns are sentence, label")
    );
    assert!(train_fault("a.tsv", "text\tx\na\tb\n").contains("no column \"label\"; the columns are text, x"));
    assert!(train_fault("a.csv", "text,label,text\na,b,c\n").contains("has column \"text\" twice"));
    let message =
        train_fault("a.jsonl", "{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": \"a\", \"tag\": \"b\"}\n");
    assert!(message.contains("a.jsonl:2: there is no key \"label\"; the keys are "), "{message}");
}

#[test]
fn faults_name_file_and_line() {
    let faults: &[(&str, &[u8], &str)] = &[
        ("a.jsonl", b"{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": \n", "a.jsonl:2: not a JSON object"),
        ("a.jsonl", b"[1]\n", "a.jsonl:1: not a JSON object"),
        (
            "a.jsonl",
            b"{\"text\": null, \"label\": \"b\"}\n",
            "a.jsonl:1: \"text\" should be a string, found null",
        ),
        (
            "a.jsonl",
            b"{\"text\": \"a\", \"label\": [1]}\n",
            "\"label\" should be a string or a number, found [1]",
        ),
        ("a.jsonl", b"{\"text\": \"\xe9\", \"label\": \"b\"}\n", "a.jsonl:1: byte 0xe9 is not UTF-8"),
        ("a.csv", b"text,label\na,b\nc\n", "a.csv:3: expected 2 columns as in the header, found 1"),
        ("a.csv", b"text,label\n\"a\nb\",c\nd\n", "a.csv:4: expected 2 columns"),
        (
            "a.csv",
            b"label,text\na,b\nc,\"d\ne,f\ng,h\n",
            "a.csv:3: a quoted field begins here and never ends",
        ),
        ("a.csv", b"text,label\na,\n", "a.csv:2: the label is empty"),
        // The rows that Python's csv module refuses in strict mode, and otherwise joins.
        ("a.csv", b"label,text\na,\"one\" two\n", "a.csv:2: text stands behind the closing quote of a cell"),
        ("a.csv", b"label,text\na,b\nb,\"three\nb,four\na,\"five\"\nb,six\n", "a.csv:5: text stands behind"),
        ("a.csv", b"label,\"te\"xt\na,b\n", "a.csv:1: text stands behind"),
        (
            "a.jsonl",
            b"{\"text\": \"a\", \"label\": \"b\", \"text\": \"c\"}\n",
            "a.jsonl:1: not a JSON object: the key \"text\" is there twice",
        ),
        // In a column that nothing reads, too: nobody knows which of its rows was meant.
        (
            "a.jsonl",
            b"{\"text\": \"a\", \"label\": \"b\", \"x\": 1, \"x\": 2}\n",
            "the key \"x\" is there twice",
        ),
        (
            "a.jsonl",
            b"{\"text\": \"a\", \"label\": \"x\\ny\"}\n",
            "a.jsonl:1: label \"x\\ny\" has a line break",
        ),
        (
            "a.jsonl",
            b"{\"text\": \"a\", \"label\": \"x\\u001b[31m\"}\n",
            "a.jsonl:1: label \"x\\u{1b}[31m\" has a line break or a control character",
        ),
        ("a.csv", b"text,label\na,\"x\ny\"\n", "a.csv:2: label \"x\\ny\" has a line break"),
        (
            "a.tsv",
            "text\tlabel\na\tx\u{2028}y\n".as_bytes(),
            "a.tsv:2: label \"x\\u{2028}y\" has a line break",
        ),
        ("a.tsv", b"text\tlabel\na\tb\tc\n", "a.tsv:2: expected 2 columns as in the header, found 3"),
        ("a.jsonl", b"\n\n", "there are no examples"),
        ("a.csv", b"text,label\n", "there are no examples"),
        ("a.csv", b"", "the file is empty; expected a header"),
        ("a.tsv", b"", "the file is empty; expected a header"),
    ];
    for (name, content, want) in faults {
        let message = train_fault(name, content);
        assert!(message.contains(want), "expected {want:?} in {message:?}");
    }
    let folder = Folder::new();
    let spec = with(train(&folder, "a.csv", "text,label\na,inf\n"), columns(), TaskKind::Regression);
    let message = fault(&spec, Split::Train);
    assert!(message.ends_with("a.csv:2: score \"inf\" is not a finite number"), "{message}");
}

#[test]
fn csv_lines_are_counted_as_the_file_has_them() {
    // A cell of two lines and an empty line stand before the fault in line 6.
    let message = train_fault("a.csv", "text,label\r\n\"one\r\ntwo\",x\r\n\r\nthree,x\r\nfour\r\n");
    assert!(message.contains("a.csv:6: "), "{message}");
}

#[test]
fn the_format_may_be_given_where_the_name_does_not_tell() {
    let folder = Folder::new();
    let mut spec = train(&folder, "data.txt", "text\tlabel\na\tb\nc\td\n");
    assert!(fault(&spec, Split::Train).contains("expected .jsonl, .csv, .tsv or .conll"));
    if let Source::Table(TableFiles { format, .. }) = &mut spec.source {
        *format = Some(Format::Tsv);
    }
    assert_eq!(texts(&load_and_listen(&spec, Split::Train).0), ["a", "c"]);
}

#[test]
fn missing_files_and_splits_are_told_apart() {
    let folder = Folder::new();
    let spec = spec(Some(folder.path().join("no.csv")), None);
    assert!(
        matches!(load(&spec, Split::Train, &Silent), Err(Error::Io { path, .. }) if path.ends_with("no.csv"))
    );
    assert!(matches!(load(&spec, Split::Dev, &Silent), Err(Error::Usage(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Cells that the csv crate writes come back with all quotes and line ends.
    #[test]
    fn csv_cells_may_hold_anything(
        cells in proptest::collection::vec(("[a \"',\r\n\té]{0,8}", "[xy]"), 1..6),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["text", "label"]).unwrap();
        // A classifier needs two labels.
        let all: Vec<(&str, &str)> = [("first", "x"), ("second", "y")].into_iter()
            .chain(cells.iter().map(|(text, label)| (text.as_str(), label.as_str())))
            .collect();
        for (text, label) in &all {
            writer.write_record([text, label]).unwrap();
        }
        let folder = Folder::new();
        let spec = train(&folder, "a.csv", writer.into_inner().unwrap());
        let (dataset, _) = load_and_listen(&spec, Split::Train);
        prop_assert_eq!(texts(&dataset), all.iter().map(|(text, _)| *text).collect::<Vec<_>>());
    }

    /// Any bytes give examples or an error, in every format.
    #[test]
    fn no_content_makes_a_reader_panic(
        header in prop_oneof![Just(""), Just("text,label\n"), Just("text\tlabel\n")],
        body in proptest::collection::vec(
            prop_oneof![Just(b'"'), Just(b','), Just(b'\t'), Just(b'\r'), Just(b'\n'), Just(b'{'), Just(0xc3), any::<u8>()],
            0..40,
        ),
    ) {
        let folder = Folder::new();
        for name in ["a.csv", "a.tsv", "a.jsonl"] {
            let _ = load(&train(&folder, name, [header.as_bytes(), &body].concat()), Split::Train, &Silent);
        }
    }
}

/// [`train`] with the column `soft` of soft labels.
fn soft(folder: &Folder, name: &str, content: &str) -> DataSpec {
    let columns = ColumnNames { soft_labels: Some("soft".into()), ..columns() };
    with(train(folder, name, content), columns, TaskKind::Classification)
}

#[test]
fn soft_labels_come_with_or_without_gold_labels() {
    let folder = Folder::new();
    let probabilities =
        |of_labels: [f32; 2], gold| Target::SoftLabels { probabilities: of_labels.to_vec(), gold };
    let wanted = [probabilities([0.25, 0.75], Some(1)), probabilities([1.0, 0.0], None)];
    let files = [
        (
            "a.jsonl",
            "{\"text\": \"A\", \"soft\": {\"b\": 0.75, \"a\": 0.25}, \"label\": \"b\"}\n\
             {\"text\": \"B\", \"soft\": [1, 0], \"label\": null}\n",
        ),
        ("a.csv", "text,soft,label\nA,\"{\"\"b\"\": 0.75, \"\"a\"\": 0.25}\",b\nB,\"[1, 0]\",\n"),
        ("a.tsv", "text\tsoft\tlabel\nA\t{\"b\": 0.75, \"a\": 0.25}\tb\nB\t[1, 0]\t\n"),
    ];
    for (name, content) in files {
        let (dataset, _) = load_and_listen(&soft(&folder, name, content), Split::Train);
        assert_eq!(targets(&dataset), wanted, "{name}");
        assert_eq!(dataset.labels, ["a", "b"], "{name}");
    }
    // A file without the label column at all.
    let content = "text,soft\nA,\"{\"\"b\"\": 0.75, \"\"a\"\": 0.25}\"\nB,\"[1, 0]\"\n";
    let (dataset, _) = load_and_listen(&soft(&folder, "b.csv", content), Split::Train);
    assert_eq!(targets(&dataset), [probabilities([0.25, 0.75], None), probabilities([1.0, 0.0], None)]);
}

#[test]
fn lists_of_soft_labels_take_the_labels_of_the_development_file() {
    let folder = Folder::new();
    let mut spec = soft(&folder, "train.jsonl", "{\"text\": \"A\", \"soft\": [0.25, 0.75]}\n");
    let dev = folder.write("dev.csv", "text,label\nA,yes\nB,no\n");
    if let Source::Table(files) = &mut spec.source {
        files.dev = Some(dev);
    }
    let (dataset, _) = load_and_listen(&spec, Split::Train);
    assert_eq!(dataset.labels, ["no", "yes"]);
    assert_eq!(targets(&load_and_listen(&spec, Split::Dev).0), [Target::Class(1), Target::Class(0)]);
}

#[test]
fn soft_labels_that_are_no_probabilities_are_named_by_line() {
    let lines = |cell: &str| {
        let content = format!(
            "{{\"text\": \"A\", \"soft\": {{\"a\": 0.5, \"b\": 0.5}}}}\n{{\"text\": \"B\", \"soft\": {cell}}}\n"
        );
        let folder = Folder::new();
        fault(&soft(&folder, "t.jsonl", &content), Split::Train)
    };
    for (cell, wanted) in [
        ("{\"a\": 0.5, \"b\": 0.4}", "sum to 0.9"),
        ("{\"a\": 1.5, \"b\": -0.5}", "soft label of \"b\" is -0.5"),
        ("[0.5, 0.25, 0.25]", "3 soft labels for 2 labels"),
        ("null", "an object of label and probability"),
        ("\"a\"", "an object of label and probability"),
    ] {
        let said = lines(cell);
        assert!(said.contains("t.jsonl:2") && said.contains(wanted), "{cell}: {said}");
    }
    let folder = Folder::new();
    let said = fault(&soft(&folder, "t.jsonl", "{\"text\": \"A\", \"label\": \"a\"}\n"), Split::Train);
    assert!(said.contains("there is no key \"soft\""), "{said}");
}

#[test]
fn a_share_of_the_training_file_is_the_development_set() {
    let folder = Folder::new();
    let row = |at: usize| format!("text {at},{}\n", ["a", "b", "c"][at % 3]);
    let content = String::from("text,label\n") + &(0..300).map(row).collect::<String>();
    let mut spec = train(&folder, "t.csv", content);
    if let Source::Table(files) = &mut spec.source {
        files.dev_share = Some(DevShare::new(0.1, 0).unwrap());
    }
    let (train, _) = load_and_listen(&spec, Split::Train);
    let (dev, said) = load_and_listen(&spec, Split::Dev);
    assert_eq!((train.examples.len(), dev.examples.len()), (270, 30));
    assert_eq!((&train.labels, &dev.labels), (&vec!["a".into(), "b".into(), "c".into()], &train.labels));
    assert!(said.contains("30 of the 300 rows"), "{said}");
    for class in 0..3 {
        let of_class = targets(&dev).into_iter().filter(|target| *target == Target::Class(class)).count();
        assert_eq!(of_class, 10);
    }
    let rows = read_rows(&spec, Split::Train, &Silent).unwrap().rows;
    assert_eq!(rows.iter().map(|row| row.text.as_str()).collect::<Vec<_>>(), texts(&train));
    let train_texts = texts(&train);
    assert!(texts(&dev).iter().all(|text| !train_texts.contains(text)));
}

#[test]
fn a_file_that_cannot_be_cut_is_refused() {
    let folder = Folder::new();
    let mut spec = train(&folder, "t.csv", "text,label\nA,a\nB,b\n");
    if let Source::Table(files) = &mut spec.source {
        files.dev_share = Some(DevShare::new(0.5, 0).unwrap());
    }
    let said = fault(&spec, Split::Dev);
    assert!(said.contains("none of 2 rows") && said.contains("t.csv"), "{said}");
}

#[test]
fn unlabelled_text_is_a_text_on_each_line_or_the_text_columns_of_a_table() {
    let folder = Folder::new();
    let read = |name: &str, content: &str, columns: &ColumnNames| {
        unlabelled(&folder.write(name, content), columns, TaskKind::Classification)
    };
    let texts = |examples: Vec<crate::task::Example>| -> Vec<(String, Option<String>)> {
        assert!(examples.iter().all(|example| example.target == Target::None));
        examples.into_iter().map(|example| (example.text, example.pair)).collect()
    };
    let one = |text: &str| (text.to_owned(), None);
    let found = texts(read("a.txt", "play jazz\r\n\n  \nstop it\n", &columns()).unwrap());
    assert_eq!(found, [one("play jazz"), one("stop it")]);
    let found = texts(read("a.csv", "label,text\nx,play jazz\n", &columns()).unwrap());
    assert_eq!(found, [one("play jazz")]);
    let pairs = ColumnNames { pair: Some("pair".into()), ..columns() };
    let found = texts(read("a.jsonl", "{\"text\": \"A\", \"pair\": \"B\"}\n", &pairs).unwrap());
    assert_eq!(found, [("A".to_owned(), Some("B".to_owned()))]);
    assert!(read("b.txt", "A\n", &pairs).unwrap_err().to_string().contains("is no pair"));
    assert!(read("c.txt", "\n \n", &columns()).unwrap_err().to_string().contains("there is no text"));
    assert!(read("b.jsonl", "{\"txt\": \"A\"}\n", &columns()).unwrap_err().to_string().contains("\"text\""));
}
