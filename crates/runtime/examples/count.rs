//! Runs `[CLS]`, ids, `[SEP]` of a given length through an image three times and marks the third run for an emulator
//! that counts instructions.
//!
//!     count IMAGE TOKENS [ISA]
//!
//! On aarch64 region 1 begins at `hint #97` and ends at `hint #113`, unallocated hints that do nothing on any
//! core. ISA is one of the names of `Isa`; the CPU's fastest otherwise. The image is repacked where its layout
//! is another kernel's.

use std::error::Error;

use tinybert_image::{AlignedBytes, Image, repack};
use tinybert_kernels::{Isa, Kernels};
use tinybert_runtime::{Input, Model};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, tokens, isa) = match &arguments[..] {
        [path, tokens] => (path, tokens.parse()?, None),
        [path, tokens, isa] => {
            (path, tokens.parse()?, Some(Isa::parse(isa).ok_or("unknown instruction set")?))
        }
        _ => return Err("usage: count IMAGE TOKENS [ISA]".into()),
    };
    let kernels = match isa {
        Some(isa) => Kernels::with_isa(isa).ok_or("this CPU lacks the instruction set")?,
        None => Kernels::detect(),
    };
    let file = AlignedBytes::from_slice(&std::fs::read(path)?);
    let image = repack(&Image::from_bytes(&file)?, kernels.native_panel())?;
    let model = Model::from_bytes(&image)?.with_kernels(kernels);
    let mut workspace = vec![0; model.workspace_bytes(tokens).ok_or("longer than the image is made for")?];
    let mut session = model.session_for(tokens, &mut workspace)?;

    let ids = ids(tokens, model.config().vocab);
    let type_ids = vec![0; tokens];
    for run in 0..3 {
        if run == 2 {
            begin();
        }
        let reply = session.run(Input::ids(&ids, &type_ids))?;
        if run == 2 {
            end();
            println!("{} {tokens} tokens: {:?}", kernels.isa().name(), reply.answer.outputs());
        }
    }
    Ok(())
}

/// `[CLS]`, ids from all over the vocabulary, `[SEP]`; 101 and 102 are BERT's, any other ids would do.
fn ids(tokens: usize, vocabulary: usize) -> Vec<u32> {
    let spread = |position: usize| (1000 + position * 7919 % 28_000) % vocabulary;
    let mut ids: Vec<u32> = (0..tokens).map(|position| spread(position) as u32).collect();
    if let [first, .., last] = &mut ids[..] {
        (*first, *last) = (101 % vocabulary as u32, 102 % vocabulary as u32);
    }
    ids
}

#[cfg(target_arch = "aarch64")]
fn begin() {
    // SAFETY: an unallocated hint does nothing.
    unsafe { std::arch::asm!("hint #97") };
}

#[cfg(target_arch = "aarch64")]
fn end() {
    // SAFETY: as above.
    unsafe { std::arch::asm!("hint #113") };
}

#[cfg(not(target_arch = "aarch64"))]
fn begin() {}

#[cfg(not(target_arch = "aarch64"))]
fn end() {}
