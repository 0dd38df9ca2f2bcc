//! Copying the splits of a GLUE folder that are not augmented.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use tinybert_base::atomic::write_file;
use tinybert_base::{Error, Result};

/// Copies every `.tsv` file of the folder `from` except `train.tsv` to the folder `to`, which is made if it
/// does not exist. Together with an augmented training set, `to` is then a complete folder of the task.
///
/// # Errors
/// [`Error::Usage`], before anything is written, if `to` has a file of the same name with other contents;
/// [`Error::Io`].
pub fn copy_splits(from: &Path, to: &Path) -> Result<()> {
    let mut copies = Vec::new();
    for entry in fs::read_dir(from).map_err(Error::io(from))? {
        let path = entry.map_err(Error::io(from))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !name.ends_with(".tsv") || name == "train.tsv" {
            continue;
        }
        let (bytes, copy) = (fs::read(&path).map_err(Error::io(&path))?, to.join(name));
        match fs::read(&copy) {
            Ok(there) if there == bytes => {}
            Ok(_) => {
                return Err(Error::Usage(format!(
                    "{}: is there already and is not {}; choose another folder",
                    copy.display(),
                    path.display()
                )));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => copies.push((copy, bytes)),
            Err(error) => return Err(Error::io(&copy)(error)),
        }
    }
    fs::create_dir_all(to).map_err(Error::io(to))?;
    copies.iter().try_for_each(|(copy, bytes)| write_file(copy, bytes))
}
