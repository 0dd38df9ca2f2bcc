//! `pytorch_model.bin`: a zip archive with a pickle that says which tensors there are, and an uncompressed
//! entry for the values of each.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::pickle::{self, StridedView};
use super::stored_tensor::{self, Dtype, StoredTensor};
use tinybert_base::{Error, Result};

/// Advice to the user about a file that cannot be read.
pub(super) const CONVERT: &str = "convert it to safetensors where it came from, in Python: \
     transformers.AutoModel.from_pretrained(folder).save_pretrained(folder), with the class of its head instead of \
     AutoModel if it has one";

/// Largest pickle that is read; a state dictionary takes about 200 bytes for each tensor.
const LARGEST_PICKLE: u64 = 4 << 20;

/// The place of an archive's entry in the file.
#[derive(Clone, Copy)]
struct ArchiveEntry {
    offset: u64,
    bytes: u64,
}

/// Lists the tensors of a file, each checked against the entry that holds it.
///
/// # Errors
/// [`Error::Input`], with how to convert the file, for anything but a complete archive with a plain state
/// dictionary; [`Error::Io`] when it cannot be read.
pub(super) fn list(path: &Path) -> Result<Vec<StoredTensor>> {
    let refuse = |what: String| Error::input(path, format!("{what}; {CONVERT}"));
    let (file, length) = stored_tensor::open(path)?;
    let mut archive = ZipArchive::new(file).map_err(|error| {
        refuse(format!("not a PyTorch archive, or a truncated one of {length} bytes, or one from before PyTorch 1.6 ({error})"))
    })?;
    let entries = entries(&mut archive, length).map_err(refuse)?;
    let root = entries.keys().find_map(|name| name.strip_suffix("data.pkl"));
    let Some(root) = root.filter(|root| root.is_empty() || root.ends_with('/')) else {
        return Err(refuse("there is no data.pkl in the archive".to_owned()));
    };
    let root = root.to_owned();
    if let Some(order) = entries.get(&format!("{root}byteorder"))
        && read(path, &mut archive, &format!("{root}byteorder"), order.bytes)? != b"little"
    {
        return Err(refuse("its values are not little-endian".to_owned()));
    }
    let name = format!("{root}data.pkl");
    let bytes = entries[&name].bytes;
    if bytes > LARGEST_PICKLE {
        return Err(refuse(format!("its data.pkl has {bytes} bytes, at most {LARGEST_PICKLE} are read")));
    }
    let pickle = read(path, &mut archive, &name, bytes)?;
    let views = pickle::state_dictionary(&pickle)
        .map_err(|what| refuse(format!("its data.pkl is refused: {what}")))?;
    views
        .into_iter()
        .map(|(name, view)| {
            let entry = entries.get(&format!("{root}data/{}", view.key));
            locate(&view, entry)
                .map(|(dtype, shape, offset, bytes)| StoredTensor {
                    name: name.clone(),
                    dtype,
                    shape,
                    offset,
                    bytes,
                })
                .map_err(|what| refuse(format!("tensor {name} {what}")))
        })
        .collect()
}

/// Entries by name; all are uncompressed and within the file.
fn entries(
    archive: &mut ZipArchive<File>,
    length: u64,
) -> std::result::Result<HashMap<String, ArchiveEntry>, String> {
    let mut entries = HashMap::new();
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(|error| format!("damaged archive: {error}"))?;
        let name = file.name().map_err(|error| format!("damaged archive: {error}"))?.into_owned();
        if file.compression() != CompressionMethod::Stored
            || file.encrypted()
            || file.size() != file.compressed_size()
        {
            return Err(format!("entry {name} is compressed or encrypted"));
        }
        let offset = file.data_start().ok_or_else(|| format!("entry {name} has no data"))?;
        if offset.checked_add(file.size()).is_none_or(|end| end > length) {
            return Err(format!("entry {name} of {} bytes reaches beyond the file's {length}", file.size()));
        }
        entries.insert(name, ArchiveEntry { offset, bytes: file.size() });
    }
    Ok(entries)
}

/// Reads a small entry whose length was checked; the archive checks its CRC-32.
fn read(path: &Path, archive: &mut ZipArchive<File>, name: &str, bytes: u64) -> Result<Vec<u8>> {
    let damaged = |what: &dyn std::fmt::Display| {
        Error::input(path, format!("entry {name} is damaged: {what}; {CONVERT}"))
    };
    let mut contents = Vec::new();
    let entry = archive.by_name(name).map_err(|error| damaged(&error))?;
    // One byte more brings the reader to the end, where it checks the sum.
    entry.take(bytes + 1).read_to_end(&mut contents).map_err(|error| damaged(&error))?;
    Ok(contents)
}

/// Number format, shape, offset in the file and bytes of a view that lies within its entry without gaps.
fn locate(
    view: &StridedView,
    entry: Option<&ArchiveEntry>,
) -> std::result::Result<(Dtype, Vec<usize>, u64, usize), String> {
    let (dtype, size) = match &*view.format {
        "Float" => (Dtype::F32, 4),
        "Half" => (Dtype::F16, 2),
        "BFloat16" => (Dtype::Bf16, 2),
        "Double" => (Dtype::Other("F64"), 8),
        "Long" => (Dtype::Other("I64"), 8),
        "Int" => (Dtype::Other("I32"), 4),
        "Byte" => (Dtype::Other("U8"), 1),
        "Char" => (Dtype::Other("I8"), 1),
        "Bool" => (Dtype::Other("BOOL"), 1),
        other => return Err(format!("has values of the unknown format {other}")),
    };
    let entry = entry.ok_or_else(|| format!("has no values: entry data/{} is missing", view.key))?;
    let mut elements = 1u64;
    if view.shape.len() != view.strides.len() {
        return Err(format!("has shape {:?} but strides {:?}", view.shape, view.strides));
    }
    for (length, stride) in view.shape.iter().zip(&view.strides).rev() {
        if *length > 1 && *stride != elements {
            return Err(format!(
                "of shape {:?} is not stored row by row (strides {:?})",
                view.shape, view.strides
            ));
        }
        elements = elements
            .checked_mul(*length)
            .ok_or_else(|| format!("has the impossible shape {:?}", view.shape))?;
    }
    let end = elements.checked_add(view.offset).and_then(|end| end.checked_mul(size));
    if end.is_none_or(|end| end > entry.bytes) {
        return Err(format!(
            "of shape {:?} does not fit into the {} bytes of its values",
            view.shape, entry.bytes
        ));
    }
    let shape = view.shape.iter().map(|length| *length as usize).collect();
    Ok((dtype, shape, entry.offset + view.offset * size, (elements * size) as usize))
}
