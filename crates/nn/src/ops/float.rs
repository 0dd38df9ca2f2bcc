//! The scalar functions of the ops for f32 (fast, vectorisable) and f64 (exact, for the gradient checks).

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};

use candle_core::{CpuStorage, Result, WithDType, bail};

/// An element type of the ops. Training runs in f32; f64 exists so that every backward pass can be held against
/// finite differences without rounding noise.
pub trait Float:
    WithDType
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + MulAssign
    + Send
    + Sync
{
    /// Additive identity.
    const ZERO: Self;
    /// Multiplicative identity.
    const ONE: Self;
    /// The number of this type that is nearest to a constant.
    fn nearest(x: f64) -> Self;
    /// Square root.
    fn root(self) -> Self;
    /// e to the power of `self`, for arguments of at most 0 (softmax) or moderate size.
    fn exponential(self) -> Self;
    /// The error function.
    fn error_function(self) -> Self;
    /// The larger of two.
    fn larger(self, other: Self) -> Self;
    /// Wraps values as candle storage.
    fn storage(values: Vec<Self>) -> CpuStorage;
    /// Unwraps candle storage.
    fn values(storage: CpuStorage) -> Result<Vec<Self>>;
}

impl Float for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    #[inline(always)]
    fn nearest(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn exponential(self) -> Self {
        exp_f32(self)
    }
    #[inline(always)]
    fn error_function(self) -> Self {
        erf_f32(self)
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    fn storage(values: Vec<Self>) -> CpuStorage {
        CpuStorage::F32(values)
    }
    fn values(storage: CpuStorage) -> Result<Vec<Self>> {
        match storage {
            CpuStorage::F32(values) => Ok(values),
            _ => bail!("operands of different element types"),
        }
    }
}

impl Float for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    #[inline(always)]
    fn nearest(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn exponential(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn error_function(self) -> Self {
        candle_core::cpu::erf::erf_f64(self)
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    fn storage(values: Vec<Self>) -> CpuStorage {
        CpuStorage::F64(values)
    }
    fn values(storage: CpuStorage) -> Result<Vec<Self>> {
        match storage {
            CpuStorage::F64(values) => Ok(values),
            _ => bail!("operands of different element types"),
        }
    }
}

/// exp(x): `x = n ln 2 + r`, a polynomial in r (Cephes `expf`), n into the exponent bits. Relative error
/// below 2e-7 on [-87, 88]; clamped outside, so exp(-1000) is 1.2e-38 and not 0.
#[inline(always)]
fn exp_f32(x: f32) -> f32 {
    /// 1.5 * 2^23: adding it rounds to the nearest integer and leaves that integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_2e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    (p * r * r + r + 1.0) * power
}

/// erf(x) as an odd rational function on [-4, 4] (the coefficients of Eigen's `generic_fast_erf`). Absolute
/// error below 5e-7.
#[inline(always)]
fn erf_f32(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let t = x * x;
    let p = -2.726_142_3e-10;
    let p = p * t + 2.770_681_4e-8;
    let p = p * t + -2.101_024e-6;
    let p = p * t + -5.692_506_4e-5;
    let p = p * t + -7.349_906_3e-4;
    let p = p * t + -2.954_6e-3;
    let p = p * t + -1.609_603_3e-2;
    let q = -1.456_607_2e-5;
    let q = q * t + -2.133_740_6e-4;
    let q = q * t + -1.682_827e-3;
    let q = q * t + -7.373_329_2e-3;
    let q = q * t + -1.426_473_9e-2;
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_erf_keep_their_stated_error() {
        for i in -870_000..=870_000 {
            let x = i as f32 * 1e-4;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp_f32(x)) - exact).abs() <= 2e-7 * exact, "exp({x})");
        }
        for i in -600_000..=600_000 {
            let x = i as f32 * 1e-5;
            let exact = candle_core::cpu::erf::erf_f64(f64::from(x));
            assert!((f64::from(erf_f32(x)) - exact).abs() <= 5e-7, "erf({x})");
        }
        assert_eq!(exp_f32(0.0), 1.0);
    }
}
