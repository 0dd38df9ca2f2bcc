//! Takes the model image named by `TINYBERT_IMAGE` in, and makes the workspace size it states a constant.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use tinybert_image::{AlignedBytes, Image};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=TINYBERT_IMAGE");
    println!("cargo::rerun-if-changed=link.ld");
    let path = PathBuf::from(env::var_os("TINYBERT_IMAGE").ok_or("TINYBERT_IMAGE must name a model image")?);
    println!("cargo::rerun-if-changed={}", path.display());
    let bytes = AlignedBytes::from_slice(&fs::read(&path)?);
    let image = Image::from_bytes(&bytes)?;

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("model.tbim"), &*bytes)?;
    let workspace = image.config().workspace_bytes;
    fs::write(out.join("workspace.rs"), format!("const WORKSPACE: usize = {workspace};\n"))?;
    println!("cargo::rustc-link-arg=-T{}/link.ld", env::var("CARGO_MANIFEST_DIR")?);
    Ok(())
}
