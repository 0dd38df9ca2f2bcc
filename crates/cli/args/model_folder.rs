//! Model folders as the command line names them: by a path, or by the id of a model on the Hugging Face Hub.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use tinybert_base::{Context, Error, Result};
use tinybert_hub::{HubId, HubSettings, Parts, snapshot};
use tinybert_model::{Checkpoint, Head};

/// The extension of images, which no id of a model folder has.
const IMAGE_EXTENSION: &str = "tbim";

/// A model folder as the command line names it: a path, `ORG/NAME[@REVISION]` or `hf://ORG/NAME[@REVISION]`. A
/// path that exists is always a path.
#[derive(Clone)]
pub struct ModelFolder(PathBuf);

/// A model folder on this machine.
pub struct LocalFolder {
    /// Its path.
    pub path: PathBuf,
    /// Its id and commit, if it comes from the Hub.
    pub origin: Option<String>,
    /// Whether it has all that the model has to say about pooling.
    is_pooling_known: bool,
}

impl LocalFolder {
    /// Reads the model, and says what its user should know about it.
    fn load(&self, context: &Context) -> Result<Checkpoint> {
        let model = say_notice(Checkpoint::load(&self.path)?, context);
        Ok(match &self.origin {
            Some(origin) => model.from_origin(origin.clone()),
            None => model,
        })
    }

    /// Makes `model`, which was read from this folder, a sentence encoder if it is a bare encoder.
    ///
    /// # Errors
    /// [`Error::Input`] for a bare encoder of which nobody knows how it pools, and the errors of
    /// [`Checkpoint::as_sentence_encoder`].
    pub fn as_sentence_encoder(&self, model: Checkpoint) -> Result<Checkpoint> {
        if model.head == Head::None && !self.is_pooling_known {
            return Err(Error::input(
                self.to_string(),
                "neither the cache nor a Hub says whether this model has a modules.json, which says how a sentence encoder \
                 makes its vectors; run the command once with access to the Hugging Face Hub, or name a folder",
            ));
        }
        model.as_sentence_encoder()
    }
}

/// Says what a user should know about a model folder.
pub(super) fn say_notice(model: Checkpoint, context: &Context) -> Checkpoint {
    if let Some(notice) = model.notice() {
        context.progress.say(&notice);
    }
    model
}

impl ModelFolder {
    /// What the value of an option for a model folder is called in the help text.
    pub const NAME: &'static str = "FOLDER|ORG/NAME";

    /// The folder on this machine, with its `parts`: they are fetched if the name is an id and the cache does not
    /// have them. A path is taken as it is.
    pub fn locate(&self, parts: Parts, context: &Context) -> Result<LocalFolder> {
        let Some(id) = self.id()? else {
            return Ok(LocalFolder { path: self.0.clone(), origin: None, is_pooling_known: true });
        };
        let found = snapshot(&id, parts, &HubSettings::from_environment()?, context)?;
        let (origin, is_pooling_known) = (Some(found.name()), found.is_pooling_known);
        Ok(LocalFolder { path: found.folder, origin, is_pooling_known })
    }

    /// Reads the model.
    pub fn load(&self, context: &Context) -> Result<Checkpoint> {
        self.locate(Parts::Model, context)?.load(context)
    }

    /// Reads the model. A bare encoder becomes a sentence encoder.
    pub fn load_sentence_encoder(&self, context: &Context) -> Result<Checkpoint> {
        let local = self.locate(Parts::Model, context)?;
        local.as_sentence_encoder(local.load(context)?)
    }

    /// The id, if the name is one.
    fn id(&self) -> Result<Option<HubId>> {
        let is_image = self.0.extension().is_some_and(|extension| extension == IMAGE_EXTENSION);
        match self.0.to_str() {
            Some(text) if !is_image && !self.0.exists() => HubId::parse(text),
            _ => Ok(None),
        }
    }
}

impl From<OsString> for ModelFolder {
    fn from(name: OsString) -> Self {
        Self(name.into())
    }
}

impl AsRef<Path> for ModelFolder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for ModelFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl fmt::Display for LocalFolder {
    /// The id and commit, or the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => f.write_str(origin),
            None => self.path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_id(name: &str) -> bool {
        ModelFolder(name.into()).id().unwrap().is_some()
    }

    #[test]
    fn an_id_is_a_name_that_no_path_has() {
        assert!(is_id("acme/tiny") && is_id("hf://acme/tiny@v1"));
        // The tests run in the folder of the root package.
        assert!(!is_id("crates/cli") && !is_id("crates"));
    }

    #[test]
    fn an_image_is_no_id() {
        assert!(!is_id("out/model.tbim"));
    }
}
