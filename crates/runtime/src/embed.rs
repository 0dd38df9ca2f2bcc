//! A function for build scripts of firmware, which puts an image into the program that is being built.

use std::boxed::Box;
use std::error::Error;
use std::path::Path;
use std::{env, format, fs};

use tinybert_image::{AlignedBytes, public_key_from_pem};

use crate::Model;

/// Checks the image at `path` and writes `$OUT_DIR/model.rs` and a copy of the image beside it. A program that has
/// `include!(concat!(env!("OUT_DIR"), "/model.rs"));` then has `MODEL: &[u8]` with the alignment that
/// [`Model::from_bytes`] needs, and `WORKSPACE_BYTES: usize`, which the image's longest input needs
/// ([`Model::max_workspace_bytes`]). The program needs the crate `tinybert-image` for that.
///
/// A program with a feature `signature` also has `PUBLIC_KEY: [u8; 32]`, with which the image must be signed. It comes
/// from the PEM file that `TINYBERT_PUBLIC_KEY` names.
///
/// # Errors
/// The files cannot be read or written, they are not an image or a key, or the caller is not a build script.
pub fn embed_model(path: &Path) -> Result<(), Box<dyn Error>> {
    std::println!("cargo::rerun-if-changed={}", path.display());
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let aligned = AlignedBytes::from_slice(&bytes);
    let key = public_key()?;
    let refused = |error: crate::Error| format!("{}: {error}", path.display());
    let model = match &key {
        Some(key) => Model::from_signed_bytes(&aligned, key, 0),
        None => Model::from_bytes(&aligned),
    }
    .map_err(refused)?;
    model.image().check_row_sums().map_err(|error| refused(error.into()))?;
    let workspace = model.max_workspace_bytes();
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: this is for build scripts")?;
    let out = Path::new(&out);
    fs::write(out.join("model.tbim"), &bytes)?;
    let mut items = format!(
        "/// The model image.\n\
         pub static MODEL: &[u8] = tinybert_image::include_model!(concat!(env!(\"OUT_DIR\"), \"/model.tbim\"));\n\
         /// Bytes of workspace that its longest input needs.\n\
         pub const WORKSPACE_BYTES: usize = {workspace};\n"
    );
    if let Some(key) = key {
        items += &format!(
            "/// The Ed25519 public key that the image must be signed with.\n\
             pub const PUBLIC_KEY: [u8; 32] = {key:?};\n"
        );
    }
    Ok(fs::write(out.join("model.rs"), items)?)
}

/// Returns the key that the program must trust, if it verifies images.
fn public_key() -> Result<Option<[u8; 32]>, Box<dyn Error>> {
    const NAME: &str = "TINYBERT_PUBLIC_KEY";
    std::println!("cargo::rerun-if-env-changed={NAME}");
    match (env::var_os("CARGO_FEATURE_SIGNATURE"), env::var_os(NAME)) {
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(format!("the feature `signature` wants a public key: {NAME} must name its PEM file").into())
        }
        (None, Some(_)) => {
            Err(format!("{NAME} is set, but without the feature `signature` nothing is verified").into())
        }
        (Some(_), Some(path)) => {
            let path = Path::new(&path);
            std::println!("cargo::rerun-if-changed={}", path.display());
            let named = |error: &dyn Error| format!("{}: {error}", path.display());
            let text = fs::read_to_string(path).map_err(|error| named(&error))?;
            Ok(Some(public_key_from_pem(&text).map_err(|error| named(&error))?))
        }
    }
}
