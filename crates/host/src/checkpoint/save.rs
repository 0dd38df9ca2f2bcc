//! Writing a model folder.

use std::fs;
use std::path::Path;

use candle_core::{DType, Tensor};

use super::atomic::Staging;
use super::{
    Architecture, BertConfig, Head, RunRecord, Tensors, TextEncoder, config_json, expected_shapes, mpnet,
    record, vocabulary,
};
use crate::{Error, Result};

/// Number format of the weights in a written checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Storage {
    /// Single precision: what was trained.
    #[default]
    F32,
    /// Half precision: half the size, rounded to 11 bits.
    F16,
}

impl Storage {
    fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
        }
    }

    /// The name that transformers has for it.
    pub(super) fn torch_name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
        }
    }
}

const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";
/// Training's log, which it moves into the finished folder.
const METRICS: &str = "metrics.jsonl";

/// Writes a model folder atomically: `config.json`, `model.safetensors`, the tokenizer's files and
/// `run.json`. A folder that this program wrote before is replaced; any other is refused.
///
/// # Errors
/// [`Error::Usage`] for a folder that is not ours; [`Error::Io`] when it cannot be written;
/// [`Error::Diverged`] for weights that are not finite.
pub fn save(
    folder: &Path,
    config: &BertConfig,
    head: &Head,
    tensors: &Tensors,
    text: &TextEncoder,
    record: &RunRecord,
) -> Result<()> {
    save_as(folder, Storage::F32, config, head, tensors, text, record)
}

/// [`save`] with the weights in another number format.
///
/// # Errors
/// As [`save`]; and [`Error::Usage`] for weights beyond that format's range.
pub fn save_as(
    folder: &Path,
    storage: Storage,
    config: &BertConfig,
    head: &Head,
    tensors: &Tensors,
    text: &TextEncoder,
    record: &RunRecord,
) -> Result<()> {
    check_target(folder)?;
    let weights = serialize(config, head, tensors, storage)?;
    let mpnet_files = match config.architecture {
        Architecture::Bert => None,
        Architecture::MpNet(_) => Some(mpnet::tokenizer_files(&text.pieces(), text.lowercase())),
    };
    let tokenizer_files = mpnet_files.as_deref().unwrap_or(text.files());
    let config = config_json::to_json(config, head, text.special().pad, storage);

    let staging = Staging::begin(folder)?;
    let tokenizer_bytes: usize = tokenizer_files.iter().map(|(_, bytes)| bytes.len()).sum();
    // The small JSON files fit into the last MiB.
    staging.reserve((weights.len() + tokenizer_bytes) as u64 + (1 << 20))?;
    staging.write(CONFIG, format!("{config:#}\n").as_bytes())?;
    for (name, bytes) in tokenizer_files {
        staging.write(name, bytes)?;
    }
    staging.write(WEIGHTS, &weights)?;
    // The record comes last: a folder that has it has everything.
    staging.write(record::FILE, record.to_json().as_bytes())?;
    staging.commit()
}

/// Checks that `folder` can become a checkpoint: that there is nothing of that name, an empty folder, or a
/// checkpoint that this program wrote. To be called before long work as well.
///
/// # Errors
/// [`Error::Usage`] naming what is in the way; [`Error::Io`] when the folder cannot be read.
pub fn check_target(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let refuse = |why: String| {
        Err(Error::Usage(format!(
            "{}: {why}; choose another output folder or move this one away",
            folder.display()
        )))
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        entries.push(entry.map_err(Error::io(folder))?.file_name());
    }
    if entries.is_empty() {
        return Ok(());
    }
    if !record::is_ours(&folder.join(record::FILE)) {
        return refuse("the folder is not empty and not a checkpoint that this program wrote".to_owned());
    }
    let ours = [CONFIG, WEIGHTS, METRICS, record::FILE];
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
    let renamed = config.architecture.mpnet().map(|_| mpnet::own_names(tensors, head));
    let tensors = renamed.as_ref().unwrap_or(tensors);
    let mut stored = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
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
