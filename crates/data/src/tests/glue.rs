use super::{Folder, fault, load_and_listen, strings, targets, texts};
use crate::metrics::MetricSet;
use crate::task::{Target, TaskKind};
use crate::{DataSpec, GlueTask, Source, Split, load};
use tinybert_base::Error;
use tinybert_base::progress::Silent;

fn spec(task: GlueTask, folder: &Folder) -> DataSpec {
    DataSpec { source: Source::Glue { task, folder: folder.path() }, labels: None }
}

/// One labelled file of a task in its official layout: what the first row must be read as.
fn check(
    task: GlueTask,
    name: &str,
    split: Split,
    content: &str,
    text: &str,
    pair: Option<&str>,
    target: Target,
) {
    let folder = Folder::with(name, content);
    let (dataset, _) = load_and_listen(&spec(task, &folder), split);
    let example = &dataset.examples[0];
    assert_eq!((example.text.as_str(), example.pair.as_deref()), (text, pair), "{}", task.name());
    assert_eq!(example.target, target, "{}", task.name());
    assert_eq!(dataset.labels, task.labels(), "{}", task.name());
    assert_eq!(dataset.sources, [folder.path().join(name)]);
}

#[test]
fn official_layouts_are_read_by_column_name() {
    let train = |task, content, text, pair, target| {
        check(task, "train.tsv", Split::Train, content, text, pair, target);
    };
    train(GlueTask::Sst2, "sentence\tlabel\na gem \t1\n", "a gem ", None, Target::Class(1));
    train(GlueTask::Cola, "gj04\t0\t*\tHim ran.\n", "Him ran.", None, Target::Class(0));
    train(
        GlueTask::Rte,
        "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tnot_entailment\n",
        "A.",
        Some("B."),
        Target::Class(1),
    );
    train(
        GlueTask::Stsb,
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n\
         0\tg\tf\ty\to\tnone\tnone\tA plane.\tAn air plane.\t4.750\n",
        "A plane.",
        Some("An air plane."),
        Target::Score(4.75),
    );
    train(
        GlueTask::Mrpc,
        "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tHe said \"no.\tNo, he said.\n",
        "He said \"no.",
        Some("No, he said."),
        Target::Class(1),
    );
    let mnli = "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t\
                sentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label\n\
                0\t1\t1n\tfiction\t( a )\t( b )\t(R a)\t(R b)\tA\tB\tneutral\tcontradiction\n";
    train(GlueTask::Mnli, mnli, "A", Some("B"), Target::Class(2));
    check(GlueTask::Mnli, "dev_matched.tsv", Split::Dev, mnli, "A", Some("B"), Target::Class(2));
    check(GlueTask::Mnli, "dev_mismatched.tsv", Split::DevMismatched, mnli, "A", Some("B"), Target::Class(2));
    train(
        GlueTask::Qqp,
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tWhy?\tHow?\t0\n",
        "Why?",
        Some("How?"),
        Target::Class(0),
    );
    train(
        GlueTask::Qnli,
        "index\tquestion\tsentence\tlabel\n0\tWho?\tNobody.\tentailment\n",
        "Who?",
        Some("Nobody."),
        Target::Class(0),
    );
}

#[test]
fn test_splits_may_be_unlabelled() {
    let test = |task, content, text, pair| {
        check(task, "test.tsv", Split::Test, content, text, pair, Target::None);
    };
    test(GlueTask::Sst2, "index\tsentence\n0\tuneasy mishmash\n", "uneasy mishmash", None);
    test(GlueTask::Cola, "index\tsentence\n0\tBill ran.\n", "Bill ran.", None);
    test(GlueTask::Rte, "index\tsentence1\tsentence2\n0\tA\tB\n", "A", Some("B"));
    test(GlueTask::Mrpc, "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\tA\tB\n", "A", Some("B"));
    let mnli = "index\tsentence1\tsentence2\n0\tA\tB\n";
    check(GlueTask::Mnli, "test_matched.tsv", Split::Test, mnli, "A", Some("B"), Target::None);
    check(GlueTask::Mnli, "test_mismatched.tsv", Split::TestMismatched, mnli, "A", Some("B"), Target::None);
}

#[test]
fn a_labelled_test_split_is_known_by_its_header() {
    check(
        GlueTask::Sst2,
        "test.tsv",
        Split::Test,
        "sentence\tlabel\nno yuks\t0\n",
        "no yuks",
        None,
        Target::Class(0),
    );
}

#[test]
fn line_ends_and_byte_order_marks_of_windows_are_tolerated() {
    let folder = Folder::with("dev.tsv", "\u{feff}sentence\tlabel\r\na\t0\r\nb\t1\r\n");
    let (dataset, _) = load_and_listen(&spec(GlueTask::Sst2, &folder), Split::Dev);
    assert_eq!(texts(&dataset), ["a", "b"]);
    assert_eq!(targets(&dataset), [Target::Class(0), Target::Class(1)]);
}

#[test]
fn an_empty_sentence_is_a_sentence() {
    let folder = Folder::with("dev.tsv", "sentence\tlabel\n\t1\n");
    assert_eq!(texts(&load_and_listen(&spec(GlueTask::Sst2, &folder), Split::Dev).0), [""]);
}

#[test]
fn broken_rows_are_left_out_of_qqp_alone_and_counted() {
    let qqp = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n\
               1\t2\t3\tWhy?\tHow?\t1\n4\t5\t6\tWhat is\nthis?\tWhat?\t0\n7\t8\t9\tA?\tB?\t0\n";
    let folder = Folder::with("train.tsv", qqp);
    let (dataset, said) = load_and_listen(&spec(GlueTask::Qqp, &folder), Split::Train);
    assert_eq!(texts(&dataset), ["Why?", "A?"]);
    assert!(said.contains("left out 2 lines") && said.contains("3, 4"), "{said}");

    let folder = Folder::with("train.tsv", "sentence\tlabel\ngood\t1\nbad\n");
    let message = fault(&spec(GlueTask::Sst2, &folder), Split::Train);
    assert!(message.ends_with("train.tsv:3: expected 2 tab-separated columns, found 1"), "{message}");
}

#[test]
fn faults_name_file_and_line() {
    let sst2 = |content: &[u8], want: &str| {
        let folder = Folder::with("dev.tsv", content);
        let message = fault(&spec(GlueTask::Sst2, &folder), Split::Dev);
        assert!(message.contains(want), "expected {want:?} in {message:?}");
    };
    sst2(b"sentence\tlabel\ngood\t1\nbad\tnegative\n", "dev.tsv:3: label \"negative\" is unknown");
    sst2(b"sentence\tlabel\ngood\t2\n", "the labels of sst-2 are 0, 1");
    sst2(b"sentence\tlabel\ngood\t1\nb\xffd\t0\n", "dev.tsv:3: byte 0xff is not UTF-8");
    sst2(b"index\tsentence\n0\tgood\n", "needs a column \"label\"; the header has index, sentence");
    sst2(b"text\tlabel\ngood\t1\n", "dev.tsv:1: the dev split of sst-2 needs a column \"sentence\"");
    sst2(b"sentence\tlabel\n", "there are no examples");
    sst2(b"", "the file is empty");

    let scores = "sentence1\tsentence2\tscore\nA\tB\t";
    for (score, want) in
        [("5.1", "is not between 0 and 5"), ("NaN", "not a finite number"), ("", "not a finite")]
    {
        let folder = Folder::with("dev.tsv", format!("{scores}{score}\n"));
        let message = fault(&spec(GlueTask::Stsb, &folder), Split::Dev);
        assert!(message.contains("dev.tsv:2: ") && message.contains(want), "{message}");
    }
}

#[test]
fn missing_files_and_splits_are_told_apart() {
    let folder = Folder::new();
    let missing = load(&spec(GlueTask::Rte, &folder), Split::Dev, &Silent).unwrap_err();
    assert!(matches!(&missing, Error::Io { path, .. } if path.ends_with("dev.tsv")), "{missing}");
    let no_split = load(&spec(GlueTask::Rte, &folder), Split::DevMismatched, &Silent).unwrap_err();
    assert!(matches!(no_split, Error::Usage(_)), "{no_split}");
}

#[test]
fn a_model_keeps_its_own_label_order() {
    let folder = Folder::with("dev.tsv", "index\tquestion\tsentence\tlabel\n0\tQ\tS\tentailment\n");
    let mut spec = spec(GlueTask::Qnli, &folder);
    spec.labels = Some(strings(&["NOT_ENTAILMENT", "ENTAILMENT"]));
    let (dataset, said) = load_and_listen(&spec, Split::Dev);
    assert_eq!(targets(&dataset), [Target::Class(1)]);
    assert_eq!(dataset.labels, ["NOT_ENTAILMENT", "ENTAILMENT"]);
    assert_eq!(said, "");
}

#[test]
fn labels_that_only_count_are_taken_by_index_and_it_is_said() {
    let folder = Folder::with("dev.tsv", "sentence\tlabel\ngood\t1\n");
    let mut spec = spec(GlueTask::Sst2, &folder);
    spec.labels = Some(strings(&["LABEL_0", "LABEL_1"]));
    let (dataset, said) = load_and_listen(&spec, Split::Dev);
    assert_eq!(dataset.labels, ["negative", "positive"]);
    assert!(said.contains("LABEL_0 = negative, LABEL_1 = positive"), "{said}");

    spec.labels = Some(strings(&["LABEL_0", "LABEL_1", "LABEL_2"]));
    let message = fault(&spec, Split::Dev);
    assert!(message.contains("LABEL_2") && message.contains("sst-2 needs negative, positive"), "{message}");
}

#[test]
fn tasks_are_named_as_people_write_them() {
    for (name, task) in [("SST-2", GlueTask::Sst2), ("sst2", GlueTask::Sst2), ("STS_B", GlueTask::Stsb)] {
        assert_eq!(name.parse::<GlueTask>().unwrap(), task);
    }
    let message = "wnli".parse::<GlueTask>().unwrap_err().to_string();
    assert!(message.contains("sst-2, cola, rte"), "{message}");
}

#[test]
fn each_task_has_the_metrics_of_glue() {
    let folder = Folder::new();
    let metrics = |task| spec(task, &folder).metrics();
    assert_eq!(metrics(GlueTask::Cola), MetricSet::Matthews);
    assert_eq!(metrics(GlueTask::Mrpc), MetricSet::AccuracyAndF1 { positive: 1 });
    assert_eq!(metrics(GlueTask::Qqp), MetricSet::AccuracyAndF1 { positive: 1 });
    assert_eq!(metrics(GlueTask::Stsb), MetricSet::PearsonAndSpearman);
    for task in [GlueTask::Sst2, GlueTask::Rte, GlueTask::Mnli, GlueTask::Qnli] {
        assert_eq!(metrics(task), MetricSet::Accuracy);
    }
    assert_eq!(spec(GlueTask::Stsb, &folder).kind(), TaskKind::Regression);

    let mut turned = spec(GlueTask::Mrpc, &folder);
    turned.labels = Some(strings(&["equivalent", "not_equivalent"]));
    assert_eq!(turned.metrics(), MetricSet::AccuracyAndF1 { positive: 0 });
}
