//! `sign`: an image that says who vouches for it.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use tinybert_base::Result;
use tinybert_base::hex;
use tinybert_model::image_file::{self, ImageFile};
use tinybert_model::signature;

use crate::output::{self, Taken, print_line};

/// Signs an image with an Ed25519 key, for devices that take no other. A signature that the image has is replaced.
#[derive(ClapArgs)]
pub struct Args {
    /// Image to sign.
    #[arg(long, value_name = "IMAGE")]
    model: PathBuf,
    /// Private key in PEM, not encrypted: `openssl genpkey -algorithm ed25519 -out KEY`.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// Image file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let inputs = Taken::default().and("--model", [&args.model]).and("--key", [&args.key]);
    output::check_image(&args.out, &inputs)?;
    let key = signature::read_private_key(&args.key)?;
    let image = ImageFile::open(&args.model)?;
    image_file::write(&args.out, &signature::sign(image.bytes(), &key)?)?;
    print_line(format_args!("public key {}", hex(&key.public_key())))?;
    print_line(format_args!("wrote {}", args.out.display()))
}
