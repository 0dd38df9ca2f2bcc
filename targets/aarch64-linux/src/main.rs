//! `tinybert-run IMAGE [--isa NAME]`: answers each line of standard input with `label`, tab, and the outputs' bits in
//! hexadecimal, so that machines can be compared. A tab in the line separates the two texts of a pair.
//!
//! The image is mapped, not read: nothing of it is copied, and processes share it. Its layout should be this CPU's.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, Write};

use memmap2::MmapOptions;
use tinybert_runtime::kernels::{Isa, Kernels};
use tinybert_runtime::{Answer, Input, Model};

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
    let file = File::open(path)?;
    // SAFETY: an image is replaced by renaming, never written in place, so that the mapped bytes stay as they are.
    let image = unsafe { MmapOptions::new().populate().map(&file)? };
    let model = Model::from_bytes(&image)?.with_kernels(kernels);
    let mut workspace = vec![0; model.config().workspace_bytes];
    let tests = model.self_test(&mut workspace)?;
    eprintln!("{tests} self-tests passed on {}", model.kernels().isa().name());

    let mut session = model.session(&mut workspace)?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let input = line.split_once('\t').map_or(Input::text(&line), |(text, pair)| Input::pair(text, pair));
        let reply = session.run(input)?;
        let name = match reply.answer {
            Answer::Label { index, .. } => model.label(index).unwrap_or_default(),
            _ => "score",
        };
        let bits = reply.answer.outputs().iter().fold(String::new(), |mut bits, output| {
            let _ = write!(bits, " {:08x}", output.to_bits());
            bits
        });
        writeln!(out, "{name}\t{}", bits.trim_start())?;
    }
    Ok(())
}
