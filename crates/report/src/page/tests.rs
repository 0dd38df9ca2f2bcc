//! The tests read the page with an XML parser, which is independent of the code that writes it.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::json;

use super::html;
use crate::{
    Curve, CurvePoint, ImageSize, LostText, ModelledLatency, Report, ReportBudget, ReportedAnswers,
    ReportedCandidate, ReportedConfidence, ReportedFloor, ReportedLabel, ReportedTry, RiskPoint, StageReport,
    TeacherComparison,
};
use tinybert_base::FileHash;
use tinybert_baseline::BaselineRow;
use tinybert_data::metrics::Metrics;
use tinybert_data::metrics::confidence::ReliabilityBin;
use tinybert_data::metrics::intervals::Estimate;
use tinybert_quantize::sensitivity::Sensitivity;

const HOSTILE: &str = "</style><script>alert('\"&')</script>\u{1}";
/// The hostile text on the page: XML does not allow U+0001.
const HARMLESS: &str = "</style><script>alert('\"&')</script>\u{fffd}";

fn point(step: u64, values: &[(&str, f64)]) -> CurvePoint {
    CurvePoint { step, values: values.iter().map(|&(name, value)| (name.into(), value)).collect() }
}

fn sensitivity(layer: Option<usize>, part: &str, logit_error: f64) -> Sensitivity {
    Sensitivity { layer, part: part.into(), encoding: "int4".into(), logit_error, metric: None }
}

fn floor(name: &str) -> ReportedFloor {
    let judged = |value, low, high| Estimate { value, interval: [low, high] };
    ReportedFloor {
        name: "99 % of the teacher's accuracy".into(),
        samples: 350,
        teacher: judged(0.94, 0.91, 0.96),
        image: judged(0.9350, 0.90, 0.95),
        least: 0.9306,
        difference: judged(-0.005, -0.02, 0.01),
        margin: judged(0.0044, -0.01, 0.02),
        held: true,
        verdict: name.into(),
        least_in_search: 0.92,
        tries: vec![ReportedTry {
            name: name.into(),
            flash_bytes: 1_000_000,
            metric: 0.93,
            interval: Some([0.9, 0.95]),
            held: true,
            exceeds: None,
        }],
    }
}

/// The answers of a classifier with two labels.
fn answers(name: &str) -> ReportedAnswers {
    let label = |name: &str, support| ReportedLabel {
        name: name.into(),
        precision: 0.75,
        recall: 0.6,
        f1: 2.0 / 3.0,
        support,
    };
    let point = |probability, coverage, risk| RiskPoint { probability, coverage, risk };
    let mut bins = vec![ReliabilityBin::default(); 15];
    bins[14] = ReliabilityBin { count: 8, right: 6, probabilities: 7.75 };
    let lost = LostText {
        text: name.into(),
        pair: Some(name.into()),
        gold: name.into(),
        answer: "other".into(),
        probability: 0.75,
        teacher_probability: 0.875,
    };
    ReportedAnswers {
        model: name.into(),
        samples: 8,
        labels: vec![label(name, 5), label("other", 3)],
        confusion: vec![vec![3, 2], vec![0, 3]],
        reliability: bins,
        risk_coverage: vec![point(1.0, 0.5, 0.0), point(0.95, 1.0, 0.25)],
        threshold: Some(point(1.0, 0.5, 0.0)),
        confidence: Some(ReportedConfidence {
            temperature: 1.25,
            threshold: 1.0,
            out_of_scope: Some(name.into()),
            unknown: 1000,
            values: [("coverage", 0.5), ("out_of_scope_recall", 0.875)]
                .map(|(of, value)| (of.into(), value))
                .into(),
            intervals: BTreeMap::from([("coverage".into(), [0.25, 0.75])]),
        }),
        scores: vec![[0.5, 0.75], [2.0, 1.0]],
        are_similarities: false,
        teacher: Some(TeacherComparison {
            name: name.into(),
            only_teacher: 60,
            only_image: 1,
            lost: vec![lost],
        }),
    }
}

/// Every part filled in, with `name` wherever a user chooses the words.
fn full(name: &str) -> Report {
    let input = FileHash { path: name.into(), bytes: 1234, sha256: "ab".repeat(32) };
    let curve = Curve {
        session: "prediction".into(),
        losses: vec![point(20, &[("loss", 3.0), (name, 1.0)]), point(40, &[("loss", 2.0), (name, 1.0)])],
        evaluations: vec![point(40, &[("accuracy", 0.875)])],
    };
    let stage = |metric: f64| StageReport {
        name: name.into(),
        command: "distill --stage task".into(),
        settings: json!({ "nested": { name: name } }),
        inputs: vec![input.clone()],
        minutes: Some(61.25),
        parameters: Some(14_350_248),
        bytes: Some(57_411_000),
        metrics: BTreeMap::from([("accuracy".into(), metric)]),
        intervals: BTreeMap::from([("accuracy".into(), [metric - 0.02, metric + 0.01])]),
        curves: vec![curve.clone()],
    };
    let candidate = ReportedCandidate {
        name: name.into(),
        flash_bytes: 2_000_000,
        ram_bytes: 42_687,
        latency_ms: Some(10.0),
        predicted: Some(0.9),
        pareto: true,
        feasible: true,
        reason: name.into(),
        ..ReportedCandidate::default()
    };
    let chosen = ReportedCandidate {
        flash_bytes: 4_000_000,
        measured: Some(0.95),
        interval: Some([0.93, 0.97]),
        chosen: true,
        ..candidate.clone()
    };
    Report {
        settings: json!({ "labels": vec![name; 100] }),
        inputs: vec![input.clone()],
        metric: "accuracy".into(),
        budget: ReportBudget { flash_bytes: Some(5_000_000), metric: Some(0.92), ..ReportBudget::default() },
        floor: Some(floor(name)),
        stages: vec![stage(0.91), stage(0.93)],
        baseline: Some(BaselineRow {
            metric: "accuracy".into(),
            splits: BTreeMap::from([(
                name.into(),
                Metrics {
                    primary: "accuracy".into(),
                    values: BTreeMap::from([("accuracy".into(), 0.9), ("a first name".into(), 0.5)]),
                    intervals: BTreeMap::from([("accuracy".into(), [0.88, 0.92])]),
                    samples: 700,
                },
            )]),
            bytes: 518_050,
            microseconds: 13.4,
            features: 47_081,
            penalty: 1.0,
            seconds: 3.0,
        }),
        answers: Some(answers(name)),
        image: Some(ImageSize {
            bytes: 1000,
            sections: vec![("embeddings".into(), 750), ("layers".into(), 150)],
            workspace_bytes: 42_687,
            max_tokens: 128,
            latency_ms: Some(12.0),
        }),
        sensitivity: vec![
            sensitivity(Some(1), "qkv", 1e-4),
            sensitivity(Some(1), name, 1e-3),
            sensitivity(Some(2), "qkv", 1e-2),
            sensitivity(None, "head", 0.0),
        ],
        candidates: vec![candidate, chosen],
        latencies: vec![ModelledLatency {
            board: name.into(),
            core: "Cortex-A72".into(),
            mhz: 1800.0,
            tokens: 128,
            milliseconds: 38.04,
        }],
        reasons: vec![name.into()],
        ..Report::new(name, "compress")
    }
}

/// Parses a page and gives it to `look`.
fn parsed<T>(page: &str, look: impl FnOnce(&Document) -> T) -> T {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    look(&Document::parse_with_options(page, options).unwrap())
}

fn all<'a, 'i>(document: &'a Document<'i>, name: &'a str) -> impl Iterator<Item = Node<'a, 'i>> {
    document.descendants().filter(move |node| node.has_tag_name(name))
}

/// All text inside of a node.
fn text(node: Node) -> String {
    node.descendants()
        .filter(Node::is_text)
        .filter_map(|text| text.text())
        .collect::<String>()
        .trim()
        .to_owned()
}

/// The cells of each row of the table with this caption, the head first.
fn table(document: &Document, caption: &str) -> Vec<Vec<String>> {
    let table = all(document, "caption").find(|node| text(*node) == caption).and_then(|node| node.parent());
    let rows = table.unwrap().descendants().filter(|node| node.has_tag_name("tr"));
    rows.map(|row| row.children().filter(Node::is_element).map(text).collect()).collect()
}

#[test]
fn every_part_has_a_section() {
    parsed(&html(&full("student")), |page| {
        let headings: Vec<String> = all(page, "h2").map(text).collect();
        let expected = [
            "Result",
            "Linear baseline",
            "Floor",
            "Answers",
            "Candidates",
            "Stages",
            "Training",
            "Size",
            "Latency, modelled",
            "Sensitivity",
            "Settings and files",
        ];
        assert_eq!(headings, expected);
    });
}

#[test]
fn an_empty_report_is_a_page_without_sections() {
    parsed(&html(&Report::default()), |page| {
        assert_eq!(all(page, "h1").map(text).collect::<Vec<_>>(), ["Report"]);
        assert_eq!(all(page, "section").count(), 0);
    });
}

#[test]
fn tables_have_the_numbers_with_their_units() {
    parsed(&html(&full("student")), |page| {
        let size = table(page, "Bytes of the image");
        assert_eq!(size[0], ["section", "bytes", "share, %"]);
        assert_eq!(size[1], ["embeddings", "750", "75.0"]);
        assert_eq!(size[3], ["header and padding", "100", "10.0"]);
        assert_eq!(size[4], ["image", "1,000", "100.0"]);
        let stages = table(page, "Stages in order");
        assert_eq!(stages[0], ["stage", "command", "minutes", "parameters", "bytes", "accuracy"]);
        assert_eq!(
            stages[1],
            [
                "student",
                "distill --stage task",
                "61.2",
                "14,350,248",
                "57,411,000",
                "0.9100 [0.8900, 0.9200]"
            ]
        );
        let latency = table(page, "Modelled latency by board");
        assert_eq!(latency[0].last().unwrap(), "one answer, modelled, ms");
        assert_eq!(latency[1], ["student", "Cortex-A72", "1,800", "128", "38.0"]);
        let losses = table(page, "Losses, each a mean over the steps since the one logged before");
        assert_eq!(losses[1], ["loss", "20", "3.00", "40", "2.00", "40", "2.00"]);
        let files = table(page, "Files that were read");
        assert_eq!(files[1], ["student".to_owned(), "1,234".into(), "ab".repeat(32)]);
    });
}

#[test]
fn the_baseline_stands_beside_the_last_stage() {
    let mut report = full("student");
    parsed(&html(&report), |page| {
        let rows = table(page, "The linear baseline beside the last stage");
        assert_eq!(rows[0], ["model", "data", "bytes", "one text, µs", "accuracy", "a first name"]);
        assert_eq!(
            rows[1],
            ["linear baseline", "student", "518,050", "13.4", "0.9000 [0.8800, 0.9200]", "0.5000"]
        );
        assert_eq!(rows[2], ["student", "dev", "57,411,000", "", "0.9300 [0.9100, 0.9400]", ""]);
    });
    // A sentence is there if the image is at most half a point better on the development set.
    let baseline = report.baseline.as_mut().unwrap();
    let metrics = baseline.splits.remove("student").unwrap();
    baseline.splits.insert("dev".into(), metrics);
    let sentence = "A linear baseline of 518050 bytes reaches";
    assert!(!html(&report).contains(sentence));
    report.stages[1].metrics.insert("accuracy".into(), 0.904);
    assert!(html(&report).contains(sentence));
}

#[test]
fn the_floor_stands_beside_what_was_held_out() {
    parsed(&html(&full("student")), |page| {
        let check = table(page, "accuracy, 350 examples that were held out");
        assert_eq!(check[1], ["teacher", "0.9400", "[0.9100, 0.9600]"]);
        assert_eq!(check[3], ["image minus teacher", "−0.0050", "[−0.0200, 0.0100]"]);
        assert_eq!(check[4], ["image minus floor", "0.0044", "[−0.0100, 0.0200]"]);
        let tries = table(page, "Tries; the floor on the rest of the development set is 0.9200");
        assert_eq!(tries[1], ["student", "1,000,000", "0.9300 [0.9000, 0.9500]", "yes"]);
    });
}

#[test]
fn the_answers_have_a_table_for_each_chart() {
    parsed(&html(&full("student")), |page| {
        let matrix = table(page, "Confusion matrix: true labels by answers");
        assert_eq!(matrix[0], ["true label", "student", "other"]);
        assert_eq!(matrix[1], ["student", "3", "2"]);
        let confused = table(page, "Confusions");
        assert_eq!(confused[1..], [["student", "other", "2", "40.0"]]);
        let labels = table(page, "Scores of each label");
        assert_eq!(labels[2], ["other", "0.7500", "0.6000", "0.6667", "3"]);
        let bins = table(page, "Reliability diagram");
        assert_eq!(bins[1], ["0.00 to 0.07", "0", "", ""]);
        assert_eq!(bins[15], ["0.93 to 1.00", "8", "0.7500", "0.9688"]);
        let risks = table(page, "Risk by coverage");
        assert_eq!(
            risks[2..],
            [["1.0000", "0.5000", "0.0000", "stored threshold"], ["0.9500", "1.0000", "0.2500", ""]]
        );
        assert_eq!(table(page, "Scores of examples")[1], ["0.5000", "0.7500"]);
        let lost = table(page, "Beginning with those of whose answer the image is most certain");
        assert_eq!(lost[1], ["student", "student", "student", "0.8750", "other", "0.7500"]);
        // The texts are hidden until somebody opens them.
        let summaries: Vec<String> = all(page, "summary").map(text).collect();
        let wanted = "1 of 60 texts that the teacher answers rightly and the image wrongly";
        assert!(summaries.iter().any(|summary| summary == wanted), "{summaries:?}");
    });
}

#[test]
fn many_labels_have_a_matrix_without_names_and_the_frequent_confusions() {
    let mut report = full("student");
    let answers = report.answers.as_mut().unwrap();
    let label = answers.labels[1].clone();
    answers.labels =
        (0..150).map(|at| ReportedLabel { name: format!("intent {at}"), ..label.clone() }).collect();
    // Each label is confused once with the next one, and the last with the first three times.
    answers.confusion = vec![vec![0; 150]; 150];
    for at in 0..150 {
        answers.confusion[at][at] = 9;
        answers.confusion[at][(at + 1) % 150] = if at == 149 { 3 } else { 1 };
    }
    parsed(&html(&report), |page| {
        let confused = table(page, "The 20 most frequent of 150 confusions");
        assert_eq!(confused.len(), 1 + 20);
        assert_eq!(confused[1], ["intent 149", "intent 0", "3", "25.0"]);
        assert_eq!(confused[2], ["intent 0", "intent 1", "1", "10.0"]);
        let matrix = all(page, "g").find(|node| node.attribute("class") == Some("matrix tiny")).unwrap();
        assert_eq!(matrix.descendants().filter(|node| node.has_tag_name("rect")).count(), 300);
        assert!(
            !matrix
                .parent()
                .unwrap()
                .descendants()
                .any(|node| node.has_tag_name("text") && text(node).contains("intent"))
        );
        assert_eq!(table(page, "Scores of each label").len(), 151);
    });
}

#[test]
fn answers_without_errors_say_so() {
    let mut report = full("student");
    report.answers = Some(ReportedAnswers {
        confusion: vec![vec![5, 0], vec![0, 3]],
        teacher: None,
        threshold: None,
        scores: Vec::new(),
        ..answers("student")
    });
    let page = html(&report);
    assert!(page.contains("No answer is wrong.") && !page.contains("stored threshold"));
    assert!(!page.contains("Beside the teacher") && !page.contains("gold score"));
}

#[test]
fn heat_goes_by_the_logarithm_of_the_error() {
    parsed(&html(&full("student")), |page| {
        let heat: Vec<&str> = all(page, "td").filter_map(|cell| cell.attribute("style")).collect();
        // 10⁻⁴, 10⁻³ and 10⁻², and no error at all.
        assert_eq!(heat, ["--heat:0%", "--heat:50%", "--heat:100%", "--heat:0%"]);
    });
}

#[test]
fn candidates_stand_where_their_numbers_say() {
    parsed(&html(&full("student")), |page| {
        let titled = |name: &str| {
            let chart = all(page, "svg").find(|svg| svg.children().any(|child| text(child) == name)).unwrap();
            let has = |class: &str| {
                chart.descendants().find(|node| node.attribute("class") == Some(class)).unwrap()
            };
            let circle = has("predicted");
            (
                circle.attribute("cx").unwrap(),
                circle.attribute("cy").unwrap(),
                has("limit").attribute("x1").unwrap(),
                has("chosen").attribute("d").unwrap().split(" l").next().unwrap(),
            )
        };
        // The diamond is that of the finished image of 4 MB with 0.93, which 0.95 was measured for before training.
        // 2 to 5 MB with ticks of 1 over 58 to 458; 0.90 to 0.95 with ticks of 0.01 over 244 to 26.
        assert_eq!(titled("accuracy against flash"), ("58", "244", "458", "M324.7 107.2"));
    });
}

#[test]
fn the_result_has_the_metric_and_latency_of_what_was_finished_last() {
    let tiles = |report: &Report| {
        let is_value = |node: &Node| node.attribute("class") == Some("value");
        parsed(&html(report), |page| all(page, "dd").filter(is_value).map(text).collect::<Vec<_>>())
    };
    let mut report = full("student");
    let all_tiles = tiles(&report);
    assert_eq!((all_tiles[1].as_str(), all_tiles.last().unwrap().as_str()), ("0.9300", "12.0 ms"));
    // What was held out comes first.
    assert_eq!(all_tiles[0], "0.9350");
    report.floor = None;
    let all_tiles = tiles(&report);
    assert_eq!(all_tiles[0], "0.9300");
    // An image that was not evaluated has no metric, even if the models that it was made of have one.
    report.stages.push(StageReport { name: "image".into(), ..StageReport::default() });
    assert_eq!(tiles(&report), all_tiles[1..]);
    // Without an image the tiles show the candidate, which was measured before any training.
    report.image = None;
    let of_candidate = tiles(&report);
    assert_eq!((of_candidate[0].as_str(), of_candidate.last().unwrap().as_str()), ("0.9500", "10.0 ms"));
}

#[test]
fn a_metric_has_its_interval_as_far_as_it_is_known() {
    let mut report = full("student");
    let says = |report: &Report| {
        let page = html(report);
        ["95 % interval [0.9100, 0.9400]", "In brackets: the 95 % interval"].map(|text| page.contains(text))
    };
    assert_eq!(says(&report), [true, true]);
    report.stages[1].intervals.clear();
    assert_eq!(says(&report), [false, true]);
    parsed(&html(&report), |page| {
        assert_eq!(table(page, "Stages in order")[2].last().unwrap(), "0.9300");
    });
    report.stages[0].intervals.clear();
    assert_eq!(says(&report), [false, false]);
}

#[test]
fn words_of_users_stay_words() {
    let page = html(&full(HOSTILE));
    assert!(!page.contains("<script") && !page.contains('\u{1}'));
    assert_eq!(page.matches("</style>").count(), 1);
    parsed(&page, |page| {
        assert_eq!(all(page, "h1").map(text).collect::<Vec<_>>(), [HARMLESS]);
        assert_eq!(table(page, "Stages in order")[1][0], HARMLESS);
        assert_eq!(table(page, "Files that were read")[1][0], HARMLESS);
        let lost = table(page, "Beginning with those of whose answer the image is most certain");
        assert_eq!(lost[1][..3], [HARMLESS; 3]);
        let nested = format!("nested.{HARMLESS}");
        let row = all(page, "th").find(|head| text(*head) == nested).and_then(|head| head.parent()).unwrap();
        assert_eq!(text(row), format!("{nested}\n{HARMLESS}"));
    });
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = html(&full("student"));
    for foreign in ["http", "src=", "href", "url(", "@import", "<script", "<link", "<img", "<iframe"] {
        let found = page.find(foreign).map(|at| &page[at..][..40]);
        assert!(found.is_none(), "{foreign}: {found:?}");
    }
    parsed(&page, |page| {
        let handler = |node: &Node| node.attributes().any(|attribute| attribute.name().starts_with("on"));
        assert!(!page.descendants().any(|node| handler(&node)));
    });
}

#[test]
fn charts_are_named_for_those_who_do_not_see_them() {
    parsed(&html(&full("student")), |page| {
        let ids: Vec<&str> = page.descendants().filter_map(|node| node.attribute("id")).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{ids:?}");
        let charts = all(page, "svg").filter(|svg| svg.attribute("aria-hidden").is_none());
        let mut count = 0;
        for chart in charts {
            count += 1;
            assert_eq!(chart.attribute("role"), Some("img"));
            let named = chart.attribute("aria-labelledby").unwrap();
            assert!(named.split(' ').all(|id| ids.contains(&id)), "{named}");
        }
        // Matrix, reliability, risk, scores; two planes, the stages, losses and development set of two stages, the
        // sections.
        assert_eq!(count, 4 + 2 + 1 + 4 + 1);
        assert!(all(page, "th").all(|head| head.attribute("scope").is_some()));
    });
}

#[test]
fn values_that_are_not_finite_leave_no_trace_in_the_charts() {
    let mut report = full("student");
    report.stages[0].curves[0].losses.push(point(60, &[("loss", f64::NAN)]));
    report.candidates[0].predicted = Some(f64::INFINITY);
    report.stages[0].metrics.insert("accuracy".into(), f64::NAN);
    parsed(&html(&report), |page| {
        for node in page.descendants() {
            for attribute in node.attributes() {
                assert!(
                    !["NaN", "inf"].iter().any(|value| attribute.value().contains(value)),
                    "{attribute:?}"
                );
            }
        }
    });
}

#[test]
fn the_same_report_gives_the_same_page_through_json_too() {
    let report = full("student");
    let again: Report = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(again, report);
    assert_eq!(html(&again), html(&report));
}

#[test]
fn long_text_is_folded() {
    parsed(&html(&full("a label that is long")), |page| {
        let labels = &table(page, "Settings")[1];
        assert_eq!(labels[0], "labels");
        let summaries: Vec<String> = all(page, "summary").map(text).collect();
        assert!(summaries.iter().any(|summary| summary.starts_with("[\"a label") && summary.ends_with('…')));
        assert!(summaries.iter().all(|summary| summary.chars().count() <= 120));
    });
}
