//! Loops that are compiled for the widest vectors of the CPU they run on.

/// Runs `body` compiled for the widest vectors of this CPU. No fused multiply-add is introduced: the bits do
/// not depend on the vector width.
///
/// `body` needs `#[inline(always)]`. It is an `FnMut`, because calling a closure of borrowed values as an `FnOnce`
/// goes through another function, which the compiler does not always inline.
#[inline(always)]
pub fn vectorised<R>(body: impl FnMut() -> R) -> R {
    pulp::Arch::new().dispatch(Body(body))
}

struct Body<F>(F);

impl<R, F: FnMut() -> R> pulp::WithSimd for Body<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}
