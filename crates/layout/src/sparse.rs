//! Weights without their zeros.

/// Writes a value for each bit of the mask that is set and a zero for each other bit; returns how many bits were set.
#[inline]
pub fn expand_sparse(mask: &[u8], values: &[i8], out: &mut [i8]) -> usize {
    let mut taken = 0;
    for (out, &bits) in out.chunks_mut(8).zip(mask) {
        for (bit, out) in out.iter_mut().enumerate() {
            *out = 0;
            if bits >> bit & 1 == 1 {
                *out = values.get(taken).copied().unwrap_or(0);
                taken += 1;
            }
        }
    }
    taken
}
