//! The hash that finds a piece in the packed vocabulary. It is part of the format: packer and reader use it.

const PRIME: u64 = 0x0000_0100_0000_01b3;
/// `PRIME * PRIME_INVERSE` is 1 modulo 2^64, which allows to undo a step.
const PRIME_INVERSE: u64 = 0xce96_5057_aff6_957b;
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// FNV-1a over the bytes of a piece. Its last byte can be taken back, so that the longest-match search of WordPiece
/// goes from a candidate to the one that is a byte shorter in one multiplication.
#[derive(Clone, Copy)]
pub(crate) struct PieceHash(u64);

impl PieceHash {
    /// Returns the hash of the empty piece. `continuation` pieces (`##…`) are hashed apart from those that begin a
    /// word.
    pub(crate) fn new(seed: u64, continuation: bool) -> Self {
        Self(if continuation { !seed } else { seed })
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(PRIME);
    }

    /// Takes back the last `push`, which was of `byte`.
    pub(crate) fn pop(&mut self, byte: u8) {
        self.0 = self.0.wrapping_mul(PRIME_INVERSE) ^ u64::from(byte);
    }

    /// Returns the bits that choose bucket and slot.
    pub(crate) fn finish(self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 32).wrapping_mul(MIX);
        mixed ^ mixed >> 29
    }
}

/// Returns the bucket of a finished hash. Three fifths of the pieces share three tenths of the buckets: large buckets
/// are placed while there is room, and the last ones are small (Pibiri and Trani 2021, "PTHash", section 4).
pub(crate) fn bucket(hash: u64, buckets: u32) -> u32 {
    let dense = (u64::from(buckets) * 3 / 10) as u32;
    let even = (hash >> 32) as u32;
    if hash as u32 <= u32::MAX / 5 * 3 { reduce(even, dense) } else { dense + reduce(even, buckets - dense) }
}

/// Returns the slot of a finished hash in a bucket of this displacement.
pub(crate) fn slot(hash: u64, displacement: u16, slots: u32) -> u32 {
    let moved = (hash ^ u64::from(displacement).wrapping_mul(MIX)).wrapping_mul(PRIME_INVERSE);
    reduce((moved >> 32) as u32, slots)
}

/// Maps 32 even bits onto `0..n` without a division (Lemire 2019, "Fast random integer generation in an interval").
fn reduce(bits: u32, n: u32) -> u32 {
    ((u64::from(bits) * u64::from(n)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_undoes_the_prime() {
        assert_eq!(PRIME.wrapping_mul(PRIME_INVERSE), 1);
    }

    #[test]
    fn a_byte_can_be_taken_back() {
        let mut hash = PieceHash::new(7, true);
        hash.push(b'a');
        let one = hash.finish();
        hash.push(0xff);
        hash.pop(0xff);
        assert_eq!(hash.finish(), one);
    }
}
