//! The instruction sets that have kernels of their own.

/// An instruction set, named as on the command line (`--isa`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Isa {
    /// Portable Rust: the specification.
    Scalar,
    /// x86-64 with AVX2.
    Avx2,
    /// aarch64 with its baseline Advanced SIMD (Cortex-A53, A72).
    Neon,
    /// aarch64 with the Armv8.2 dot product, SDOT (Cortex-A55, A76).
    NeonDotprod,
}

impl Isa {
    /// All of them, for tests and help texts. Those the machine lacks are refused by `Kernels::with_isa`.
    pub const ALL: [Isa; 4] = [Isa::Scalar, Isa::Avx2, Isa::Neon, Isa::NeonDotprod];

    /// Lower-case name: `scalar`, `avx2`, `neon`, `neon-dotprod`.
    pub const fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Neon => "neon",
            Isa::NeonDotprod => "neon-dotprod",
        }
    }

    /// The instruction set of that name.
    pub fn parse(name: &str) -> Option<Isa> {
        Isa::ALL.into_iter().find(|isa| isa.name() == name)
    }
}
