//! Single instructions of the DSP extension, for which stable Rust has no functions.

use core::arch::asm;

/// Lets the assembler accept the extension where the target does not promise it.
macro_rules! dsp {
    ($($line:literal),+ $(,)?) => {
        concat!(crate::arm_dsp::instructions::accept_dsp!(), $($line, "\n"),+)
    };
}
pub(super) use dsp;

#[cfg(arm_dsp_detect)]
macro_rules! accept_dsp {
    () => {
        ".cpu cortex-m33\n"
    };
}
#[cfg(not(arm_dsp_detect))]
macro_rules! accept_dsp {
    () => {
        ""
    };
}
pub(super) use accept_dsp;

/// Evaluates an instruction of two operands, the second of which may be missing, that changes nothing but its result.
macro_rules! instruction {
    ($line:literal, $a:expr $(, $b:expr)?) => {{
        let result;
        // SAFETY: this module is used only where the core has the extension; the instruction only writes its result.
        unsafe {
            asm!(dsp!($line), result = lateout(reg) result, a = in(reg) $a, $(b = in(reg) $b,)?
                options(pure, nomem, nostack, preserves_flags));
        }
        result
    }};
}

/// Evaluates an instruction of two operands that also changes flags.
macro_rules! flags_instruction {
    ($line:literal, $a:expr, $b:expr) => {{
        let result;
        // SAFETY: this module is used only where the core has the extension; no other state is changed.
        unsafe {
            asm!(dsp!($line), result = lateout(reg) result, a = in(reg) $a, b = in(reg) $b,
                options(pure, nomem, nostack));
        }
        result
    }};
}

/// Returns bytes 0 and 2 of a word, sign-extended to 16 bits each.
#[inline(always)]
pub(super) fn even_bytes(word: u32) -> u32 {
    instruction!("sxtb16 {result}, {a}", word)
}

/// Returns bytes 1 and 3 of a word, sign-extended to 16 bits each.
#[inline(always)]
pub(super) fn odd_bytes(word: u32) -> u32 {
    instruction!("sxtb16 {result}, {a}, ror #8", word)
}

/// Returns `a - b`, limited to i32.
#[inline(always)]
pub(super) fn saturating_sub(a: i32, b: i32) -> i32 {
    instruction!("qsub {result}, {a}, {b}", a, b)
}

/// Returns a number limited to [−128, 127].
#[inline(always)]
pub(super) fn limit_to_byte(x: i32) -> i32 {
    instruction!("ssat {result}, #8, {a}", x)
}

/// Returns `a - b` in each half of a word.
#[inline(always)]
pub(super) fn sub_halves(a: u32, b: u32) -> u32 {
    flags_instruction!("ssub16 {result}, {a}, {b}", a, b)
}

/// Returns a number limited to i16.
#[inline(always)]
pub(super) fn limit_to_half_word(x: i32) -> i32 {
    instruction!("ssat {result}, #16, {a}", x)
}

/// Returns the lowest bytes of four numbers as a word.
#[inline(always)]
pub(super) fn four_bytes([a, b, c, d]: [i32; 4]) -> u32 {
    let mut word = a;
    // SAFETY: these instructions, which every core of this kind has, change only `word`.
    unsafe {
        asm!("bfi {word}, {b}, #8, #8", "bfi {word}, {c}, #16, #8", "bfi {word}, {d}, #24, #8",
            word = inout(reg) word, b = in(reg) b, c = in(reg) c, d = in(reg) d,
            options(pure, nomem, nostack, preserves_flags));
    }
    word.cast_unsigned()
}

/// Returns four int8 numbers with −127 in the place of −128.
#[inline(always)]
pub(super) fn without_lowest_bytes(bytes: u32) -> u32 {
    const ONES: u32 = 0x0101_0101;
    // One less, limited to −128, and one more.
    let less: u32 = instruction!("qsub8 {result}, {a}, {b}", bytes, ONES);
    flags_instruction!("uadd8 {result}, {a}, {b}", less, ONES)
}
