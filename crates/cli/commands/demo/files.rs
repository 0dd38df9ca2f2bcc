//! The data and the teacher that ship inside the program; `demo/README.md` says where they come from.

use std::fs;
use std::path::Path;

use tinybert_base::{Error, Result};

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../../../demo/", $name)))),*]
    };
}

/// Each file's path below `demo/`, and its contents.
const FILES: &[(&str, &[u8])] = embedded![
    "clinc150/train.jsonl",
    "clinc150/unlabelled.jsonl",
    "clinc150/dev.jsonl",
    "clinc150/test.jsonl",
    "teacher/config.json",
    "teacher/model.safetensors",
    "teacher/run.json",
    "teacher/tokenizer_config.json",
    "teacher/vocab.txt",
];

/// Writes all files below `folder`.
///
/// # Errors
/// [`Error::Usage`], before anything is written, if the folder has a file of the same name with other contents;
/// [`Error::Io`].
pub fn unpack(folder: &Path) -> Result<()> {
    for (name, contents) in FILES {
        // A process that was killed while it wrote has left the beginning of a file.
        if fs::read(folder.join(name)).is_ok_and(|existing| !contents.starts_with(&existing)) {
            return Err(Error::Usage(format!(
                "--out {}: its {name} is not the demo's and would be lost; choose another folder",
                folder.display()
            )));
        }
    }
    for (name, contents) in FILES {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
        fs::write(&path, contents).map_err(Error::io(&path))?;
    }
    Ok(())
}
