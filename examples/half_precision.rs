//! Writes a model folder again with its weights in half precision: `half_precision FROM TO`.

use std::path::Path;

use tinybert_base::{Error, Result};
use tinybert_model::{Checkpoint, FolderContents, RunRecord, Storage};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        return Err(Error::Usage("expected two folders: half_precision FROM TO".into()));
    };
    let path = Path::new(from).join("run.json");
    let run = std::fs::read(&path).map_err(Error::io(&path))?;
    let record: RunRecord = serde_json::from_slice(&run).map_err(|error| Error::input(&path, error))?;
    let Checkpoint { config, head, tensors, text, .. } = &Checkpoint::load(Path::new(from))?;
    let contents = FolderContents { storage: Storage::F16, config, head, tensors, text, record: &record };
    contents.save(Path::new(to), &[])
}
