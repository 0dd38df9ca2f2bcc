//! Soft labels: probabilities of the labels, which any model may have given.

use serde_json::Value;

use super::json;
use super::row::ClassLabeller;
use super::text::list;

/// The largest distance of the probabilities' sum from 1.
const TOLERANCE: f64 = 1e-3;

/// The label names in a cell: the keys of its object, and none for a list.
pub(super) fn names(cell: &str) -> Vec<String> {
    match serde_json::from_str(cell) {
        Ok(Value::Object(by_label)) => {
            by_label.into_iter().map(|(label, _)| label).filter(|label| !label.is_empty()).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a cell is a list, which does not name its labels.
pub(super) fn is_list(cell: &str) -> bool {
    cell.trim_start().starts_with('[')
}

/// The probability of each label of `labels` by a cell. Their sum is made exactly 1, as far as single precision goes.
/// `Err` is the reason.
pub(super) fn probabilities(cell: &str, labels: &ClassLabeller) -> Result<Vec<f32>, String> {
    let found = numbers(cell, labels)?;
    let sum: f64 = found.iter().sum();
    if (sum - 1.0).abs() > TOLERANCE {
        return Err(format!("the soft labels sum to {sum}; probabilities sum to 1"));
    }
    Ok(found.into_iter().map(|probability| (probability / sum) as f32).collect())
}

/// The probability of each label of `labels` by a cell, where an answer has any number of labels: none depends on
/// another, and their sum may be anything. `Err` is the reason.
pub(super) fn independent(cell: &str, labels: &ClassLabeller) -> Result<Vec<f32>, String> {
    let found = numbers(cell, labels)?;
    match found.iter().zip(&labels.names).find(|(number, _)| **number > 1.0) {
        Some((number, label)) => {
            Err(format!("the soft label of {label:?} is {number}; expected a number from 0 to 1"))
        }
        None => Ok(found.into_iter().map(|number| number as f32).collect()),
    }
}

/// The number of each label of `labels` by a cell: an object of label and number, in which labels of number 0 may be
/// missing, or a list in the order of the labels.
fn numbers(cell: &str, labels: &ClassLabeller) -> Result<Vec<f64>, String> {
    let count = labels.names.len();
    let mut found = vec![0f64; count];
    match json::value(cell.trim()) {
        Ok(Value::Object(by_label)) => {
            for (label, value) in by_label {
                found[labels.class(&label)? as usize] = probability(&label, &value)?;
            }
        }
        Ok(Value::Array(values)) if values.len() == count => {
            for (class, value) in values.iter().enumerate() {
                found[class] = probability(&labels.names[class], value)?;
            }
        }
        Ok(Value::Array(values)) => {
            let have = values.len();
            return Err(format!("{have} soft labels for {count} labels ({})", list(&labels.names)));
        }
        Err(fault) if fault.is_data() => return Err(format!("soft labels {cell}: {}", json::reason(&fault))),
        _ => {
            return Err(format!(
                "soft labels should be an object of label and probability, or a list of probabilities, found {cell}"
            ));
        }
    }
    Ok(found)
}

/// A probability of a JSON value.
fn probability(label: &str, value: &Value) -> Result<f64, String> {
    match value.as_f64() {
        // Rounding can give a little more than 1. The check of the sum allows that.
        Some(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(format!("the soft label of {label:?} is {value}; expected a number from 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> ClassLabeller {
        ClassLabeller::named(["no", "maybe", "yes"].map(String::from).into(), "the labels of t.jsonl".into())
    }

    fn fault(cell: &str) -> String {
        probabilities(cell, &labels()).unwrap_err()
    }

    #[test]
    fn objects_and_lists_give_the_probabilities_in_the_order_of_the_labels() {
        let wanted = vec![0.125, 0.25, 0.625];
        let object = r#"{"yes": 0.625, "no": 0.125, "maybe": 0.25}"#;
        assert_eq!(probabilities(object, &labels()).unwrap(), wanted);
        assert_eq!(probabilities("[0.125, 0.25, 0.625]", &labels()).unwrap(), wanted);
        assert_eq!(probabilities(r#"{"maybe": 1}"#, &labels()).unwrap(), [0.0, 1.0, 0.0]);
        assert_eq!(names(object), ["maybe", "no", "yes"]);
        assert!(names("[1, 0, 0]").is_empty() && is_list(" [1, 0, 0]"));
        assert!(names(r#"{"": 1}"#).is_empty() && fault(r#"{"": 1}"#).contains("the label is empty"));
    }

    #[test]
    fn a_sum_within_a_thousandth_of_1_becomes_1() {
        let found = probabilities("[0.4996, 0.25, 0.25]", &labels()).unwrap();
        assert!((found.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((f64::from(found[0]) - 0.4996 / 0.9996).abs() < 1e-7);
        assert!(fault("[0.4, 0.25, 0.25]").contains("sum to 0.9"));
        assert!(fault("[0.5, 0.25, 0.252]").contains("sum to 1.002"));
    }

    #[test]
    fn probabilities_of_label_sets_do_not_depend_on_each_other() {
        assert_eq!(independent(r#"{"yes": 0.75, "no": 1}"#, &labels()).unwrap(), [1.0, 0.0, 0.75]);
        assert_eq!(independent("[0, 0, 0]", &labels()).unwrap(), [0.0; 3]);
        let fault = |cell| independent(cell, &labels()).unwrap_err();
        assert!(
            fault(r#"{"yes": 1.25}"#)
                .contains(r#"soft label of "yes" is 1.25; expected a number from 0 to 1"#)
        );
        assert!(fault("[0, -0.5, 0]").contains(r#"soft label of "maybe" is -0.5"#));
        assert!(fault("[0, 1]").contains("2 soft labels for 3 labels"));
    }

    #[test]
    fn everything_else_is_refused_with_what_was_found() {
        assert!(fault(r#"{"perhaps": 1}"#).contains(r#"label "perhaps" is unknown"#));
        assert!(fault("[0.5, 0.5]").contains("2 soft labels for 3 labels (no, maybe, yes)"));
        assert!(fault("[1.5, -0.5, 0]").contains(r#"soft label of "maybe" is -0.5"#));
        assert!(fault(r#"{"yes": 0.5, "yes": 0.5}"#).contains(r#"the key "yes" is there twice"#));
        assert!(fault(r#"{"yes": "1"}"#).contains(r#"soft label of "yes" is "1""#));
        assert!(fault("[null, 0.5, 0.5]").contains("null"));
        for not_soft_labels in ["0.5", "yes", "", "null", "[0.5, 0.25"] {
            assert!(
                fault(not_soft_labels).contains("an object of label and probability"),
                "{not_soft_labels}"
            );
        }
    }
}
