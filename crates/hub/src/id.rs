//! Ids of models on the Hub: `ORG/NAME`, `ORG/NAME@REVISION`, each also behind `hf://`.

use std::fmt;

use tinybert_base::{Error, Result};

/// What an id may stand behind, to tell it from a path at the first sight.
const SCHEME: &str = "hf://";
/// The revision of an id that names none.
const MAIN: &str = "main";

/// The id of a model on the Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    /// `ORG/NAME`.
    pub(crate) model: String,
    /// A branch, a tag or a commit.
    pub(crate) revision: String,
}

impl HubId {
    /// The id that `text` is; `None` for a text that can only be a path.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text that begins with `hf://` and goes on otherwise than an id.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let rest = text.strip_prefix(SCHEME);
        let (model, revision) = match rest.unwrap_or(text).split_once('@') {
            Some((model, revision)) => (model, revision),
            None => (rest.unwrap_or(text), MAIN),
        };
        let is_model = model.split('/').count() == 2 && is_path_of_names(model);
        match (is_model && is_path_of_names(revision), rest) {
            (true, _) => Ok(Some(Self { model: model.into(), revision: revision.into() })),
            (false, None) => Ok(None),
            (false, Some(_)) => Err(Error::Usage(format!(
                "{text}: expected {SCHEME}ORG/NAME or {SCHEME}ORG/NAME@REVISION, where the revision is a branch, a tag \
                 or a commit"
            ))),
        }
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model)?;
        if self.revision == MAIN { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

/// True for names of letters, digits, `-`, `_` and `.` with slashes between them. No name begins with a dot, so
/// that none is hidden and none leads to another folder.
pub(crate) fn is_path_of_names(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.split('/').all(|name| !name.is_empty() && !name.starts_with('.') && name.chars().all(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_an_organization_a_name_and_perhaps_a_revision() {
        let parts = |text| {
            let id = HubId::parse(text).unwrap().unwrap();
            (id.model, id.revision)
        };
        assert_eq!(parts("acme/tiny-bert_2.0"), ("acme/tiny-bert_2.0".into(), "main".into()));
        assert_eq!(parts("hf://acme/tiny"), ("acme/tiny".into(), "main".into()));
        assert_eq!(parts("acme/tiny@v1.0"), ("acme/tiny".into(), "v1.0".into()));
        assert_eq!(parts("hf://acme/tiny@refs/pr/3"), ("acme/tiny".into(), "refs/pr/3".into()));
    }

    #[test]
    fn paths_are_no_ids() {
        for path in
            ["model", "/a/b", "./a", "../a", "a/b/c", "a/b/", "a/../b", ".a/b", "a/.b", "a b/c", "~/b", ""]
        {
            assert_eq!(HubId::parse(path).unwrap(), None, "{path}");
        }
        for path in ["a/b@", "a/b@../c", "a/b@c/", "a/b@c@d"] {
            assert_eq!(HubId::parse(path).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn what_claims_to_be_an_id_must_be_one() {
        for text in ["hf://", "hf://tiny", "hf://a/b/c", "hf://a/b@", "hf://a/../b"] {
            let error = HubId::parse(text).unwrap_err();
            assert!(
                error.to_string().contains("hf://ORG/NAME@REVISION") && error.exit_code() == 2,
                "{error}"
            );
        }
    }

    #[test]
    fn an_id_is_shown_as_it_is_shortest() {
        for (text, shown) in [("hf://acme/tiny@main", "acme/tiny"), ("acme/tiny@v1", "acme/tiny@v1")] {
            assert_eq!(HubId::parse(text).unwrap().unwrap().to_string(), shown);
        }
    }
}
