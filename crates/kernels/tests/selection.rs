//! Choice of the instruction set.

use tinybert_kernels::{Isa, Kernels};

#[test]
fn names_are_parsed_back() {
    for isa in Isa::ALL {
        assert_eq!(Isa::parse(isa.name()), Some(isa));
    }
    assert_eq!(Isa::parse("AVX2"), None);
}

#[test]
fn with_isa_gives_what_was_asked_for() {
    for isa in Isa::ALL {
        if let Some(kernels) = Kernels::with_isa(isa) {
            assert_eq!(kernels.isa(), isa);
        }
    }
    assert_eq!(Kernels::with_isa(Isa::Scalar).map(|kernels| kernels.isa()), Some(Isa::Scalar));
}

/// The emulator's CPU models know which kernels they must get: `EXPECT_ISA` names them.
#[test]
fn detect_finds_the_expected_instruction_set() {
    if let Ok(name) = std::env::var("EXPECT_ISA") {
        assert_eq!(Kernels::detect().isa().name(), name);
    }
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if std::arch::is_x86_feature_detected!("avx2") {
        assert_ne!(Kernels::detect().isa(), Isa::Scalar);
    }
    // Without `std` nothing is asked of the CPU: the target's features decide.
    #[cfg(not(feature = "std"))]
    if cfg!(target_feature = "i8mm") {
        assert_eq!(Kernels::detect().isa(), Isa::NeonI8mm);
    } else if cfg!(target_feature = "dotprod") {
        assert_eq!(Kernels::detect().isa(), Isa::NeonDotprod);
    } else if cfg!(target_arch = "aarch64") {
        assert_eq!(Kernels::detect().isa(), Isa::Neon);
    } else if cfg!(target_feature = "avx2") {
        assert_eq!(Kernels::detect().isa(), Isa::Avx2);
    }
}
