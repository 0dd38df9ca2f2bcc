//! For build scripts of firmware: takes an image into the program that is being built.

use std::boxed::Box;
use std::error::Error;
use std::path::Path;
use std::{env, format, fs};

use crate::{AlignedBytes, Image};

/// Checks the image at `path` and writes `$OUT_DIR/model.rs` and a copy of the image beside it. A program that has
/// `include!(concat!(env!("OUT_DIR"), "/model.rs"));` then has `MODEL: &[u8]`, aligned as
/// [`Image::from_bytes`] wants it, and `WORKSPACE_BYTES: usize`, what the image's longest input needs.
///
/// # Errors
/// The file cannot be read or written, it is not an image, or this is not a build script.
pub fn embed_model(path: &Path) -> Result<(), Box<dyn Error>> {
    std::println!("cargo::rerun-if-changed={}", path.display());
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let image = AlignedBytes::from_slice(&bytes);
    let image = Image::from_bytes(&image).map_err(|error| format!("{}: {error}", path.display()))?;
    let workspace = image.config().workspace_bytes;
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: this is for build scripts")?;
    let out = Path::new(&out);
    fs::write(out.join("model.tbim"), &bytes)?;
    let items = format!(
        "/// The model image.\n\
         pub static MODEL: &[u8] = tinybert_image::include_model!(concat!(env!(\"OUT_DIR\"), \"/model.tbim\"));\n\
         /// Bytes of workspace that its longest input needs.\n\
         pub const WORKSPACE_BYTES: usize = {workspace};\n"
    );
    Ok(fs::write(out.join("model.rs"), items)?)
}
