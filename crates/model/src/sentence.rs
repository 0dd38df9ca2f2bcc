//! How a sentence encoder makes a vector of its states, as sentence-transformers writes it beside the model.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use tinybert_image::Pooling;

use tinybert_base::files::{parse_json, read_if_there};
use tinybert_base::{Error, Result};

/// The modules that a sentence encoder may have.
const UNDERSTOOD: [&str; 3] = ["Transformer", "Pooling", "Normalize"];

/// The ways of pooling by their names.
pub(crate) const POOLINGS: [(&str, Pooling); 3] =
    [("mean", Pooling::Mean), ("cls", Pooling::Cls), ("max", Pooling::Max)];

/// The way of pooling that has this name.
pub(crate) fn pooling_of_name(name: &str) -> Option<Pooling> {
    POOLINGS.into_iter().find(|(known, _)| *known == name).map(|(_, pooling)| pooling)
}

/// The name of a way of pooling.
pub(crate) fn name_of_pooling(pooling: Pooling) -> &'static str {
    POOLINGS.into_iter().find(|(_, known)| *known == pooling).map_or("", |(name, _)| name)
}

/// How a sentence encoder makes a vector of the states of all tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentenceVector {
    pub pooling: Pooling,
    /// Whether the vector is scaled to length 1.
    pub normalized: bool,
    /// The files that say so.
    pub files: Vec<PathBuf>,
}

/// How the model of a folder makes its vectors, as `modules.json` and the configuration of the pooling say. Without
/// these files it is the mean, scaled to length 1. `lowercase` says whether its tokenizer makes letters lower case.
///
/// # Errors
/// [`Error::Input`] naming file and key for other modules and for pooling that is not supported; [`Error::Io`].
pub(crate) fn sentence_vector(folder: &Path, lowercase: bool) -> Result<SentenceVector> {
    let mut pooling = folder.join("1_Pooling");
    let (mut normalized, mut is_listed) = (true, false);
    let listed = folder.join("modules.json");
    if let Some(modules) = read(&listed)? {
        normalized = false;
        let Some(modules) = modules.as_array().filter(|modules| !modules.is_empty()) else {
            return Err(Error::input(&listed, "expected a list of modules, which begins with a Transformer"));
        };
        let mut kinds: Vec<&str> = Vec::new();
        for module in modules {
            let kind = module["type"].as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default();
            if !UNDERSTOOD.contains(&kind) {
                return Err(Error::input(
                    &listed,
                    format!("module {kind:?}: expected {} and no other", UNDERSTOOD.join(", ")),
                ));
            }
            let is_in_order = match kind {
                "Transformer" => kinds.is_empty(),
                "Pooling" => kinds == ["Transformer"],
                _ => kinds.contains(&"Pooling"),
            };
            if !is_in_order {
                let what = "expected a Transformer, then a Pooling, then perhaps Normalize, each once and in this order";
                return Err(Error::input(
                    &listed,
                    format!("module {kind:?} is the wrong one behind {kinds:?}: {what}"),
                ));
            }
            kinds.push(kind);
            match (kind, module["path"].as_str()) {
                ("Transformer", Some(path)) if !path.is_empty() => {
                    let what = format!(
                        "the path {path:?} of the Transformer: the encoder has to be in the model's own folder"
                    );
                    return Err(Error::input(&listed, what));
                }
                ("Pooling", Some(path)) => {
                    let is_plain =
                        Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
                    if !is_plain {
                        return Err(Error::input(
                            &listed,
                            format!("the path {path:?} of the pooling is not a folder of the model"),
                        ));
                    }
                    (pooling, is_listed) = (folder.join(path), true);
                }
                ("Normalize", _) => normalized = true,
                _ => {}
            }
        }
    }
    let config = pooling.join("config.json");
    if is_listed && !config.exists() {
        return Err(Error::input(
            &listed,
            format!(
                "it lists a pooling, but {} is missing: copy it from where the model came from",
                config.display()
            ),
        ));
    }
    let pooling = read_pooling(&config)?;
    let settings = SETTINGS.map(|(name, _)| folder.join(name));
    for (path, (_, keys)) in settings.iter().zip(SETTINGS) {
        check_settings(path, keys, lowercase)?;
    }
    let files = [listed, config].into_iter().chain(settings).filter(|file| file.exists()).collect();
    Ok(SentenceVector { pooling, normalized, files })
}

/// Further files of sentence-transformers, and their keys that change a vector. The program has its own limits of
/// length and its own comparison of vectors, so that `max_seq_length` and `similarity_fn_name` change nothing.
const SETTINGS: [(&str, &[(&str, Harmless)]); 5] = [
    ("sentence_bert_config.json", TRANSFORMER),
    ("sentence_distilbert_config.json", TRANSFORMER),
    ("sentence_roberta_config.json", TRANSFORMER),
    ("sentence_xlm-roberta_config.json", TRANSFORMER),
    (
        "config_sentence_transformers.json",
        &[("truncate_dim", Harmless::Null), ("model_type", Harmless::Text("SentenceTransformer"))],
    ),
];

/// The keys of the Transformer's own file.
const TRANSFORMER: &[(&str, Harmless)] = &[
    ("do_lower_case", Harmless::FalseUnlessUncased),
    ("transformer_task", Harmless::Text("feature-extraction")),
];

/// The value of a key that changes nothing. `null` and a missing key are that, too.
#[derive(Clone, Copy)]
enum Harmless {
    Null,
    Text(&'static str),
    /// `false`; anything where the tokenizer makes letters lower case by itself.
    FalseUnlessUncased,
}

/// Makes sure that `keys` of the file at `path`, if there is one, change nothing. `lowercase` says whether the
/// tokenizer makes letters lower case.
fn check_settings(path: &Path, keys: &[(&str, Harmless)], lowercase: bool) -> Result<()> {
    let Some(settings) = read(path)? else { return Ok(()) };
    for (key, harmless) in keys {
        let found = &settings[key];
        let (fits, supported) = match harmless {
            Harmless::Null => (false, "null, the default".to_owned()),
            Harmless::Text(text) => (found == text, format!("{text:?}")),
            Harmless::FalseUnlessUncased => {
                (lowercase || found == false, "false with a cased tokenizer".to_owned())
            }
        };
        if !found.is_null() && !fits {
            return Err(Error::input(path, format!("{key} is {found}; this program supports {supported}")));
        }
    }
    Ok(())
}

/// The way of pooling that the configuration at `path` names; the mean if there is none.
fn read_pooling(path: &Path) -> Result<Pooling> {
    let Some(config) = read(path)? else { return Ok(Pooling::Mean) };
    if config.get("include_prompt") == Some(&Value::Bool(false)) {
        let what = "include_prompt: false: prompts that take no part in the pooling are not supported";
        return Err(Error::input(path, what));
    }
    let refuse = |what: &str| {
        let supported = POOLINGS.map(|(name, _)| name).join(", ");
        Err(Error::input(path, format!("{what}: vectors are pooled in one way of {supported} here")))
    };
    if let Some(mode) = config.get("pooling_mode") {
        return match mode.as_str().and_then(pooling_of_name) {
            Some(pooling) => Ok(pooling),
            None => refuse(&format!("pooling_mode: {mode}")),
        };
    }
    let mut chosen = Vec::new();
    for (key, value) in config.as_object().into_iter().flatten() {
        let Some(mode) = key.strip_prefix("pooling_mode_").filter(|_| *value == Value::Bool(true)) else {
            continue;
        };
        match pooling_of_name(mode.trim_end_matches("_tokens").trim_end_matches("_token")) {
            Some(pooling) => chosen.push((key, pooling)),
            None => return refuse(&format!("{key}: true")),
        }
    }
    match (&chosen[..], config.get("pooling_mode_mean_tokens")) {
        ([(_, pooling)], _) => Ok(*pooling),
        ([], Some(Value::Bool(false))) => refuse("no pooling_mode is true"),
        ([], _) => Ok(Pooling::Mean),
        ([(first, _), (second, _), ..], _) => refuse(&format!("{first} and {second} are both true")),
    }
}

/// A JSON file; `None` if it is missing.
fn read(path: &Path) -> Result<Option<Value>> {
    let Some(bytes) = read_if_there(path)? else { return Ok(None) };
    parse_json(path, &bytes).map(Some)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn vector(files: &[(&str, &str)]) -> Result<SentenceVector> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        sentence_vector(folder.path(), true)
    }

    fn fault(files: &[(&str, &str)]) -> String {
        let error = vector(files).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        error.to_string()
    }

    const POOLING: &str = "1_Pooling/config.json";

    #[test]
    fn the_configuration_of_the_pooling_is_read_in_both_of_its_forms() {
        let pooling = |config: &str| vector(&[(POOLING, config)]).unwrap().pooling;
        let flags = |cls: bool, mean: bool, max: bool| {
            format!(
                r#"{{"word_embedding_dimension": 384, "pooling_mode_cls_token": {cls}, "pooling_mode_mean_tokens": {mean},
                "pooling_mode_max_tokens": {max}, "pooling_mode_mean_sqrt_len_tokens": false}}"#
            )
        };
        let none = SentenceVector { pooling: Pooling::Mean, normalized: true, files: Vec::new() };
        assert_eq!(vector(&[]).unwrap(), none);
        assert_eq!(pooling(&flags(false, true, false)), Pooling::Mean);
        assert_eq!(pooling(&flags(true, false, false)), Pooling::Cls);
        assert_eq!(pooling(&flags(false, false, true)), Pooling::Max);
        for (name, wanted) in POOLINGS {
            assert_eq!(pooling(&format!(r#"{{"pooling_mode": "{name}"}}"#)), wanted);
        }
        let refused = |config: &str, words: &[&str]| {
            let said = fault(&[(POOLING, config)]);
            assert!(said.contains(POOLING) && words.iter().all(|word| said.contains(word)), "{said}");
        };
        refused(&flags(true, true, false), &["pooling_mode_cls_token", "pooling_mode_mean_tokens"]);
        refused(&flags(false, false, false), &["no pooling_mode is true"]);
        refused(r#"{"pooling_mode_lasttoken": true}"#, &["pooling_mode_lasttoken: true"]);
        refused(r#"{"pooling_mode": "weightedmean"}"#, &["weightedmean", "mean, cls, max"]);
        refused(r#"{"pooling_mode": "mean", "include_prompt": false}"#, &["include_prompt"]);
        refused("{", &["not valid"]);
    }

    #[test]
    fn a_file_of_modules_without_a_list_is_refused() {
        for content in ["{}", "[]", "null"] {
            let said = fault(&[("modules.json", content)]);
            assert!(said.contains("modules.json") && said.contains("a list of modules"), "{said}");
        }
    }

    #[test]
    fn modules_say_whether_vectors_are_normalized_and_others_are_refused() {
        let modules = |last: &str| {
            let module = |path: &str, kind: &str| {
                format!(
                    r#"{{"idx": 0, "name": "0", "path": "{path}", "type": "sentence_transformers.models.{kind}"}}"#
                )
            };
            let last = if last.is_empty() { String::new() } else { format!(", {}", module("last", last)) };
            format!("[{}, {}{last}]", module("", "Transformer"), module("pool", "Pooling"))
        };
        let mean = ("pool/config.json", r#"{"pooling_mode": "mean"}"#);
        assert!(vector(&[("modules.json", &modules("Normalize")), mean]).unwrap().normalized);
        assert!(!vector(&[("modules.json", &modules("")), mean]).unwrap().normalized);
        let said = fault(&[("modules.json", &modules(""))]);
        assert!(said.contains("pool/config.json") && said.contains("is missing"), "{said}");
        let outside = modules("").replace("pool", "../pool");
        let said = fault(&[("modules.json", &outside)]);
        assert!(said.contains("../pool") && said.contains("not a folder of the model"), "{said}");
        let said = fault(&[("modules.json", &modules("Dense"))]);
        assert!(said.contains("modules.json") && said.contains("\"Dense\""), "{said}");
        // The folder of the pooling is the one that is listed.
        let cls = r#"{"pooling_mode_cls_token": true}"#;
        let found = vector(&[("modules.json", &modules("Normalize")), ("pool/config.json", cls)]).unwrap();
        assert_eq!((found.pooling, found.normalized, found.files.len()), (Pooling::Cls, true, 2));
    }

    #[test]
    fn settings_that_change_vectors_are_refused_by_file_and_key() {
        const TRANSFORMER: &str = "sentence_bert_config.json";
        const SENTENCE: &str = "config_sentence_transformers.json";
        for (file, accepted, refused, key) in [
            (
                TRANSFORMER,
                r#"{"max_seq_length": 256, "do_lower_case": false}"#,
                r#"{"do_lower_case": true}"#,
                "do_lower_case",
            ),
            (
                TRANSFORMER,
                r#"{"transformer_task": "feature-extraction"}"#,
                r#"{"transformer_task": "fill-mask"}"#,
                "transformer_task",
            ),
            (
                SENTENCE,
                r#"{"truncate_dim": null, "similarity_fn_name": "dot"}"#,
                r#"{"truncate_dim": 64}"#,
                "truncate_dim",
            ),
            (
                SENTENCE,
                r#"{"model_type": "SentenceTransformer"}"#,
                r#"{"model_type": "SparseEncoder"}"#,
                "model_type",
            ),
        ] {
            let vector = |content: &str| {
                let folder = tempfile::tempdir().unwrap();
                fs::write(folder.path().join(file), content).unwrap();
                sentence_vector(folder.path(), false)
            };
            assert_eq!(vector(accepted).unwrap().files.len(), 1, "{accepted}");
            let said = vector(refused).unwrap_err().to_string();
            assert!(said.contains(file) && said.contains(key), "{refused}: {said}");
        }
        // An uncased tokenizer makes the same letters of it.
        assert!(vector(&[(TRANSFORMER, r#"{"do_lower_case": true}"#)]).is_ok());
    }

    #[test]
    fn modules_come_once_and_in_their_order() {
        let fault = |kinds: &[&str]| {
            let list: Vec<String> =
                kinds.iter().map(|kind| format!(r#"{{"path": "", "type": "models.{kind}"}}"#)).collect();
            fault(&[("modules.json", &format!("[{}]", list.join(", ")))])
        };
        for kinds in [&["Pooling"][..], &["Transformer", "Normalize"], &["Transformer", "Transformer"]] {
            assert!(fault(kinds).contains("in this order"), "{kinds:?}");
        }
        let elsewhere = r#"[{"path": "0_Transformer", "type": "models.Transformer"}]"#;
        let error = vector(&[("modules.json", elsewhere)]).unwrap_err().to_string();
        assert!(error.contains("0_Transformer") && error.contains("own folder"), "{error}");
    }
}
