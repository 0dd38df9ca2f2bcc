//! What the CPU has, as far as this build can find out.

/// Whether this CPU (with the feature `std` or `id-registers`) or this build's target (without) has the instruction set
/// extension.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! has {
    ($feature:tt) => {{
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        let has = std::arch::is_x86_feature_detected!($feature);
        #[cfg(all(feature = "std", target_arch = "aarch64"))]
        let has = std::arch::is_aarch64_feature_detected!($feature);
        #[cfg(all(not(feature = "std"), feature = "id-registers", target_arch = "aarch64"))]
        let has = cfg!(target_feature = $feature) || crate::aarch64::id_registers::has($feature);
        #[cfg(not(any(feature = "std", all(feature = "id-registers", target_arch = "aarch64"))))]
        let has = cfg!(target_feature = $feature);
        has
    }};
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use has;

/// Returns whether this CPU (with the feature `id-registers`) or this build's target (without) has the DSP extension.
#[cfg(arm_dsp)]
pub(crate) fn has_dsp() -> bool {
    #[cfg(arm_dsp_detect)]
    return crate::arm_dsp::id_registers::has_dsp();
    #[cfg(not(arm_dsp_detect))]
    true
}

/// Returns whether this CPU (with the feature `id-registers`) or this build's target (without) has MVE with f32.
#[cfg(arm_mve)]
pub(crate) fn has_mve() -> bool {
    #[cfg(arm_mve_detect)]
    return crate::arm_mve::id_registers::has_mve();
    #[cfg(not(arm_mve_detect))]
    true
}

/// Returns whether all cores are of the in-order kind that `Isa::NeonDotprodA55` is for, as far as Linux or the
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
