//! Products for cores that execute Thumb-1 code alone: Cortex-M0, M0+, M23. Such code reaches only eight registers with
//! most instructions, and the compiler's keeps sums in memory. Here the sums of four rows are in r8 to r11, which ADD
//! reaches, and each weight is loaded once for the four rows.

use core::arch::naked_asm;
use core::ops::Range;

use crate::linear::Activations;

/// Rows whose sums are computed at once.
const ROWS: usize = 4;
/// Inputs of a step of the loop.
const STEP: usize = 4;

/// Calls `store(m, Σ_k a[m,k]·w[k])` for rows of row-major activations, and returns the last rows, for which this was
/// not done. Weights beyond the activations' columns are 0.
#[inline]
pub(super) fn each_sum(
    a: &Activations,
    mut rows: Range<usize>,
    weights: &[i8],
    mut store: impl FnMut(usize, i32),
) -> Range<usize> {
    // One or two rows take fewer instructions one by one.
    while rows.len() > 2
        && let Some(sums) = sums(a, rows.start, weights)
    {
        sums.into_iter().zip(rows.by_ref()).for_each(|(sum, m)| store(m, sum));
    }
    rows
}

/// Returns the sums of the rows `first` to `first + 3`, or `None` if they are not all in memory or the weights are no
/// whole number of steps.
fn sums(a: &Activations, first: usize, weights: &[i8]) -> Option<[i32; ROWS]> {
    let rows = a.data.get(first.checked_mul(a.stride)?..)?;
    let bytes = a.stride.checked_mul(ROWS - 1)?.checked_add(weights.len())?;
    if bytes > rows.len() || weights.is_empty() || !weights.len().is_multiple_of(STEP) {
        return None;
    }
    let mut sums = [0; ROWS];
    // SAFETY: `rows` and `weights` have as many bytes as the function reads, which are a whole number of steps, not 0.
    unsafe { write_sums(rows.as_ptr(), a.stride, weights.as_ptr(), weights.len(), &mut sums) };
    Some(sums)
}

/// One input. r0, r4, r5 and r6 point to the byte before each row, r2 to the one before the weights; r3 is the number
/// of inputs that are left. Its last instruction sets the flags by what is left then.
macro_rules! input {
    () => {
        concat!(
            "ldrsb r1, [r2, r3]\n",
            "ldrsb r7, [r0, r3]\n muls r7, r1, r7\n add r8, r7\n",
            "ldrsb r7, [r4, r3]\n muls r7, r1, r7\n add r9, r7\n",
            "ldrsb r7, [r5, r3]\n muls r7, r1, r7\n add r10, r7\n",
            "ldrsb r7, [r6, r3]\n muls r7, r1, r7\n add r11, r7\n",
            "subs r3, r3, #1\n",
        )
    };
}

/// Writes the sums of four rows, each of which begins `stride` bytes after the one before. The inputs are taken from
/// the last one to the first.
///
/// # Safety
/// `rows` must be valid for reads of `3 · stride + inputs` bytes and `weights` of `inputs` bytes. `inputs` must be a
/// multiple of [`STEP`], at least one.
#[unsafe(naked)]
unsafe extern "C" fn write_sums(
    rows: *const i8,
    stride: usize,
    weights: *const i8,
    inputs: usize,
    sums: &mut [i32; ROWS],
) {
    naked_asm!(
        // The fifth argument is on the stack, below nine saved registers.
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4-r7}}",
        "movs r4, #0",
        "mov r8, r4",
        "mov r9, r4",
        "mov r10, r4",
        "mov r11, r4",
        "subs r0, r0, #1",
        "adds r4, r0, r1",
        "adds r5, r4, r1",
        "adds r6, r5, r1",
        "subs r2, r2, #1",
        "2:",
        input!(),
        input!(),
        input!(),
        input!(),
        "bne 2b",
        "ldr r0, [sp, #36]",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "stm r0!, {{r4-r7}}",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
    )
}
