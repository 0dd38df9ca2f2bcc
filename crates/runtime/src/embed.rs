//! For build scripts of firmware: takes an image into the program that is being built.

use std::boxed::Box;
use std::error::Error;
use std::path::Path;
use std::{env, format, fs};

use tinybert_image::{AlignedBytes, public_key_from_pem};

use crate::Model;

/// Checks the image at `path` and writes `$OUT_DIR/model.rs` and a copy of the image beside it. A program that has
/// `include!(concat!(env!("OUT_DIR"), "/model.rs"));` then has `MODEL: &[u8]`, aligned as
/// [`Model::from_bytes`] wants it, and `WORKSPACE_BYTES: usize`, what the image's longest input needs
/// ([`Model::max_workspace_bytes`]). The program needs the crate `tinybert-image` for that.
///
/// A program with a feature `signature` has `PUBLIC_KEY: [u8; 32]`, too: that of the PEM file which
/// `TINYBERT_PUBLIC_KEY` names and with which the image must be signed.
///
/// # Errors
/// The files cannot be read or written, are not what they should be, or this is not a build script.
pub fn embed_model(path: &Path) -> Result<(), Box<dyn Error>> {
    std::println!("cargo::rerun-if-changed={}", path.display());
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let aligned = AlignedBytes::from_slice(&bytes);
    let key = public_key()?;
    let refused = |error: crate::Error| format!("{}: {error}", path.display());
    let model = match &key {
        Some(key) => Model::from_signed_bytes(&aligned, key),
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

/// The key that the program is to trust, if it verifies.
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
