//! What the environment says about the Hub, in the variables that huggingface_hub reads.

use std::env;
use std::fs;
use std::path::PathBuf;

use tinybert_base::{Error, Result};

/// Where the Hub and its cache are, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// Folder of the cache.
    pub cache: PathBuf,
    /// Address of the Hub, without a slash at its end.
    pub endpoint: String,
    /// The user's token.
    pub token: Option<String>,
    /// Reads the cache alone and makes no request.
    pub offline: bool,
}

impl HubSettings {
    /// The settings by the environment: `HF_HUB_CACHE` or `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN` or
    /// `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`.
    ///
    /// # Errors
    /// [`Error::Usage`] for an address or a token that cannot be one.
    pub fn from_environment() -> Result<Self> {
        Self::from_variables(|name| env::var(name).ok())
    }

    /// The settings by the values that `variable` gives. An empty value is no value.
    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let value = |name| variable(name).filter(|value| !value.trim().is_empty());
        let path = |name| {
            let value = value(name)?;
            Some(match value.strip_prefix("~/") {
                Some(rest) => PathBuf::from(variable("HOME").unwrap_or_default()).join(rest),
                None => value.into(),
            })
        };
        let caches =
            path("XDG_CACHE_HOME").unwrap_or_else(|| path("HOME").unwrap_or_default().join(".cache"));
        let home = path("HF_HOME").unwrap_or_else(|| caches.join("huggingface"));
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = value("HF_TOKEN").or_else(|| fs::read_to_string(token_file).ok());
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            let what = "the token of HF_TOKEN or HF_TOKEN_PATH should be one word of ASCII letters, digits and signs";
            return Err(Error::Usage(what.into()));
        }
        let endpoint = value("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let is_address = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
        if !host.is_some_and(is_address) {
            return Err(Error::Usage(format!(
                "HF_ENDPOINT is {endpoint:?}; expected an address that begins with https:// or http://"
            )));
        }
        let is_set = |text: String| ["1", "on", "yes", "true"].contains(&text.to_ascii_lowercase().as_str());
        Ok(Self {
            cache: path("HF_HUB_CACHE").unwrap_or_else(|| home.join("hub")),
            endpoint: endpoint.trim_end_matches('/').into(),
            token,
            offline: value("HF_HUB_OFFLINE").is_some_and(is_set),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<HubSettings> {
        HubSettings::from_variables(|name| {
            Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned())
        })
    }

    fn settings(variables: &[(&str, &str)]) -> HubSettings {
        read(variables).expect("the variables are valid")
    }

    #[test]
    fn what_can_be_no_address_and_no_token_is_refused_by_name() {
        for (name, value) in [
            ("HF_ENDPOINT", "nonsense"),
            ("HF_ENDPOINT", "ftp://x"),
            ("HF_ENDPOINT", "https://"),
            ("HF_TOKEN", "two\nlines"),
            ("HF_TOKEN", "äü"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.to_string().contains(name) && error.exit_code() == 2, "{value}: {error}");
        }
    }

    #[test]
    fn a_tilde_is_the_home_folder() {
        assert_eq!(settings(&[("HOME", "/u"), ("HF_HOME", "~/hf")]).cache, PathBuf::from("/u/hf/hub"));
    }

    #[test]
    fn the_defaults_are_those_of_huggingface_hub() {
        let found = settings(&[("HOME", "/home/none")]);
        assert_eq!(found.cache, PathBuf::from("/home/none/.cache/huggingface/hub"));
        assert_eq!(
            (found.endpoint.as_str(), found.token, found.offline),
            ("https://huggingface.co", None, false)
        );
        assert_eq!(settings(&[("XDG_CACHE_HOME", "/c")]).cache, PathBuf::from("/c/huggingface/hub"));
    }

    #[test]
    fn every_variable_is_honoured() {
        assert_eq!(settings(&[("HF_HOME", "/h")]).cache, PathBuf::from("/h/hub"));
        assert_eq!(settings(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]).cache, PathBuf::from("/c"));
        assert_eq!(settings(&[("HF_ENDPOINT", "http://mirror/")]).endpoint, "http://mirror");
        for (value, offline) in [("1", true), ("TRUE", true), ("on", true), ("0", false), ("", false)] {
            assert_eq!(settings(&[("HF_HUB_OFFLINE", value)]).offline, offline, "{value}");
        }
    }

    #[test]
    fn a_token_is_a_value_or_the_contents_of_a_file() {
        let home = tempfile::tempdir().unwrap();
        let file = |name: &str, contents: &str| {
            let path = home.path().join(name);
            fs::write(&path, contents).unwrap();
            path.display().to_string()
        };
        file("token", "of-home\n");
        let other = file("other", "of-file\n");
        let home = home.path().display().to_string();
        let token = |variables: &[(&str, &str)]| settings(variables).token;
        assert_eq!(token(&[("HF_HOME", &home)]).as_deref(), Some("of-home"));
        assert_eq!(token(&[("HF_HOME", &home), ("HF_TOKEN_PATH", &other)]).as_deref(), Some("of-file"));
        assert_eq!(token(&[("HF_TOKEN_PATH", &other), ("HF_TOKEN", "own")]).as_deref(), Some("own"));
        assert_eq!(token(&[("HF_TOKEN_PATH", &file("empty", " \n"))]), None);
    }
}
