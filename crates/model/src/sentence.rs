//! How a sentence encoder makes a vector of its states, as sentence-transformers writes it beside the model.

use std::path::Path;

use serde_json::Value;

use tinybert_base::files::read_if_there;
use tinybert_base::{Error, Result};

/// The modules that together give a vector of length 1 from the mean of all tokens.
const UNDERSTOOD: [&str; 3] = ["Transformer", "Pooling", "Normalize"];

/// The key of the only way of pooling that is supported.
const MEAN: &str = "pooling_mode_mean_tokens";

/// Makes sure that the model of a folder pools by the mean, if its files say how it does.
///
/// # Errors
/// [`Error::Input`] naming file and key for other modules and other pooling; [`Error::Io`].
pub(super) fn check_pooling(folder: &Path) -> Result<()> {
    let mut pooling = folder.join("1_Pooling");
    let listed = folder.join("modules.json");
    if let Some(modules) = read(&listed)? {
        for module in modules.as_array().into_iter().flatten() {
            let kind = module["type"].as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default();
            if !UNDERSTOOD.contains(&kind) {
                return Err(Error::input(
                    &listed,
                    format!("module {kind:?}: expected {} and no other", UNDERSTOOD.join(", ")),
                ));
            }
            if let ("Pooling", Some(path)) = (kind, module["path"].as_str()) {
                pooling = folder.join(path);
            }
        }
    }
    let path = pooling.join("config.json");
    let Some(config) = read(&path)? else { return Ok(()) };
    let refuse = |what: &str| {
        Err(Error::input(
            &path,
            format!("{what}: vectors are the mean of all tokens here ({MEAN}: true alone)"),
        ))
    };
    let modes = config.as_object().into_iter().flatten().filter(|(key, value)| {
        key.starts_with("pooling_mode_") && **value == Value::Bool(true) || *key == "pooling_mode"
    });
    for (key, value) in modes {
        if key != MEAN && value != "mean" {
            return refuse(&format!("{key}: {value}"));
        }
    }
    match config.get(MEAN) {
        Some(Value::Bool(false)) => refuse(&format!("{MEAN}: false")),
        _ => Ok(()),
    }
}

/// A JSON file; `None` if it is missing.
fn read(path: &Path) -> Result<Option<Value>> {
    let Some(bytes) = read_if_there(path)? else { return Ok(None) };
    let parsed = serde_json::from_slice(&bytes).map(Some);
    parsed.map_err(|error| Error::input(path, format!("not valid JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn says(files: &[(&str, &str)]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        check_pooling(folder.path()).err().map(|error| {
            assert_eq!(error.exit_code(), 3);
            error.to_string()
        })
    }

    #[test]
    fn the_mean_of_all_tokens_is_taken_and_every_other_pooling_refused_by_name() {
        const POOLING: &str = "1_Pooling/config.json";
        let mean = r#"{"word_embedding_dimension": 384, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}"#;
        assert_eq!(says(&[]), None);
        assert_eq!(says(&[(POOLING, mean)]), None);
        assert_eq!(says(&[(POOLING, r#"{"pooling_mode": "mean"}"#)]), None);
        let refused = |config: &str, key: &str| {
            let said = says(&[(POOLING, config)]).unwrap();
            assert!(said.contains(POOLING) && said.contains(key), "{said}");
        };
        refused(
            r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#,
            "pooling_mode_cls_token",
        );
        refused(
            r#"{"pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": true}"#,
            "pooling_mode_max_tokens",
        );
        refused(r#"{"pooling_mode_mean_tokens": false}"#, "pooling_mode_mean_tokens: false");
        refused(r#"{"pooling_mode": "cls"}"#, "pooling_mode: \"cls\"");
        refused("{", "not valid JSON");
    }

    #[test]
    fn modules_that_change_the_vector_are_refused() {
        let modules = |last: &str| {
            let module = |path: &str, kind: &str| {
                format!(
                    r#"{{"idx": 0, "name": "0", "path": "{path}", "type": "sentence_transformers.models.{kind}"}}"#
                )
            };
            format!(
                "[{}, {}, {}]",
                module("", "Transformer"),
                module("pool", "Pooling"),
                module("last", last)
            )
        };
        assert_eq!(says(&[("modules.json", &modules("Normalize"))]), None);
        let said = says(&[("modules.json", &modules("Dense"))]).unwrap();
        assert!(said.contains("modules.json") && said.contains("\"Dense\""), "{said}");
        // The folder of the pooling is the one that is listed.
        let cls = r#"{"pooling_mode_cls_token": true}"#;
        let said = says(&[("modules.json", &modules("Normalize")), ("pool/config.json", cls)]).unwrap();
        assert!(said.contains("pooling_mode_cls_token"), "{said}");
    }
}
