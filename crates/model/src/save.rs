//! Writing a model folder.

use std::fs;
use std::path::Path;

use candle_core::Tensor;

use super::{
    BertConfig, Head, RunRecord, Storage, Tensors, TextEncoder, config_json, expected_shapes, vocabulary,
};
use crate::file_names::{CONFIG, METRICS, QUANTIZATION, RUN_RECORD, WEIGHTS};
use crate::record::is_ours;
use tinybert_base::atomic::Staging;
use tinybert_base::{Error, Result};

/// A further file of a model folder, which appears together with the model.
#[derive(Clone, Copy)]
pub struct Companion<'a> {
    /// Name of the file in the folder.
    pub name: &'static str,
    /// Largest size of the file in bytes. The disk must have room for it before anything is written.
    pub bytes: u64,
    /// Writes the file to a path. The model's files and earlier companions exist already.
    pub write: &'a dyn Fn(&Path) -> Result<()>,
}

/// Writes a model folder atomically: `config.json`, `model.safetensors`, the tokenizer's files and
/// `run.json`. A folder that this program wrote before is replaced; any other is refused.
///
/// # Errors
/// [`Error::Usage`] for a folder that this program did not write; [`Error::Io`] when it cannot be written;
/// [`Error::Diverged`] for weights that are not finite.
pub fn save(
    folder: &Path,
    config: &BertConfig,
    head: &Head,
    tensors: &Tensors,
    text: &TextEncoder,
    record: &RunRecord,
) -> Result<()> {
    FolderContents { storage: Storage::F32, config, head, tensors, text, record }.save(folder, &[])
}

/// The contents of a model folder.
#[derive(Clone, Copy)]
pub struct FolderContents<'a> {
    /// Number format of the weights in the file.
    pub storage: Storage,
    /// Sizes of the encoder.
    pub config: &'a BertConfig,
    /// The task head.
    pub head: &'a Head,
    /// Every tensor of [`expected_shapes`], and the pooler's if the model has one.
    pub tensors: &'a Tensors,
    /// The model's tokenizer.
    pub text: &'a TextEncoder,
    /// How the model was made.
    pub record: &'a RunRecord,
}

impl FolderContents<'_> {
    /// Writes a model folder as [`save`] does, with further files, which appear with the model or not at all.
    ///
    /// # Errors
    /// Returns the errors of [`save`] and of the companions; [`Error::Usage`] for weights beyond the range of
    /// the number format.
    pub fn save(&self, folder: &Path, companions: &[Companion]) -> Result<()> {
        check_target(folder)?;
        let weights = serialize(self.config, self.head, self.tensors, self.storage)?;
        let numbering = self.config.architecture.family().tokenizer().numbering();
        let own_files =
            numbering.map(|numbering| numbering.tokenizer_files(&self.text.pieces(), self.text.lowercase()));
        let tokenizer_files = own_files.as_deref().unwrap_or(self.text.files());
        let config = config_json::to_json(self.config, self.head, self.text.special().pad, self.storage);

        let staging = Staging::begin(folder)?;
        let tokenizer_bytes: usize = tokenizer_files.iter().map(|(_, bytes)| bytes.len()).sum();
        let companion_bytes: u64 = companions.iter().map(|companion| companion.bytes).sum();
        // The small JSON files fit into the last MiB.
        staging.reserve((weights.len() + tokenizer_bytes) as u64 + companion_bytes + (1 << 20))?;
        staging.write(CONFIG, format!("{config:#}\n").as_bytes())?;
        for (name, bytes) in tokenizer_files {
            staging.write(name, bytes)?;
        }
        staging.write(WEIGHTS, &weights)?;
        drop(weights);
        staging.write(RUN_RECORD, self.record.to_json().as_bytes())?;
        for companion in companions {
            staging.write_by(companion.name, companion.write)?;
        }
        staging.commit()
    }
}

/// Checks that `folder` can become a checkpoint: that there is nothing of that name, an empty folder, or a
/// checkpoint that this program wrote. Long work calls it before it begins as well.
///
/// # Errors
/// [`Error::Usage`] naming what is in the way; [`Error::Io`] when the folder cannot be read.
pub fn check_target(folder: &Path) -> Result<()> {
    Staging::check(folder)?;
    let refuse = |why: String| {
        Err(Error::Usage(format!(
            "{}: {why}; choose another output folder or move this one away",
            folder.display()
        )))
    };
    if !folder.exists() {
        let is_link = fs::symlink_metadata(folder).is_ok();
        return if is_link { refuse("is a link to nothing".to_owned()) } else { Ok(()) };
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        entries.push(entry.map_err(Error::io(folder))?.file_name());
    }
    if entries.is_empty() {
        return Ok(());
    }
    if !is_ours(&folder.join(RUN_RECORD)) {
        return refuse("the folder is not empty and not a checkpoint that this program wrote".to_owned());
    }
    let ours = [CONFIG, WEIGHTS, METRICS, RUN_RECORD, QUANTIZATION];
    match entries.iter().find(|name| !ours.iter().chain(&vocabulary::FILES).any(|ours| *name == ours)) {
        None => Ok(()),
        Some(foreign) => refuse(format!(
            "the checkpoint there also holds {}, which would be lost",
            foreign.to_string_lossy()
        )),
    }
}

/// The bytes of `model.safetensors`, tensors in the order of their names.
fn serialize(config: &BertConfig, head: &Head, tensors: &Tensors, storage: Storage) -> Result<Vec<u8>> {
    for (name, shape) in expected_shapes(config, head) {
        let found = tensors.get(&name).map(Tensor::dims);
        if found != Some(&shape) {
            return Err(Error::Usage(format!(
                "{name} cannot be saved: expected shape {shape:?}, found {found:?}"
            )));
        }
    }
    let family = config.architecture.family();
    let mut stored = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let name = family.own_name(name, head);
        // A sum is finite only if all its terms are.
        let largest = tensor.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
        let sum = tensor.sum_all()?.to_scalar::<f32>()?;
        if !largest.is_finite() || sum.is_nan() {
            return Err(Error::Diverged(format!(
                "{name} has values that are not finite; the checkpoint was not saved"
            )));
        }
        if storage == Storage::F16 && largest > half::f16::MAX.to_f32() {
            return Err(Error::Usage(format!(
                "{name} has a value of {largest:e}, beyond half precision; store F32"
            )));
        }
        stored.push((name, tensor.to_dtype(storage.dtype())?));
    }
    // Older transformers refuse files without this.
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(stored.iter().map(|(name, tensor)| (name, tensor)), Some(metadata))
        .map_err(|error| Error::Usage(format!("the weights cannot be written: {error}")))
}
