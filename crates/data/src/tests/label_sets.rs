//! Any number of labels per text.

use super::{Folder, fault, load_and_listen, table, targets, texts};
use crate::task::{Target, TaskKind};
use crate::{ColumnNames, DataSpec, DevShare, Source, Split, TableFiles, read_rows};
use tinybert_base::progress::Silent;

fn columns(soft_labels: Option<&str>) -> ColumnNames {
    ColumnNames {
        text: "text".into(),
        pair: None,
        label: Some("labels".into()),
        soft_labels: soft_labels.map(String::from),
    }
}

/// A spec whose training file has this content.
fn train(folder: &Folder, name: &str, content: &str) -> DataSpec {
    table(Some(folder.write(name, content)), None, columns(None), TaskKind::MultiLabel)
}

fn train_fault(name: &str, content: &str) -> String {
    fault(&train(&Folder::new(), name, content), Split::Train)
}

fn sets(sets: &[&[u32]]) -> Vec<Target> {
    sets.iter().map(|set| Target::LabelSet(set.to_vec())).collect()
}

#[test]
fn lists_in_json_and_cells_with_bars_give_the_same_sets() {
    let folder = Folder::new();
    let files = [
        (
            "a.jsonl",
            "{\"text\": \"A\", \"labels\": [\"joy\", \"anger\"]}\n{\"text\": \"B\", \"labels\": []}\n\
             {\"text\": \"C\", \"labels\": [\"fear\"]}\n",
        ),
        ("a.csv", "text,labels\nA,joy|anger\nB,\nC,fear\n"),
        ("a.tsv", "text\tlabels\nA\tjoy|anger\nB\t\nC\tfear\n"),
    ];
    for (name, content) in files {
        let (dataset, _) = load_and_listen(&train(&folder, name, content), Split::Train);
        assert_eq!(dataset.labels, ["anger", "fear", "joy"], "{name}");
        // In ascending order, whatever the order in the file.
        assert_eq!(targets(&dataset), sets(&[&[0, 2], &[], &[1]]), "{name}");
        assert!(dataset.examples.iter().all(|example| example.target.is_gold()), "{name}");
        assert_eq!(dataset.kind, TaskKind::MultiLabel);
    }
}

#[test]
fn numbers_are_names_and_a_model_keeps_its_own_labels() {
    let folder = Folder::new();
    let mut spec = train(&folder, "a.jsonl", "{\"text\": \"A\", \"labels\": [10, 2, true]}\n");
    let (dataset, _) = load_and_listen(&spec, Split::Train);
    assert_eq!(dataset.labels, ["10", "2", "true"]);
    spec.labels = Some(["true", "2", "x", "10"].map(String::from).into());
    let (dataset, _) = load_and_listen(&spec, Split::Train);
    assert_eq!(targets(&dataset), sets(&[&[0, 1, 3]]));

    let (dataset, _) = load_and_listen(
        &train(&folder, "b.jsonl", "{\"text\": \"A\", \"labels\": [1.10, 1.1]}\n"),
        Split::Train,
    );
    assert_eq!(dataset.labels, ["1.1", "1.10"]);
}

#[test]
fn what_is_no_set_of_labels_is_refused_by_file_and_line() {
    let row = |labels: &str| {
        format!("{{\"text\": \"A\", \"labels\": [\"a\"]}}\n{{\"text\": \"B\", \"labels\": {labels}}}\n")
    };
    for (labels, wanted) in [
        ("\"a\"", "\"labels\" should be a list of labels with --multi-label, found \"a\""),
        ("3", "should be a list of labels with --multi-label, found 3"),
        ("null", "should be a list of labels"),
        ("{\"a\": 1}", "should be a list of labels"),
        ("[[\"a\"]]", "should be a list of names, but has [\"a\"]"),
        ("[null]", "should be a list of names, but has null"),
        ("[\"\"]", "should be a list of names, but has \"\""),
        ("[\"a|b\"]", "the character | separates labels"),
        ("[\"a\", \"a\"]", "the label \"a\" is there twice"),
    ] {
        let said = train_fault("t.jsonl", &row(labels));
        assert!(said.contains("t.jsonl:2: ") && said.contains(wanted), "{labels}: {said}");
    }
    for (cell, wanted) in [
        ("a|a", "the label \"a\" is there twice"),
        ("a||b", "label \"\" is empty"),
        ("a|", "label \"\" is empty"),
        ("a | b", "label \"a \" is empty, begins or ends with white space"),
    ] {
        let said = train_fault("t.csv", &format!("text,labels\nA,a\nB,{cell}\n"));
        assert!(said.contains("t.csv:3: ") && said.contains(wanted), "{cell}: {said}");
    }
    assert!(train_fault("t.jsonl", "{\"text\": \"A\", \"labels\": []}\n").contains("no row has a label"));
    assert!(train_fault("t.csv", "text,labels\nA,\n").contains("no row has a label"));
    assert!(train_fault("t.jsonl", "{\"text\": \"A\"}\n").contains("there is no key \"labels\""));
}

#[test]
fn an_unknown_label_lists_those_that_are_known() {
    let folder = Folder::new();
    let train = folder.write("train.csv", "text,labels\nA,a|b\n");
    let dev = folder.write("dev.csv", "text,labels\nA,a\nB,a|c\n");
    let said = fault(&table(Some(train), Some(dev), columns(None), TaskKind::MultiLabel), Split::Dev);
    assert!(
        said.contains("dev.csv:3: label \"c\" is unknown; the labels of ") && said.ends_with("a, b"),
        "{said}"
    );
}

#[test]
fn a_list_where_one_label_is_expected_says_which_option_reads_lists() {
    let folder = Folder::new();
    let train = folder.write("t.jsonl", "{\"text\": \"A\", \"labels\": [\"a\"]}\n");
    let said = fault(&table(Some(train), None, columns(None), TaskKind::Classification), Split::Train);
    assert!(
        said.contains("a string or a number, found [\"a\"]; --multi-label reads lists of labels"),
        "{said}"
    );
}

#[test]
fn soft_labels_of_sets_need_no_sum_and_may_come_with_gold_labels() {
    let folder = Folder::new();
    let content = "{\"text\": \"A\", \"soft\": {\"a\": 0.75, \"b\": 1}, \"labels\": [\"b\"]}\n\
                   {\"text\": \"B\", \"soft\": [0, 0.25], \"labels\": []}\n{\"text\": \"C\", \"soft\": {}}\n";
    let soft = |content: &str| {
        let path = folder.write("t.jsonl", content);
        table(Some(path), None, columns(Some("soft")), TaskKind::MultiLabel)
    };
    let (dataset, _) = load_and_listen(&soft(content), Split::Train);
    let target = |of_labels: [f32; 2], gold: Option<&[u32]>| Target::SoftLabelSet {
        probabilities: of_labels.to_vec(),
        gold: gold.map(<[u32]>::to_vec),
    };
    let wanted = [target([0.75, 1.0], Some(&[1])), target([0.0, 0.25], Some(&[])), target([0.0, 0.0], None)];
    assert_eq!(targets(&dataset), wanted);
    assert_eq!(wanted.map(|target| target.is_gold()), [true, true, false]);
    for (cell, wanted) in
        [("{\"a\": 1.5}", "soft label of \"a\" is 1.5"), ("[1]", "1 soft labels for 2 labels")]
    {
        let said = fault(&soft(&format!("{content}{{\"text\": \"D\", \"soft\": {cell}}}\n")), Split::Train);
        assert!(said.contains("t.jsonl:4") && said.contains(wanted), "{cell}: {said}");
    }
    // In a table an empty cell beside soft labels is a row without gold labels, as with single labels.
    let path = folder.write("t.csv", "text,soft,labels\nA,\"{\"\"a\"\": 1, \"\"b\"\": 0}\",\n");
    let spec = table(Some(path), None, columns(Some("soft")), TaskKind::MultiLabel);
    assert_eq!(targets(&load_and_listen(&spec, Split::Train).0), [target([1.0, 0.0], None)]);
}

#[test]
fn a_cut_keeps_all_rows_and_every_label_is_known_on_both_sides() {
    let folder = Folder::new();
    let row = |at: usize| format!("text {at},{}\n", ["a|b", "", "c"][at % 3]);
    let content = String::from("text,labels\n") + &(0..120).map(row).collect::<String>();
    let cut = |mut spec: DataSpec, share: f64| {
        if let Source::Table(TableFiles { dev_share, .. }) = &mut spec.source {
            *dev_share = Some(DevShare::new(share, 0).unwrap());
        }
        spec
    };
    let spec = cut(train(&folder, "t.csv", &content), 0.25);
    let [train, dev] = [Split::Train, Split::Dev].map(|split| load_and_listen(&spec, split).0);
    assert_eq!((train.examples.len(), dev.examples.len()), (90, 30));
    assert_eq!((&train.labels, train.labels.len()), (&dev.labels, 3));
    assert!(texts(&dev).iter().all(|text| !texts(&train).contains(text)));

    // A rare label that stands beside a frequent one has a row on both sides.
    let content = content.replace("text 0,a|b\n", "text 0,a|d\n").replace("text 3,a|b\n", "text 3,d|a\n");
    let spec = cut(self::train(&folder, "t.csv", &content), 0.1);
    for split in [Split::Train, Split::Dev] {
        let data = load_and_listen(&spec, split).0;
        let with = |label: u32| {
            data.examples.iter().filter(|example| example.target.classes().contains(&label)).count()
        };
        assert!((0..4).all(|label| with(label) > 0) && with(3) == 1, "{split}");
    }

    // Rows that have soft labels alone stay in the training set: nothing can be judged by them.
    let row = |at: usize| {
        let gold = if at.is_multiple_of(2) { ", \"labels\": [\"a\"]" } else { "" };
        format!("{{\"text\": \"text {at}\", \"soft\": {{\"a\": 0.5, \"b\": 1}}{gold}}}\n")
    };
    let path = folder.write("soft.jsonl", (0..40).map(row).collect::<String>());
    let spec = cut(table(Some(path), None, columns(Some("soft")), TaskKind::MultiLabel), 0.25);
    let dev = load_and_listen(&spec, Split::Dev).0;
    assert!(!dev.examples.is_empty() && dev.examples.iter().all(|example| example.target.is_gold()));
}

#[test]
fn rows_are_written_as_they_are_read() {
    let folder = Folder::new();
    for (name, content) in [
        ("a.jsonl", "{\"labels\":[\"x\",\"y\"],\"text\":\"A\"}\n{\"labels\":[],\"text\":\"B\"}\n"),
        ("a.csv", "text,labels\nA,x|y\nB,\n"),
    ] {
        let rows = read_rows(&train(&folder, name, content), Split::Train, &Silent).unwrap();
        let written: String = rows.rows.iter().map(|row| rows.layout.line(row)).collect();
        assert_eq!(rows.layout.header() + &written, content, "{name}");
    }
}
