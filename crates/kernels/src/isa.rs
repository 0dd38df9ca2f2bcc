//! The instruction sets that have kernels of their own.

/// An instruction set, named as on the command line (`--isa`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Isa {
    /// Portable Rust: the specification.
    Scalar,
    /// x86-64 with AVX2.
    Avx2,
    /// x86-64 with AVX2 and its 8-bit dot product, VPDPBUSD (AVX-VNNI).
    AvxVnni,
    /// x86-64 with AVX-512 and its 8-bit dot product.
    Avx512Vnni,
    /// aarch64 with its baseline Advanced SIMD (Cortex-A53, A72).
    Neon,
    /// aarch64 with the Armv8.2 dot product, SDOT, on an in-order core (Cortex-A55).
    NeonDotprodA55,
    /// aarch64 with the Armv8.2 dot product, SDOT (Cortex-A76).
    NeonDotprod,
    /// aarch64 with the Armv8.6 int8 matrix multiplication, SMMLA (Cortex-A510, Neoverse V1).
    NeonI8mm,
}

impl Isa {
    /// All instruction sets, for tests and help texts. `Kernels::with_isa` refuses those that the machine lacks.
    pub const ALL: [Isa; 8] = [
        Isa::Scalar,
        Isa::Avx2,
        Isa::AvxVnni,
        Isa::Avx512Vnni,
        Isa::Neon,
        Isa::NeonDotprodA55,
        Isa::NeonDotprod,
        Isa::NeonI8mm,
    ];

    /// Returns the lower-case name, such as `neon-dotprod`.
    pub const fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::AvxVnni => "avx-vnni",
            Isa::Avx512Vnni => "avx512-vnni",
            Isa::Neon => "neon",
            Isa::NeonDotprodA55 => "neon-dotprod-a55",
            Isa::NeonDotprod => "neon-dotprod",
            Isa::NeonI8mm => "neon-i8mm",
        }
    }

    /// Returns the instruction set with the name `name`.
    pub fn parse(name: &str) -> Option<Isa> {
        Isa::ALL.into_iter().find(|isa| isa.name() == name)
    }
}

/// Returns whether all cores are of the in-order kind that [`Isa::NeonDotprodA55`] is for, as far as Linux or the
/// identification registers tell; without `std` and `id-registers` only the caller can know it. Allocates nothing.
pub(crate) fn in_order() -> bool {
    #[cfg(all(feature = "std", target_arch = "aarch64", target_os = "linux"))]
    {
        let mut parts = (0..).map_while(linux_part).peekable();
        parts.peek().is_some() && parts.all(|part| IN_ORDER_PARTS.contains(&part))
    }
    #[cfg(all(not(feature = "std"), feature = "id-registers", target_arch = "aarch64"))]
    {
        IN_ORDER_PARTS.contains(&crate::aarch64::id_registers::part())
    }
    #[cfg(not(all(
        target_arch = "aarch64",
        any(all(feature = "std", target_os = "linux"), all(not(feature = "std"), feature = "id-registers"))
    )))]
    false
}

/// Arm's part numbers of Cortex-A55 and Cortex-A510.
#[cfg(all(
    target_arch = "aarch64",
    any(all(feature = "std", target_os = "linux"), feature = "id-registers")
))]
const IN_ORDER_PARTS: [u64; 2] = [0xd05, 0xd46];

/// Returns the part number of a core, from its identification register, or `None` beyond the last one.
#[cfg(all(feature = "std", target_arch = "aarch64", target_os = "linux"))]
fn linux_part(core: u32) -> Option<u64> {
    use std::io::{Read, Write};

    let mut path = [0; 80];
    let mut rest = &mut path[..];
    write!(rest, "/sys/devices/system/cpu/cpu{core}/regs/identification/midr_el1").ok()?;
    let length = 80 - rest.len();
    let mut register = [0; 32];
    let path = core::str::from_utf8(path.get(..length)?).ok()?;
    let bytes = std::fs::File::open(path).ok()?.read(&mut register).ok()?;
    let digits = core::str::from_utf8(register.get(..bytes)?).ok()?.trim().strip_prefix("0x")?;
    Some(u64::from_str_radix(digits, 16).ok()? >> 4 & 0xfff)
}
