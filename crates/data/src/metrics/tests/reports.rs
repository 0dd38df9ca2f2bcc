//! The scores of each label. `tests/reference/reports.py` has scikit-learn's and seqeval's values.

use serde_json::Value;

use super::*;

#[derive(serde::Deserialize)]
struct Reports {
    classes: Vec<Classes>,
    label_sets: Vec<LabelSets>,
    entities: Vec<Value>,
}

#[derive(serde::Deserialize)]
struct Classes {
    predictions: Vec<u32>,
    targets: Vec<u32>,
    labels: Vec<u32>,
    report: Value,
    confusion: Vec<Vec<u64>>,
}

#[derive(serde::Deserialize)]
struct LabelSets {
    labels: usize,
    predictions: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
    report: Value,
}

fn reports() -> Reports {
    serde_json::from_str(include_str!("../../../tests/reference/reports.json")).expect("valid reference file")
}

fn names(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|label| format!("{kind} {label}")).collect()
}

/// Makes sure that both have the same keys at every depth, and the same numbers.
fn agree(found: &Value, wanted: &Value, place: &str) {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            let keys =
                |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(keys(found), keys(wanted), "{place}");
            found.iter().for_each(|(key, value)| agree(value, &wanted[key], &format!("{place}/{key}")));
        }
        _ => {
            let [found, wanted] = [found, wanted].map(|value| value.as_f64().expect("a number"));
            assert!((found - wanted).abs() < 1e-9, "{place}: expected {wanted}, found {found}");
        }
    }
}

#[test]
fn classes_agree_with_scikit_learn() {
    for Classes { predictions, targets, labels, report, confusion } in reports().classes {
        let (predictions, targets) = (class_targets(&predictions), class_targets(&targets));
        let found = Outcomes::new(MetricSet::MacroF1, &names("class", 7), &predictions, &targets).unwrap();
        let found = found.per_class().unwrap();
        agree(&found.to_json(), &report, "classes");
        assert_eq!(found.confusion, Some(confusion));
        let in_order: Vec<String> = labels.iter().map(|label| format!("class {label}")).collect();
        assert_eq!(found.labels.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), in_order);
    }
}

#[test]
fn sets_of_labels_agree_with_scikit_learn() {
    let set = MetricSet::LabelSets { primary: LabelSetMetric::MicroF1 };
    for LabelSets { labels, predictions, targets, report } in reports().label_sets {
        let (predictions, targets) = (set_targets(&predictions), set_targets(&targets));
        let found = Outcomes::new(set, &names("label", labels), &predictions, &targets).unwrap();
        let found = found.per_class().unwrap();
        agree(&found.to_json(), &report, "label sets");
        assert_eq!((found.accuracy, found.confusion), (None, None));
    }
}

#[test]
fn types_of_entities_agree_with_seqeval() {
    let with_entities: Vec<_> = TaggedCase::all()
        .into_iter()
        .filter(|case| case.targets.iter().flatten().any(|tag| tag != "O"))
        .collect();
    let wanted = reports().entities;
    assert_eq!(with_entities.len(), wanted.len());
    for (case, wanted) in with_entities.iter().zip(wanted) {
        agree(&case.outcomes().per_class().unwrap().to_json(), &wanted, "entities");
    }
}

#[test]
fn scores_have_no_classes() {
    let scores = score_targets(&[1.0, 2.0]);
    assert!(Outcomes::new(MetricSet::Pearson, &[], &scores, &scores).unwrap().per_class().is_none());
}
