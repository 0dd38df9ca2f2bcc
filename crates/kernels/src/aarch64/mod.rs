//! aarch64. The name of a micro-kernel's file says what it does: `i8_{rows}x{columns}_{instruction}`.

pub(crate) mod crc32c;
pub(crate) mod dotprod;
mod i8_4x4_smlal;
mod i8_8x12_sdot;
mod i8_8x12_sdot_a55;
mod i8_8x12_smmla;
pub(crate) mod i8mm;
#[cfg(all(feature = "id-registers", not(feature = "std")))]
pub(crate) mod id_registers;
pub(crate) mod neon;
mod tokens;
mod vector;
