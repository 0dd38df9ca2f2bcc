//! Which files of a model are needed, and where each is taken from.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tinybert_base::{Context, Error, Result, files};
use tinybert_model::TOKENIZER_FILES;

use crate::cache::ModelCache;
#[cfg(feature = "download")]
use crate::client::{Client, Found};
use crate::id::{HubId, is_path_of_names};
use crate::settings::HubSettings;
use crate::{Parts, Snapshot};

const CONFIG: &str = "config.json";
/// Lists the modules of a sentence encoder and their folders.
const MODULES: &str = "modules.json";
/// What a model may have beside its tokenizer: how a sentence encoder pools, its prompts and settings, what says that
/// the weights are an adapter, and this program's own plan of quantization.
const OPTIONAL: [&str; 5] = [
    "1_Pooling/config.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "adapter_config.json",
    tinybert_model::QUANTIZATION,
];
/// Names the file of each tensor where the weights are in several.
const INDEX: &str = "model.safetensors.index.json";
const PICKLE: &str = "pytorch_model.bin";

/// The files of one model, from the cache or else from the Hub.
pub(crate) struct ModelFiles<'a> {
    id: &'a HubId,
    settings: &'a HubSettings,
    #[cfg_attr(not(feature = "download"), expect(dead_code))]
    context: &'a Context<'a>,
    cache: ModelCache,
    /// The commit that all files are of, once it is known.
    commit: Option<String>,
    /// Whether it is known which file says how a sentence encoder pools, or that there is none.
    is_pooling_known: bool,
    /// Made for the first request.
    #[cfg(feature = "download")]
    client: Option<Client>,
}

impl<'a> ModelFiles<'a> {
    /// The files of the model of `id`.
    pub fn new(id: &'a HubId, settings: &'a HubSettings, context: &'a Context<'a>) -> Self {
        let cache = ModelCache::new(&settings.cache, id);
        let commit = cache.commit(&id.revision);
        Self {
            id,
            settings,
            context,
            cache,
            commit,
            is_pooling_known: true,
            #[cfg(feature = "download")]
            client: None,
        }
    }

    /// Brings every file of `parts` that the model has into its snapshot.
    pub fn obtain_parts(&mut self, parts: Parts) -> Result<()> {
        self.need(CONFIG)?;
        for file in TOKENIZER_FILES {
            self.obtain(file)?;
        }
        if parts == Parts::Vocabulary {
            return Ok(());
        }
        for file in OPTIONAL {
            self.obtain(file)?;
        }
        match self.obtain(MODULES)? {
            Some(modules) => {
                for folder in module_folders(&modules)? {
                    self.obtain(&format!("{folder}/{CONFIG}"))?;
                }
            }
            // A mirror may say for another reason that there is no such file.
            None => self.is_pooling_known = self.is_known_absent(MODULES),
        }
        self.obtain_weights()
    }

    /// The weights in the first format that the model has them in.
    fn obtain_weights(&mut self) -> Result<()> {
        if self.obtain(tinybert_model::WEIGHTS)?.is_some() {
            return Ok(());
        }
        if let Some(index) = self.obtain(INDEX)? {
            return shards(&index)?.iter().try_for_each(|shard| self.need(shard));
        }
        self.need(PICKLE)
    }

    /// Obtains a file without which there is no model.
    fn need(&mut self, file: &str) -> Result<()> {
        match self.obtain(file)? {
            Some(_) => Ok(()),
            None => Err(self.missing(file)),
        }
    }

    /// The path of a file in the snapshot, which is fetched if it is not there or damaged; `None` if the model has no
    /// such file, or offline if the cache has none.
    fn obtain(&mut self, file: &str) -> Result<Option<PathBuf>> {
        if let Some(commit) = &self.commit {
            let path = self.cache.snapshot(commit).join(file);
            if path.exists() {
                match self.cache.damaged_blob(&path)? {
                    None => return Ok(Some(path)),
                    Some(blob) if self.may_fetch() => fs::remove_file(&blob).map_err(Error::io(&blob))?,
                    Some(_) => {
                        let what = "damaged: its SHA-256 is not the name of its contents in the cache; run the command once \
                                    with access to the Hugging Face Hub, which fetches it again";
                        return Err(Error::input(path, what));
                    }
                }
            }
        }
        if self.is_known_absent(file) || !self.may_fetch() { Ok(None) } else { self.fetch(file) }
    }

    /// Whether the cache says that the model has no such file.
    fn is_known_absent(&self, file: &str) -> bool {
        self.commit.as_ref().is_some_and(|commit| self.cache.is_absent(commit, file))
    }

    /// Whether this program may ask the Hub.
    fn may_fetch(&self) -> bool {
        cfg!(feature = "download") && !self.settings.offline
    }

    /// Fetches a file into the snapshot.
    #[cfg(feature = "download")]
    fn fetch(&mut self, file: &str) -> Result<Option<PathBuf>> {
        let client = self.client.get_or_insert_with(|| Client::new(self.settings, self.id));
        let remote = match client.find(self.commit.as_deref(), file, self.context)? {
            Found::File(remote) => remote,
            Found::Missing { is_certain } => {
                // All tools of the Hub believe what the cache says.
                if let Some(commit) = self.commit.as_ref().filter(|_| is_certain) {
                    self.cache.remember_absence(commit, file)?;
                }
                return Ok(None);
            }
        };
        if self.commit.is_none() {
            self.cache.remember_commit(&self.id.revision, &remote.commit)?;
        }
        let commit = self.commit.get_or_insert_with(|| remote.commit.clone());
        crate::download::download(client, &self.cache, &remote, file, self.context)?;
        self.cache.link(commit, file, &remote.etag)?;
        Ok(Some(self.cache.snapshot(commit).join(file)))
    }

    #[cfg(not(feature = "download"))]
    fn fetch(&self, _file: &str) -> Result<Option<PathBuf>> {
        Ok(None)
    }

    /// The error for a file that is needed and cannot be had.
    fn missing(&self, file: &str) -> Error {
        let weights = if file == PICKLE {
            format!("{}, {INDEX} or {PICKLE}", tinybert_model::WEIGHTS)
        } else {
            file.into()
        };
        let why = if self.settings.offline {
            "HF_HUB_OFFLINE is set; unset it to fetch the model from the Hugging Face Hub, or name a folder"
        } else if !cfg!(feature = "download") {
            "this program was built without the feature `hub`, which fetches models from the Hugging Face Hub; build it \
             with that feature, or name a folder"
        } else {
            return Error::input(
                self.id.to_string(),
                format!("the model has no {weights} on the Hub, so that this program cannot read it"),
            );
        };
        let cache = self.settings.cache.display();
        let what =
            format!("there is no such folder, the cache {cache} has no {weights} of such a model, and {why}");
        Error::io(self.id.to_string())(io::Error::new(ErrorKind::NotFound, what))
    }

    /// The snapshot with all that was obtained.
    pub fn into_snapshot(self) -> Result<Snapshot> {
        let Some(commit) = self.commit else { return Err(self.missing(CONFIG)) };
        let folder = self.cache.snapshot(&commit);
        let is_pooling_known = self.is_pooling_known;
        Ok(Snapshot { folder, is_pooling_known, model: self.id.model.clone(), commit })
    }
}

/// The folders of the modules that a sentence encoder lists.
fn module_folders(path: &Path) -> Result<Vec<String>> {
    let modules: Value = files::parse_json(path, &files::read(path)?)?;
    let folders = modules.as_array().into_iter().flatten().filter_map(|module| module["path"].as_str());
    // The encoder itself lies in the model's own folder.
    let folders: Vec<&str> = folders.filter(|folder| !folder.is_empty()).collect();
    match folders.iter().find(|folder| !is_path_of_names(folder)) {
        Some(folder) => {
            Err(Error::input(path, format!("the path {folder:?} of a module is not a plain name")))
        }
        None => Ok(folders.into_iter().map(String::from).collect()),
    }
}

/// The files that an index names.
fn shards(path: &Path) -> Result<BTreeSet<String>> {
    let index: Value = files::parse_json(path, &files::read(path)?)?;
    let names = index["weight_map"].as_object().into_iter().flat_map(|map| map.values());
    let names: BTreeSet<String> = names.filter_map(Value::as_str).map(String::from).collect();
    match names.iter().find(|name| !is_path_of_names(name)) {
        Some(name) => Err(Error::input(path, format!("shard {name:?} is not a plain file name"))),
        None => Ok(names),
    }
}
