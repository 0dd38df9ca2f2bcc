//! The stored tensors of a model folder in any of its formats.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};

use super::stored_tensor::{Dtype, StoredTensor};
use super::{Architecture, names, pytorch, safetensors};
use tinybert_base::{Error, Result};

/// The tensors of a model folder by canonical name.
pub(super) struct WeightFiles {
    /// The family whose names the stored tensors have.
    architecture: Architecture,
    /// The folder's weight files and what is in them, with an index file if there is one.
    sources: Vec<PathBuf>,
    tensors: BTreeMap<String, (PathBuf, StoredTensor)>,
}

impl WeightFiles {
    /// Lists the tensors of `model.safetensors`, of the shards of `model.safetensors.index.json`, or of
    /// `pytorch_model.bin`, the first that is there. No values are read yet.
    ///
    /// # Errors
    /// [`Error::Input`] when there are no weights or a file is damaged; [`Error::Io`] when one cannot be read.
    pub(super) fn open(folder: &Path, architecture: Architecture) -> Result<Self> {
        let single = folder.join("model.safetensors");
        let index = folder.join("model.safetensors.index.json");
        let pickle = folder.join("pytorch_model.bin");
        let mut weights = Self { architecture, sources: Vec::new(), tensors: BTreeMap::new() };
        if single.exists() {
            weights.add(&single, safetensors::list(&single)?)?;
        } else if index.exists() {
            weights.sources.push(index.clone());
            for shard in safetensors::list_shards(&index)? {
                weights.add(&shard.path, shard.tensors)?;
            }
        } else if pickle.exists() {
            weights.add(&pickle, pytorch::list(&pickle)?)?;
        } else if folder.join("pytorch_model.bin.index.json").exists() {
            return Err(Error::input(
                folder,
                format!("sharded pytorch_model.bin is not supported; {}", pytorch::CONVERT),
            ));
        } else {
            return Err(Error::input(
                folder,
                "there are no weights; expected model.safetensors, model.safetensors.index.json with its shards, \
                 or pytorch_model.bin",
            ));
        }
        Ok(weights)
    }

    fn add(&mut self, path: &Path, tensors: Vec<StoredTensor>) -> Result<()> {
        for stored in tensors {
            let Some(name) = names::canonical(&self.architecture.family().bert_name(&stored.name)) else {
                continue;
            };
            if let Some((other_path, other)) = self.tensors.get(&name) {
                return Err(Error::input(
                    path,
                    format!(
                        "tensors {} and {} ({}) are the same one, {name}",
                        stored.name,
                        other.name,
                        other_path.display()
                    ),
                ));
            }
            self.tensors.insert(name, (path.to_path_buf(), stored));
        }
        self.sources.push(path.to_path_buf());
        Ok(())
    }

    /// The files that tensors were listed from.
    pub(super) fn sources(&self) -> &[PathBuf] {
        &self.sources
    }

    /// The tensor of this canonical name.
    pub(super) fn get(&self, name: &str) -> Option<&StoredTensor> {
        self.tensors.get(name).map(|(_, stored)| stored)
    }

    /// Canonical names, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Reads these tensors as f32, file by file in the order in which they stand there.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read; [`Error::Input`] for values that are not finite.
    pub(super) fn read(&self, names: Vec<String>) -> Result<BTreeMap<String, Tensor>> {
        let mut wanted: Vec<_> = names
            .into_iter()
            .filter_map(|name| self.tensors.get(&name).map(|(path, stored)| (path, stored, name)))
            .collect();
        wanted.sort_by_key(|(path, stored, _)| (*path, stored.offset));
        let mut open: Option<(&PathBuf, File)> = None;
        let mut tensors = BTreeMap::new();
        for (path, stored, name) in wanted {
            if open.as_ref().is_none_or(|(opened, _)| *opened != path) {
                open = Some((path, File::open(path).map_err(Error::io(path))?));
            }
            if let Some((_, file)) = &mut open {
                tensors.insert(name, read_tensor(path, file, stored)?);
            }
        }
        Ok(tensors)
    }
}

/// Reads one tensor's values and widens them to f32, which is exact.
fn read_tensor(path: &Path, file: &mut File, stored: &StoredTensor) -> Result<Tensor> {
    let mut bytes = vec![0; stored.bytes];
    file.seek(SeekFrom::Start(stored.offset)).map_err(Error::io(path))?;
    file.read_exact(&mut bytes).map_err(Error::io(path))?;
    let values: Vec<f32> = match stored.dtype {
        Dtype::F32 => bytes.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect(),
        Dtype::F16 => {
            bytes.as_chunks().0.iter().map(|chunk| half::f16::from_le_bytes(*chunk).to_f32()).collect()
        }
        Dtype::Bf16 => {
            bytes.as_chunks().0.iter().map(|chunk| half::bf16::from_le_bytes(*chunk).to_f32()).collect()
        }
        Dtype::Other(name) => {
            return Err(Error::input(
                path,
                format!("{}: values of format {name} are not weights", stored.name),
            ));
        }
    };
    if let Some(position) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::input(
            path,
            format!(
                "{}: value {position} is {}; the checkpoint is damaged or its training diverged",
                stored.name, values[position]
            ),
        ));
    }
    Ok(Tensor::from_vec(values, stored.shape.as_slice(), &Device::Cpu)?)
}
