//! Slices shorter than a vector.

/// Returns the first `N` elements of `x`. If `x` is shorter, returns a copy in `place`, filled up with `missing`.
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

/// Copies as many elements as both slices have.
#[inline(always)]
pub(crate) fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}
