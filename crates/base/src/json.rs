//! Reading JSON values of any shape.

use serde_json::Value;

/// The leaves of a JSON value with their dotted paths, for example `optimizer.weight_decay`. Everything but an object
/// is a leaf.
pub fn leaves(value: &Value) -> Vec<(String, &Value)> {
    let mut leaves = Vec::new();
    collect("", value, &mut leaves);
    leaves
}

fn collect<'v>(path: &str, value: &'v Value, leaves: &mut Vec<(String, &'v Value)>) {
    let Value::Object(fields) = value else { return leaves.push((path.to_owned(), value)) };
    for (name, value) in fields {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(&path, value, leaves);
    }
}
