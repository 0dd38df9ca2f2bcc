//! `tinybert-run IMAGE [--isa NAME]`: answers each line of standard input as `targets/console` describes. Built with the feature
//! `signature` it takes `--public-key PEM` too, and then no image but one that is signed with that key.
//!
//! The image is mapped, not read: nothing of it is copied, and processes share it. Its layout should be this CPU's.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, Write};

use memmap2::MmapOptions;
use tinybert_console::{Line, input};
use tinybert_runtime::kernels::{Isa, Kernels};
use tinybert_runtime::{Error as Refused, Model};

const USAGE: &str = if cfg!(feature = "signature") {
    "usage: tinybert-run IMAGE [--isa NAME] [--public-key PEM] < TEXTS"
} else {
    "usage: tinybert-run IMAGE [--isa NAME] < TEXTS"
};

type Opened<'a> = Result<Model<'a>, Refused>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut kernels, mut public_key) = (Kernels::detect(), None);
    let [path, options @ ..] = &arguments[..] else { return Err(USAGE.into()) };
    for option in options.chunks(2) {
        match option {
            [flag, name] if flag == "--isa" => {
                let isa = Isa::parse(name).ok_or_else(|| format!("no instruction set is called {name}"))?;
                kernels = Kernels::with_isa(isa).ok_or_else(|| format!("this CPU lacks {name}"))?;
            }
            [flag, file] if flag == "--public-key" && cfg!(feature = "signature") => public_key = Some(file),
            _ => return Err(USAGE.into()),
        }
    }
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    // SAFETY: an image is replaced by renaming, never written in place, so that the mapped bytes stay as they are.
    let image = unsafe { MmapOptions::new().populate().map(&file)? };
    let model = match public_key {
        Some(file) => open_signed(&image, file)?,
        None => Model::from_bytes(&image),
    };
    let model = model.map_err(|error| format!("{path}: {error}"))?.with_kernels(kernels);
    let mut workspace = vec![0; model.config().workspace_bytes];
    let tests = model.self_test(&mut workspace)?;
    eprintln!("{tests} self-tests passed on {}", model.kernels().isa().name());

    let mut session = model.session(&mut workspace)?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let reply = session.run(input(&line))?;
        writeln!(out, "{}", Line(&model, &reply.answer))?;
    }
    Ok(())
}

/// The model, if it is signed with the key in `file`.
#[cfg(feature = "signature")]
fn open_signed<'a>(image: &'a [u8], file: &str) -> Result<Opened<'a>, Box<dyn Error>> {
    let named = |error: &dyn Error| format!("{file}: {error}");
    let pem = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    let key = tinybert_image::public_key_from_pem(&pem).map_err(|error| named(&error))?;
    Ok(Model::from_signed_bytes(image, &key))
}

/// Not asked for without the feature.
#[cfg(not(feature = "signature"))]
fn open_signed<'a>(_: &'a [u8], _: &str) -> Result<Opened<'a>, Box<dyn Error>> {
    Err(USAGE.into())
}
