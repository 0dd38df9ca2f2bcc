//! Any number of labels per row: lists in JSON, names with `|` between them in cells of tables.

use std::collections::HashMap;

use serde_json::Value;

use super::row::{ClassLabeller, Labeller};
use super::soft_labels;
use crate::task::Target;

/// Stands between the labels of a cell.
const SEPARATOR: char = '|';

/// Reads any number of labels.
pub(super) struct LabelSetLabeller(pub ClassLabeller);

impl Labeller for LabelSetLabeller {
    fn target(&self, _: &str, cell: &str) -> Result<Target, String> {
        if cell.starts_with('[') && cell.ends_with(']') {
            return Err(format!(
                "{cell:?} looks like a list; in a cell, labels have {SEPARATOR} between them"
            ));
        }
        let class = |name: &str| check_name(name).and_then(|()| self.0.class(name));
        let mut classes: Vec<u32> = names(cell).map(class).collect::<Result<_, _>>()?;
        classes.sort_unstable();
        match classes.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("the label {:?} is there twice", self.0.names[pair[0] as usize])),
            None => Ok(Target::LabelSet(classes)),
        }
    }

    fn soft_target(&self, gold: Target, cell: &str) -> Result<Target, String> {
        let gold = match gold {
            Target::LabelSet(classes) => Some(classes),
            _ => None,
        };
        Ok(Target::SoftLabelSet { probabilities: soft_labels::independent(cell, &self.0)?, gold })
    }
}

/// Makes sure that a name can stand in a cell with others. `Err` is the reason.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    match name.trim() == name && !name.is_empty() && !name.contains(SEPARATOR) {
        true => Ok(()),
        false => Err(format!(
            "label {name:?} is empty, begins or ends with white space, or has the character {SEPARATOR}, which separates \
             labels; rename it"
        )),
    }
}

/// The label of a cell that the fewest rows have by `counts`, and of such labels the first by name; empty for a cell
/// without labels. A set counts for the development set's share of this label.
pub(super) fn rarest<'c>(cell: &'c str, counts: &HashMap<String, usize>) -> &'c str {
    names(cell).min_by_key(|name| (counts.get(*name), *name)).unwrap_or_default()
}

/// The names in a cell; none in an empty one.
pub(super) fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(SEPARATOR).filter(move |_| !cell.is_empty())
}

/// The cell that holds the labels of a JSON value, which has to be a list. `Err` says what is wrong.
pub(super) fn of_json(value: &Value) -> Result<String, String> {
    let Value::Array(list) = value else {
        return Err(format!("should be a list of labels with --multi-label, found {value}"));
    };
    let names: Vec<String> = list
        .iter()
        .map(|item| match item {
            Value::String(name) if name.contains(SEPARATOR) => {
                Err(format!("has the label {name:?}: the character {SEPARATOR} separates labels; rename it"))
            }
            Value::String(name) if !name.is_empty() => Ok(name.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(truth) => Ok(truth.to_string()),
            other => Err(format!("should be a list of names, but has {other}")),
        })
        .collect::<Result<_, _>>()?;
    Ok(names.join("|"))
}

/// The opposite of [`of_json`].
pub(super) fn to_json(cell: &str) -> Value {
    names(cell).collect()
}
