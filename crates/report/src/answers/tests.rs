use tinybert_data::metrics::MetricSet;
use tinybert_data::task::Dataset;
use tinybert_evaluate::Judgement;

use super::*;

/// Examples with one of two labels.
fn classes(gold: &[u32]) -> ScopedDataset {
    let example = |(at, &class): (usize, &u32)| Example {
        text: format!("text {at}"),
        pair: None,
        target: Target::Class(class),
    };
    ScopedDataset::all_in_scope(Dataset {
        examples: gold.iter().enumerate().map(example).collect(),
        labels: ["no".into(), "yes".into()].into(),
        kind: TaskKind::Classification,
        sources: Vec::new(),
    })
}

fn judgement(data: &ScopedDataset, set: MetricSet, answered: Vec<Answered>) -> ScopedJudgement {
    let answers: Vec<Target> = answered.iter().map(|of| of.answer.clone()).collect();
    let Dataset { labels, .. } = &data.labelled;
    let outcomes = Outcomes::new(set, labels, &answers, &data.labelled.targets()).unwrap();
    ScopedJudgement { labelled: Judgement { answered, outcomes }, confidence: None }
}

/// The answer whose second label has these log-odds: its probability is 1 / (1 + exp(-odds)).
fn answer(&odds: &f32) -> Answered {
    Answered { answer: Target::Class(u32::from(odds > 0.0)), outputs: vec![0.0, odds] }
}

/// Such answers of a model with a threshold, to labelled examples and to others.
fn answers(data: &ScopedDataset, threshold: f32, odds: &[f32], of_unknown: &[f32]) -> ScopedJudgement {
    let judged = judgement(data, MetricSet::Accuracy, odds.iter().map(answer).collect());
    let stated = Confidence { threshold, ..Confidence::default() };
    let of_unknown = of_unknown.iter().map(answer).collect();
    let confidence = JudgedConfidence::new(stated, data, &judged.labelled.answered, of_unknown);
    ScopedJudgement { confidence: Some(confidence), ..judged }
}

fn near(found: f64, wanted: f64) -> bool {
    (found - wanted).abs() < 1e-6
}

/// The logistic function.
fn sigmoid(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

#[test]
fn answers_are_counted_and_set_beside_the_teachers() {
    let data = classes(&[0, 1, 1, 0]);
    // Wrong on the second and the last text, of which the last has the more certain answer.
    let image = answers(&data, 0.7, &[-3.0, -0.5, 2.0, 1.0], &[]);
    let teacher = answers(&data, 0.0, &[-1.0, 4.0, -2.0, -2.0], &[]);
    let of_image = AnsweredSet { data: &data, judged: &image };
    let of_teacher = AnsweredSet { data: &data, judged: &teacher };
    let found = ReportedAnswers::new("image", &of_image, Some(("teacher", &of_teacher)));

    assert_eq!((found.model.as_str(), found.samples), ("image", 4));
    assert_eq!(found.confusion, [[1, 1], [1, 1]]);
    assert_eq!(found.labels[1].name, "yes");
    assert_eq!((found.labels[1].precision, found.labels[1].support), (0.5, 2));
    // Three answers have at least 0.7: those with odds of 3, 2 and 1.
    let threshold = found.threshold.unwrap();
    assert!(near(threshold.probability, sigmoid(1.0)), "{threshold:?}");
    assert!(near(threshold.coverage, 0.75) && near(threshold.risk, 1.0 / 3.0), "{threshold:?}");
    let risks: Vec<f64> = found.risk_coverage.iter().map(|point| point.risk).collect();
    assert_eq!(risks, [0.0, 0.0, 1.0 / 3.0, 0.5]);
    assert_eq!(found.reliability.iter().map(|bin| bin.count).sum::<u64>(), 4);

    let teacher = found.teacher.unwrap();
    assert_eq!((teacher.name.as_str(), teacher.only_teacher, teacher.only_image), ("teacher", 2, 1));
    let texts: Vec<&str> = teacher.lost.iter().map(|lost| lost.text.as_str()).collect();
    assert_eq!(texts, ["text 3", "text 1"]);
    let LostText { gold, answer, probability, teacher_probability, .. } = &teacher.lost[0];
    assert_eq!((gold.as_str(), answer.as_str()), ("no", "yes"));
    assert!(near(*probability, sigmoid(1.0)) && near(*teacher_probability, sigmoid(2.0)));
}

#[test]
fn rejected_texts_that_are_none_of_the_labels_are_counted() {
    let mut data = classes(&[0, 1, 1, 0]);
    data.unknown.examples = classes(&[0, 0]).labelled.examples;
    // Accepted are the first, the third and the last text, and the second of the two unknown ones.
    let image = answers(&data, 0.7, &[-3.0, -0.5, 2.0, 1.0], &[0.5, 3.0]);
    let found = ReportedAnswers::new("image", &AnsweredSet { data: &data, judged: &image }, None);
    let confidence = found.confidence.unwrap();
    let value = |name: &str| confidence.values[name];
    assert_eq!((value("coverage"), value("in_scope_accuracy")), (0.75, 0.5));
    assert_eq!((value("accepted_accuracy"), value("out_of_scope_recall")), (2.0 / 3.0, 0.5));
    assert!(near(confidence.threshold, 0.7) && confidence.unknown == 2, "{confidence:?}");
    assert_eq!(confidence.intervals.len(), 4);
    // Only the labelled ones count for everything else.
    assert_eq!(found.reliability.iter().map(|bin| bin.count).sum::<u64>(), 4);
    assert_eq!((found.samples, found.risk_coverage.len()), (4, 4));

    // Where nothing can be rejected, shares of accepted answers say nothing.
    let data = classes(&[0, 1]);
    let image = answers(&data, 0.0, &[-3.0, 2.0], &[]);
    let found = ReportedAnswers::new("image", &AnsweredSet { data: &data, judged: &image }, None);
    let values = found.confidence.unwrap().values;
    let names: Vec<&str> = values.keys().map(String::as_str).collect();
    assert_eq!(names, ["area_under_risk_coverage", "expected_calibration_error"]);
}

#[test]
fn what_a_report_holds_is_bounded() {
    let data = classes(&vec![1; 1000]);
    let odds: Vec<f32> = (0..1000).map(|at| -1.0 - at as f32 / 500.0).collect();
    let (image, teacher) = (answers(&data, 0.0, &odds, &[]), answers(&data, 0.0, &vec![1.0; 1000], &[]));
    let set = |judged| AnsweredSet { data: &data, judged };
    let found = ReportedAnswers::new("image", &set(&image), Some(("teacher", &set(&teacher))));
    let curve = &found.risk_coverage;
    assert_eq!((curve.len(), curve[0].coverage, curve[200].coverage), (201, 0.001, 1.0));
    assert_eq!(found.threshold, None);
    let teacher = found.teacher.unwrap();
    assert_eq!((teacher.only_teacher, teacher.lost.len()), (1000, 50));
    assert_eq!(teacher.lost[0].text, "text 999");
}

#[test]
fn scores_and_label_sets_have_their_own_parts() {
    let mut data = classes(&[0, 1]);
    let of_scores = &mut data.labelled;
    (of_scores.kind, of_scores.labels) = (TaskKind::Regression, Vec::new());
    of_scores.examples[0].target = Target::Score(1.5);
    of_scores.examples[1].target = Target::Score(4.0);
    let scores = [2.0, 3.5].map(|score| Answered { answer: Target::Score(score), outputs: vec![score] });
    let judged = judgement(&data, MetricSet::PearsonAndSpearman, scores.into());
    let found = ReportedAnswers::new("image", &AnsweredSet { data: &data, judged: &judged }, None);
    assert_eq!(found.scores, [[1.5, 2.0], [4.0, 3.5]]);
    assert!(found.labels.is_empty() && found.reliability.is_empty() && found.teacher.is_none());

    let mut data = classes(&[0, 1]);
    data.labelled.kind = TaskKind::MultiLabel;
    data.labelled.examples[0].target = Target::LabelSet(vec![0, 1]);
    data.labelled.examples[1].target = Target::LabelSet(vec![]);
    let set = Answered { answer: Target::LabelSet(vec![1]), outputs: vec![-1.0, 1.0] };
    let metrics = MetricSet::LabelSets { primary: tinybert_data::metrics::LabelSetMetric::MicroF1 };
    let judged = judgement(&data, metrics, vec![set.clone(), set]);
    let image = AnsweredSet { data: &data, judged: &judged };
    let found = ReportedAnswers::new("image", &image, Some(("teacher", &image)));
    let scores: Vec<(f64, f64)> = found.labels.iter().map(|label| (label.precision, label.recall)).collect();
    assert_eq!(scores, [(0.0, 0.0), (0.5, 1.0)]);
    assert!(found.confusion.is_empty() && found.reliability.is_empty() && found.teacher.is_none());
}
