//! The runtime as firmware for QEMU's virt board and for a Raspberry Pi 3: the image in flash, a static workspace,
//! answers on the serial console (`targets/console`). The exit code is 0 if there was no error.
#![no_std]
#![no_main]

mod board;
#[cfg(board = "raspi3b")]
mod raspi3b;
mod semihosting;
#[cfg(feature = "slots")]
mod slots;

core::arch::global_asm!(include_str!("start.s"));

#[cfg(not(feature = "slots"))]
tinybert_console::firmware!(board::Pl011::new(), semihosting::exit);
#[cfg(feature = "slots")]
tinybert_console::firmware!(board::Pl011::new(), semihosting::exit, slots::choose);
