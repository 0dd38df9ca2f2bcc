//! Weights without their zeros.

/// Writes a value for each bit of the mask that is set and a zero for each other bit; returns how many bits were set.
#[inline]
pub fn expand_sparse(mask: &[u8], values: &[i8], out: &mut [i8]) -> usize {
    let mut count = 0;
    for (out, &bits) in out.chunks_mut(8).zip(mask) {
        for (bit, out) in out.iter_mut().enumerate() {
            *out = 0;
            if bits >> bit & 1 == 1 {
                *out = values.get(count).copied().unwrap_or(0);
                count += 1;
            }
        }
    }
    count
}
