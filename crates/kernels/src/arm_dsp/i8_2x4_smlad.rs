//! 2 rows by 4 columns, K in groups of 16. Weights are pairs already; activations become pairs on the way.

use core::arch::naked_asm;

use super::instructions::dsp;
use super::pairs::{GROUP, Group, Pairs};

/// Rows of a tile.
pub(super) const ROWS: usize = 2;
/// Columns of a tile.
pub(super) const COLUMNS: usize = 4;

/// Sums of a tile.
pub(super) type Sums = [[i32; COLUMNS]; ROWS];

/// The rows of int8 activations that tiles read: blocks of two rows `[groups of 4][2][4]`, from some column on.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// From the first block's first byte on.
    pub(super) data: &'a [i8],
    /// Bytes from one block to the next.
    pub(super) block_bytes: usize,
}

/// Adds the products of rows and four columns of pairs to the sums of each tile. Returns `None`, having added nothing, if
/// activations are not aligned to words or are fewer than the weights.
#[inline]
pub(super) fn add_products(rows: Rows, weights: &Pairs, sums: &mut [Sums]) -> Option<()> {
    // SAFETY: the tile is one that `add` may call.
    unsafe { add(signed_tile, rows, weights, sums) }
}

/// Does the same as [`add_products`], but reads the activations as unsigned bytes.
#[inline]
pub(super) fn add_unsigned_products(rows: Rows, weights: &Pairs, sums: &mut [Sums]) -> Option<()> {
    // SAFETY: as above.
    unsafe { add(unsigned_tile, rows, weights, sums) }
}

/// Calls `tile` for all tiles, after the checks that it needs.
///
/// # Safety
/// `tile` must be sound with activations that are aligned to 4 bytes and as many, in groups, as the weights, of which there
/// is at least one group.
#[inline(always)]
unsafe fn add(tile: TileFunction, rows: Rows, weights: &Pairs, sums: &mut [Sums]) -> Option<()> {
    let (data, groups) = (rows.data.as_ptr(), weights.groups());
    if groups.is_empty() || sums.is_empty() {
        return Some(());
    }
    let before_last = (sums.len() - 1).checked_mul(rows.block_bytes)?;
    let inside = before_last + groups.len() * ROWS * GROUP <= rows.data.len();
    if !(inside && data.addr().is_multiple_of(4) && rows.block_bytes.is_multiple_of(4)) {
        return None;
    }
    for (index, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the last tile's activations end inside `data`, and all others' before them. All are aligned.
        unsafe { tile(data.add(index * rows.block_bytes), groups.as_ptr(), sums, groups.len()) };
    }
    Some(())
}

/// A function of this module's [`tile`].
type TileFunction = unsafe extern "C" fn(*const i8, *const Group, &mut Sums, usize);

/// Four inputs: the products of bytes 0 and 2, then those of bytes 1 and 3. r0 and r1 point to activations and weights, r4 to r7 are the sums of the first row, r8 to r11
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
            weights: *const Group,
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
