//! x86-64. The name of a micro-kernel's file says what it does: `i8_{rows}x{columns}_{instruction}`.

pub(crate) mod avx2;
pub(crate) mod avx512_vnni;
pub(crate) mod avx_vnni;
pub(crate) mod crc32c;
mod i8_4x24_vpdpbusd;
mod i8_6x8_pmaddwd;
mod i8_8x48_vpdpbusd;
mod sse;
mod ymm;
mod zmm;
