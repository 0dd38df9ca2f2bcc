//! Compares every family of kernels that this core has with the scalar kernels, over random operands, and prints what
//! it has compared. The exit code is 0 if all bits were the same. The comparisons are those of the tests in
//! `crates/kernels`; they need a heap, which the runtime does not.
#![no_std]
#![no_main]

extern crate alloc;

#[path = "../board.rs"]
mod board;
#[path = "../../../../crates/kernels/tests/checks/mod.rs"]
mod checks;
#[path = "../heap.rs"]
mod heap;

use core::fmt::Write;

use tinybert_console::ConsoleWriter;
use tinybert_kernels::{Isa, Kernels};

core::arch::global_asm!(include_str!("../start.s"));

/// Random cases of each operation.
const CASES: u64 = 100;

#[global_allocator]
static HEAP: heap::Heap = heap::Heap::new();

// SAFETY: start-up code calls the one function of this name.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    let mut board = board::Mps2::new();
    for kernels in Isa::ALL.into_iter().filter_map(Kernels::with_isa) {
        for (operation, check) in checks::ALL {
            (0..CASES).for_each(|seed| check(&kernels, seed));
            let _ = writeln!(
                ConsoleWriter(&mut board),
                "{}, {operation}: {CASES} cases with the bits of the scalar kernels",
                kernels.isa().name()
            );
        }
    }
    let detected = Kernels::detect().isa().name();
    let _ = writeln!(ConsoleWriter(&mut board), "{detected} was chosen");
    board::exit(0)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    let _ = writeln!(ConsoleWriter(&mut board::Mps2::new()), "{info}");
    board::exit(1)
}
