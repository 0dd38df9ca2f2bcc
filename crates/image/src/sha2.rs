//! SHA-256 and SHA-512 (FIPS 180-4) of messages that come in parts.
//!
//! The compression functions are the `sha2` crate's. Buffering and padding are done here, so that no index can be out
//! of bounds. The crate's own code has panic paths unless the optimizer removes them.

use core::slice;

use ::sha2::block_api::compress256;
#[cfg(feature = "signature")]
use ::sha2::block_api::compress512;

/// Returns the SHA-256 of an image, which is what `sha256sum` prints of its file. The bytes are not checked.
pub fn image_sha256(image: &[u8]) -> [u8; 32] {
    sha256(&[image])
}

/// Returns the SHA-256 of the parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    Blocks::new(|blocks: &[[u8; 64]]| compress256(&mut state, blocks)).absorb(parts);
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// Returns the SHA-512 of the parts, one after the other.
#[cfg(feature = "signature")]
pub(crate) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    let mut state = [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ];
    Blocks::new(|blocks: &[[u8; 128]]| compress512(&mut state, blocks)).absorb(parts);
    let mut digest = [0; 64];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// Cuts a message into blocks of `N` bytes.
struct Blocks<const N: usize, C> {
    compress: C,
    /// The last block, which has `filled` bytes so far: fewer than `N`.
    last: [u8; N],
    filled: usize,
}

impl<const N: usize, C: FnMut(&[[u8; N]])> Blocks<N, C> {
    fn new(compress: C) -> Self {
        Self { compress, last: [0; N], filled: 0 }
    }

    /// Hashes the whole message and its padding: a bit, zeros, and the length in bits, big-endian, in the last eighth
    /// of a block.
    fn absorb(mut self, parts: &[&[u8]]) {
        let mut bytes: u128 = 0;
        for part in parts {
            self.update(part);
            bytes += part.len() as u128;
        }
        self.update(&[0x80]);
        while self.filled != N - N / 8 {
            self.update(&[0]);
        }
        (bytes * 8).to_be_bytes().iter().skip(16 - N / 8).for_each(|byte| self.update(slice::from_ref(byte)));
    }

    fn update(&mut self, part: &[u8]) {
        let mut rest = part;
        if self.filled > 0 {
            rest = self.fill(part);
            if self.filled < N {
                return;
            }
            (self.compress)(slice::from_ref(&self.last));
            self.filled = 0;
        }
        let (blocks, rest) = rest.as_chunks();
        (self.compress)(blocks);
        self.fill(rest);
    }

    /// Copies as many bytes as fit into the last block, and returns the others.
    fn fill<'p>(&mut self, part: &'p [u8]) -> &'p [u8] {
        let room = self.last.get_mut(self.filled..).unwrap_or_default();
        let (head, rest) = part.split_at_checked(room.len()).unwrap_or((part, &[]));
        room.iter_mut().zip(head).for_each(|(place, byte)| *place = *byte);
        self.filled += head.len();
        rest
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use ::sha2::{Digest, Sha256, Sha512};

    use super::*;

    #[test]
    fn the_digest_of_an_image_is_that_of_its_bytes() {
        // FIPS 180-4's example "abc", from NIST's page of examples.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(
            image_sha256(b"abc")
                .iter()
                .map(|byte| std::format!("{byte:02x}"))
                .collect::<std::string::String>()
                == abc
        );
    }

    /// Every place where a block can be filled, and where the padding wants another.
    #[test]
    fn messages_of_every_length_in_parts_hash_as_the_crate_says() {
        let message: Vec<u8> = (0..600_u32).map(|index| (index * 7 + index / 256) as u8).collect();
        for length in 0..message.len() {
            let message = &message[..length];
            for (first, second) in [(0, length), (length / 3, length / 2), (length.min(1), length.min(65))] {
                let parts = [&message[..first], &message[first..second], &message[second..]];
                assert_eq!(sha256(&parts)[..], Sha256::digest(message)[..], "{length} bytes");
                assert_eq!(sha512(&parts)[..], Sha512::digest(message)[..], "{length} bytes");
            }
        }
    }
}
