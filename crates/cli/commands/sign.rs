//! `sign`: signs an image.

use std::path::PathBuf;

use clap::Args;
use tinybert_base::{Result, hex};
use tinybert_model::image_file::{self, ImageFile};
use tinybert_model::signature;

use crate::args::MetadataArgs;
use crate::output_paths::{self, ProtectedPaths};
use crate::standard_output::print_line;

/// Signs an image with an Ed25519 key, for devices that accept only signed images. A signature that the image
/// has already is replaced. So are the metadata that options name; the image keeps its others.
#[derive(Args)]
pub struct SignArgs {
    /// Image to sign.
    #[arg(long, value_name = "IMAGE")]
    model: PathBuf,
    /// Private key in PEM, not encrypted: `openssl genpkey -algorithm ed25519 -out KEY`.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// Image file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    metadata: MetadataArgs,
}

pub fn run(args: &SignArgs) -> Result<()> {
    let inputs = ProtectedPaths::default().with("--model", [&args.model]).with("--key", [&args.key]);
    output_paths::check_image(&args.out, &inputs)?;
    let key = signature::read_private_key(&args.key)?;
    let image = args.metadata.apply(ImageFile::open(&args.model)?.into_bytes())?;
    image_file::write(&args.out, &signature::sign(&image, &key)?)?;
    print_line(format_args!("public key {}", hex(&key.public_key())))?;
    print_line(format_args!("wrote {}", args.out.display()))
}
