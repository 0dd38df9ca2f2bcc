//! x86-64. The name of a micro-kernel's file says what it does: `i8_{rows}x{columns}_{instruction}`.

pub(crate) mod avx2;
pub(crate) mod crc32c;
mod i8_6x16_pmaddwd;
