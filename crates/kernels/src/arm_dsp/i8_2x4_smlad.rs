//! 2 rows by 4 columns, K in groups of 16. Weights are pairs already; activations become pairs on the way.

use core::arch::naked_asm;

use super::instructions::dsp;
use super::pairs::{GROUP, Pairs};

/// Rows of a tile.
pub(super) const ROWS: usize = 2;
/// Columns of a tile.
pub(super) const COLUMNS: usize = 4;

/// Sums of a tile.
pub(super) type Sums = [[i32; COLUMNS]; ROWS];

/// Adds the products of two rows of int8 activations and four columns of pairs to the sums. Returns `None`, having added
/// nothing, if the activations are not aligned to words or are fewer than the weights.
///
/// `activations` is a block of two rows from some column on, `[groups of 16 · 4][2][4]` at least.
#[inline]
pub(super) fn add_products(activations: &[i8], weights: &Pairs, sums: &mut Sums) -> Option<()> {
    let (a, groups) = checked(activations, weights)?;
    if groups > 0 {
        // SAFETY: as was checked.
        unsafe { signed_tile(a, weights.groups().as_ptr(), sums, groups) };
    }
    Some(())
}

/// Does the same as [`add_products`], but reads the activations as unsigned bytes.
#[inline]
pub(super) fn add_unsigned_products(activations: &[i8], weights: &Pairs, sums: &mut Sums) -> Option<()> {
    let (a, groups) = checked(activations, weights)?;
    if groups > 0 {
        // SAFETY: as was checked.
        unsafe { unsigned_tile(a, weights.groups().as_ptr(), sums, groups) };
    }
    Some(())
}

/// Returns what a tile reads as activations, and the number of groups of both operands.
#[inline(always)]
fn checked(activations: &[i8], weights: &Pairs) -> Option<(*const i8, usize)> {
    let (a, groups) = (activations.as_ptr(), weights.groups().len());
    let inside = activations.len() >= groups * ROWS * GROUP;
    (inside && a.addr().is_multiple_of(4)).then_some((a, groups))
}

/// Four inputs: the products of bytes 0 and 2, then those of bytes 1 and 3. `$next` is where the activations are read
/// for the last time. r0 and r1 point to activations and weights, r4 to r7 are the sums of the first row, r8 to r11
/// those of the second one.
macro_rules! four_inputs {
    ($extend:literal) => {
        concat!(
            "ldrd r2, r3, [r0]\n",
            pairs_of_inputs!($extend, ""),
            "ldrd r2, r3, [r0], #8\n",
            pairs_of_inputs!($extend, ", ror #8"),
        )
    };
}

#[rustfmt::skip]
macro_rules! pairs_of_inputs {
    ($extend:literal, $rotate:literal) => {
        concat!(
            $extend, " r2, r2", $rotate, "\n", $extend, " r3, r3", $rotate, "\n",
            "ldrd r12, lr, [r1], #8\n",
            "smlad r4, r12, r2, r4\n", "smlad r8, r12, r3, r8\n",
            "smlad r5, lr, r2, r5\n", "smlad r9, lr, r3, r9\n",
            "ldrd r12, lr, [r1], #8\n",
            "smlad r6, r12, r2, r6\n", "smlad r10, r12, r3, r10\n",
            "smlad r7, lr, r2, r7\n", "smlad r11, lr, r3, r11\n",
        )
    };
}

macro_rules! tile {
    ($name:ident, $extend:literal) => {
        /// Adds the products of `groups` groups, at least 1, to the sums.
        ///
        /// # Safety
        /// The core must have the DSP extension. `activations` must be aligned to 4 bytes and valid for reads of `groups ·
        /// 32` bytes, `weights` for reads of `groups` groups.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            activations: *const i8,
            weights: *const [u32; GROUP * COLUMNS / 2],
            sums: &mut Sums,
            groups: usize,
        ) {
            naked_asm!(
                dsp!(
                    "push {{r4-r11, lr}}",
                    // The end of the weights: a group is 4 outputs of 16 inputs of 2 bytes.
                    "add r3, r1, r3, lsl #7",
                    "push {{r2, r3}}",
                    "ldm r2, {{r4-r11}}",
                    "2:",
                ),
                four_inputs!($extend),
                four_inputs!($extend),
                four_inputs!($extend),
                four_inputs!($extend),
                "ldr r2, [sp, #4]",
                "cmp r1, r2",
                "bne 2b",
                "pop {{r2, r3}}",
                "stm r2, {{r4-r11}}",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

tile!(signed_tile, "sxtb16");
tile!(unsigned_tile, "uxtb16");
