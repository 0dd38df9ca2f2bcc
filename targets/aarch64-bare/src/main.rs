//! The runtime as firmware. Proves by the image's self-tests that it computes what the host computed, answers the text
//! of its command line, and prints label and logits as `targets/aarch64-linux` does. Exit code 0 if all went well.
#![no_std]
#![no_main]

mod semihosting;

use core::arch::global_asm;
use core::fmt::Write;
use core::panic::PanicInfo;

use semihosting::Output;
use tinybert_runtime::{Answer, Error, Input, Model};

global_asm!(include_str!("start.s"));

include!(concat!(env!("OUT_DIR"), "/workspace.rs"));

// SAFETY: start.s calls the one function of this name.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    let mut buffer = [0; 1024];
    let text = semihosting::command_line(&mut buffer).unwrap_or_default();
    let failed = match answer(text) {
        Ok(()) => false,
        Err(error) => writeln!(Output, "error: {error}").is_ok(),
    };
    semihosting::exit(failed.into())
}

fn answer(text: &str) -> Result<(), Error> {
    let model = Model::from_bytes(tinybert_image::include_model!(concat!(env!("OUT_DIR"), "/model.tbim")))?;
    let mut workspace = [0; WORKSPACE];
    let tests = model.self_test(&mut workspace)?;
    let isa = model.kernels().isa().name();
    let _ = writeln!(Output, "{tests} self-tests passed on {isa}");

    let mut session = model.session(&mut workspace)?;
    let answer = session.run(Input::text(text))?.answer;
    let name = match answer {
        Answer::Label { index, .. } => model.label(index).unwrap_or_default(),
        _ => "score",
    };
    // Output that cannot be written is nobody's to report.
    let _ = write!(Output, "{name}\t");
    for (index, output) in answer.outputs().iter().enumerate() {
        let space = if index > 0 { " " } else { "" };
        let _ = write!(Output, "{space}{:08x}", output.to_bits());
    }
    let _ = writeln!(Output);
    Ok(())
}

unsafe extern "C" {
    /// Defined nowhere: if anything in this firmware can panic, it does not link.
    fn a_panic_path_was_linked() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // SAFETY: a program in which this is reachable does not link.
    unsafe { a_panic_path_was_linked() }
}
