//! Slices shorter than a vector.

/// The first `N` elements of `x`; of a shorter one a copy in `place`, filled up with `missing`.
#[inline(always)]
pub(crate) fn first<'a, T: Copy, const N: usize>(
    x: &'a [T],
    missing: T,
    place: &'a mut [T; N],
) -> &'a [T; N] {
    match x.first_chunk() {
        Some(x) => x,
        None => {
            *place = [missing; N];
            copy(x, place);
            place
        }
    }
}

/// As many elements as both have.
#[inline(always)]
pub(crate) fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}
