//! `tinybert-run IMAGE [--isa NAME]`: answers each line of standard input as `targets/console` describes.
//!
//! The image is mapped, not read: nothing of it is copied, and processes share it. Its layout should be this CPU's.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, Write};

use memmap2::MmapOptions;
use tinybert_console::{Line, input};
use tinybert_runtime::Model;
use tinybert_runtime::kernels::{Isa, Kernels};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, kernels) = match &arguments[..] {
        [path] => (path, Kernels::detect()),
        [path, flag, name] if flag == "--isa" => {
            let isa = Isa::parse(name).ok_or_else(|| format!("no instruction set is called {name}"))?;
            (path, Kernels::with_isa(isa).ok_or_else(|| format!("this CPU lacks {name}"))?)
        }
        _ => return Err("usage: tinybert-run IMAGE [--isa NAME] < TEXTS".into()),
    };
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    // SAFETY: an image is replaced by renaming, never written in place, so that the mapped bytes stay as they are.
    let image = unsafe { MmapOptions::new().populate().map(&file)? };
    let model = Model::from_bytes(&image).map_err(|error| format!("{path}: {error}"))?.with_kernels(kernels);
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
