//! Puts the model image that `TINYBERT_IMAGE` names into the firmware.

use std::env;
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=TINYBERT_IMAGE");
    println!("cargo::rerun-if-changed=memory.x");
    println!("cargo::rustc-link-search={}", env::var("CARGO_MANIFEST_DIR")?);
    let image = env::var_os("TINYBERT_IMAGE").ok_or("TINYBERT_IMAGE must name a model image")?;
    tinybert_runtime::embed_model(Path::new(&image))
}
