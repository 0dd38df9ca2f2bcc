//! The instruction sets that have kernels of their own.

/// An instruction set, named as on the command line (`--isa`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Isa {
    /// Portable Rust: the specification.
    Scalar,
    /// Cortex-M with the DSP extension, SMLAD (Cortex-M4, M7, M33).
    ArmDsp,
    /// Armv8.1-M with its vector extension MVE for integers and f32, Helium (Cortex-M55, M85).
    ArmMve,
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
    pub const ALL: [Isa; 10] = [
        Isa::Scalar,
        Isa::ArmDsp,
        Isa::ArmMve,
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
            Isa::ArmDsp => "arm-dsp",
            Isa::ArmMve => "arm-mve",
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
