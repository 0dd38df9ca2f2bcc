//! The runtime as firmware for Arm's MPS2 and MPS3 boards with a Cortex-M4, M7, M33 or M55: the same bits on all of
//! them, answers on the serial console (`targets/console`). The exit code is 0 if there was no error.
#![no_std]
#![no_main]

mod board;

core::arch::global_asm!(include_str!("start.s"));

tinybert_console::firmware!(board::Mps2::new(), board::exit);
