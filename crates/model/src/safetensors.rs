//! The safetensors format: a JSON header of names, shapes and offsets, then the values.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use safetensors::Dtype as FileDtype;
use safetensors::tensor::Metadata;

use super::stored_tensor::{self, Dtype, StoredTensor};
use tinybert_base::{Error, Result, files};

/// Bytes before the header: its length as a little-endian u64.
const LENGTH_BYTES: u64 = 8;

/// Largest header that is read, the limit of the format's own library.
const LARGEST_HEADER: u64 = 100_000_000;

/// A shard of a model and its tensors.
pub(super) struct Shard {
    pub(super) path: PathBuf,
    pub(super) tensors: Vec<StoredTensor>,
}

/// Reads the header of a file and checks it against the file's length.
///
/// # Errors
/// [`Error::Input`] for a pointer, a truncated or a damaged file; [`Error::Io`] when it cannot be read.
pub(super) fn list(path: &Path) -> Result<Vec<StoredTensor>> {
    let (mut file, length) = stored_tensor::open(path)?;
    let truncated = |needed: u64| {
        Error::input(
            path,
            format!(
                "truncated: the header calls for {needed} bytes, the file has {length}; download or copy it again"
            ),
        )
    };
    let mut header_length = [0; LENGTH_BYTES as usize];
    if length < LENGTH_BYTES {
        return Err(truncated(LENGTH_BYTES));
    }
    file.read_exact(&mut header_length).map_err(Error::io(path))?;
    let header_length = u64::from_le_bytes(header_length);
    if header_length > LARGEST_HEADER {
        return Err(Error::input(path, "not a safetensors file: its first eight bytes are no header length"));
    }
    let data_start = LENGTH_BYTES + header_length;
    if length < data_start {
        return Err(truncated(data_start));
    }
    let mut header = vec![0; header_length as usize];
    file.read_exact(&mut header).map_err(Error::io(path))?;
    // Refuses overlaps, gaps, and lengths that do not follow from format and shape.
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| Error::input(path, format!("damaged safetensors header: {error}")))?;
    let needed = data_start + metadata.data_len() as u64;
    if length < needed {
        return Err(truncated(needed));
    }
    if length > needed {
        return Err(Error::input(
            path,
            format!(
                "damaged: the header describes {needed} bytes, the file has {length}; download or copy it again"
            ),
        ));
    }
    let mut tensors: Vec<StoredTensor> = metadata
        .tensors()
        .into_iter()
        .map(|(name, info)| StoredTensor {
            name,
            dtype: dtype(info.dtype),
            shape: info.shape.clone(),
            offset: data_start + info.data_offsets.0 as u64,
            bytes: info.data_offsets.1 - info.data_offsets.0,
        })
        .collect();
    tensors.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(tensors)
}

/// Number of values in all tensors of a file.
///
/// # Errors
/// Returns the errors of `list`.
pub fn parameters(path: &Path) -> Result<u64> {
    Ok(list(path)?.iter().map(|tensor| tensor.shape.iter().product::<usize>() as u64).sum())
}

/// The shards that an index names, each with all of its tensors.
///
/// # Errors
/// Returns the errors of [`list`], and [`Error::Input`] for a shard that is missing, stands outside the
/// index's folder, or lacks a tensor that the index promises.
pub(super) fn list_shards(index: &Path) -> Result<Vec<Shard>> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let Index { weight_map } = files::parse_json(index, &files::read(index)?)?;
    let folder = index.parent().unwrap_or(Path::new(""));
    let names: BTreeSet<&String> = weight_map.values().collect();
    let mut shards = Vec::with_capacity(names.len());
    for name in names {
        let mut parts = Path::new(name).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(Error::input(
                index,
                format!("shard {name:?} is not a plain file name; shards must stand beside their index"),
            ));
        }
        let path = folder.join(name);
        if !path.exists() {
            return Err(Error::input(index, format!("shard {name} is missing; download or copy it too")));
        }
        let tensors = list(&path)?;
        for (tensor, _) in weight_map.iter().filter(|(_, shard)| *shard == name) {
            if !tensors.iter().any(|stored| stored.name == *tensor) {
                return Err(Error::input(
                    index,
                    format!("tensor {tensor} is not in shard {name}, where it should be"),
                ));
            }
        }
        shards.push(Shard { path, tensors });
    }
    Ok(shards)
}

fn dtype(dtype: FileDtype) -> Dtype {
    match dtype {
        FileDtype::F32 => Dtype::F32,
        FileDtype::F16 => Dtype::F16,
        FileDtype::BF16 => Dtype::Bf16,
        FileDtype::F64 => Dtype::Other("F64"),
        FileDtype::I64 => Dtype::Other("I64"),
        FileDtype::I32 => Dtype::Other("I32"),
        FileDtype::I8 => Dtype::Other("I8"),
        FileDtype::U8 => Dtype::Other("U8"),
        FileDtype::BOOL => Dtype::Other("BOOL"),
        _ => Dtype::Other("an unusual format"),
    }
}
