//! Answers one input of `COUNT_TOKENS` tokens (16 by default) three times with the kernels `COUNT_ISA` (the fastest by
//! default), and marks the third run for an emulator that counts instructions. The marks are unallocated hints, which
//! do nothing from Armv7-M on: `scripts/performance/cortex_m.py` knows them. Both variables are read by the compiler.
//! An emulator that loads another image into memory, with a number of tokens, has that one answered
//! (`scripts/performance/shapes_cortex_m.py`). Built with `COUNT_SLICES` set, it also answers in slices of several
//! budgets and prints steps, the longest step and all steps in the counter's cycles.
#![no_std]
#![no_main]

#[path = "../board.rs"]
mod board;

use core::arch::asm;
use core::fmt::Write;

use tinybert_console::{Board, ConsoleWriter, Model};
use tinybert_kernels::{Isa, Kernels};
use tinybert_runtime::{Error, Input, Session, Step};

core::arch::global_asm!(include_str!("../start.s"));

include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// The alignment is 64 bytes, so that the session loses no bytes to alignment.
#[repr(align(64))]
struct Workspace([u8; SPACE]);
static mut WORKSPACE: Workspace = Workspace([0; SPACE]);

/// Bytes for the image that is built in, and for any that the emulator loads.
const SPACE: usize = if WORKSPACE_BYTES > 1 << 20 { WORKSPACE_BYTES } else { 1 << 20 };

unsafe extern "C" {
    /// Memory of the board that nothing else uses; the linker script knows where. An emulator that loads an image
    /// writes `LOADED`, the number of tokens and the image's bytes here, and the image [`IMAGE_OFFSET`] bytes on.
    static loaded: [u32; 3];
}

/// The mark of a loaded image: "TBIM".
const LOADED: u32 = u32::from_le_bytes(*b"TBIM");

/// The alignment of an image.
const IMAGE_OFFSET: usize = 64;

/// Budgets of the slices, in multiply-adds.
const BUDGETS: [usize; 6] = [0, 20_000, 50_000, 100_000, 500_000, usize::MAX];

/// Most tokens of an input.
const MOST_TOKENS: usize = 512;

// SAFETY: start-up code calls the one function of this name.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    let mut board = board::Mps2::new();
    // SAFETY: `main` is called once, on one core, and nothing else names this.
    let workspace = unsafe { &mut (*&raw mut WORKSPACE).0 };
    let built_in_tokens = option_env!("COUNT_TOKENS").and_then(|tokens| tokens.parse().ok()).unwrap_or(16);
    let (image, tokens) = loaded_image().unwrap_or((MODEL, built_in_tokens));
    let isa = option_env!("COUNT_ISA").and_then(Isa::parse);
    let kernels = isa.map_or(Some(Kernels::detect()), Kernels::with_isa).unwrap_or(Kernels::scalar());
    match count(image, kernels, tokens, workspace) {
        Ok(bits) => {
            let _ =
                writeln!(ConsoleWriter(&mut board), "{}, {tokens} tokens: {bits:08x}", kernels.isa().name());
            board::exit(0)
        }
        Err(error) => {
            let _ = writeln!(ConsoleWriter(&mut board), "error: {error}");
            board::exit(1)
        }
    }
}

/// The image that the emulator has loaded, and the number of tokens to answer.
fn loaded_image() -> Option<(&'static [u8], usize)> {
    // SAFETY: the linker script says that this is memory; only the emulator writes it, before the start.
    let [mark, tokens, bytes] = unsafe { (&raw const loaded).read_volatile() };
    // SAFETY: as above; the emulator has written as many bytes.
    let image = || unsafe {
        core::slice::from_raw_parts((&raw const loaded).cast::<u8>().add(IMAGE_OFFSET), bytes as usize)
    };
    (mark == LOADED).then(|| (image(), tokens as usize))
}

/// Returns the bits of the first output.
fn count(image: &[u8], kernels: Kernels, tokens: usize, workspace: &mut [u8]) -> Result<u32, Error> {
    let model = Model::from_bytes(core::hint::black_box(image))?.with_kernels(kernels);
    let (mut ids, type_ids) = ([0; MOST_TOKENS], [0; MOST_TOKENS]);
    let ids = ids.get_mut(..tokens).unwrap_or_default();
    let vocabulary = model.config().vocab;
    // Pieces from all over the vocabulary, between two that stand for `[CLS]` and `[SEP]`.
    for (position, id) in ids.iter_mut().enumerate() {
        *id = ((1000 + position * 7919 % 28_000) % vocabulary) as u32;
    }
    if let [first, .., last] = ids {
        (*first, *last) = (101 % vocabulary as u32, 102 % vocabulary as u32);
    }
    let mut session = model.session(workspace)?;
    let mut bits = 0;
    for run in 0..3 {
        if run == 2 {
            // SAFETY: the hint does nothing.
            unsafe { asm!(".short 0xf3af, 0x8061") };
        }
        let reply = session.run(Input::ids(ids, type_ids.get(..tokens).unwrap_or_default()))?;
        if run == 2 {
            // SAFETY: as above.
            unsafe { asm!(".short 0xf3af, 0x8071") };
        }
        bits = reply.answer.outputs().first().map_or(0, |output| output.to_bits());
    }
    if option_env!("COUNT_SLICES").is_some() {
        print_slices(&mut session, Input::ids(ids, type_ids.get(..tokens).unwrap_or_default()))?;
    }
    Ok(bits)
}

/// Answers with each budget.
fn print_slices(session: &mut Session<'_, '_>, input: Input<'_>) -> Result<(), Error> {
    let mut board = board::Mps2::new();
    for budget in BUDGETS {
        let (mut steps, mut longest, mut all, mut done) = (0, 0, 0, false);
        let mut run = session.start(input)?;
        while !done {
            let begin = board.cycles();
            done = matches!(run.step(budget)?, Step::Done(_));
            let cycles = board.cycles().wrapping_sub(begin);
            (steps, longest, all) = (steps + 1, longest.max(cycles), all + cycles);
        }
        let _ = writeln!(
            ConsoleWriter(&mut board),
            "budget {budget}: {steps} steps, {longest} cycles at most, {all} in all"
        );
    }
    Ok(())
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    board::exit(1)
}
