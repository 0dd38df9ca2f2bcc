//! CRC-32C (Castagnoli).

use crc::{CRC_32_ISCSI, Crc, Table};

/// A function that computes the CRC-32C of some bytes.
///
/// The table-driven [`crc32c`] needs no special instructions; a caller who knows the CPU may hand
/// [`Image::from_bytes_with`](crate::Image::from_bytes_with) a faster one.
pub type Checksum = fn(&[u8]) -> u32;

static CASTAGNOLI: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The CRC-32C of `bytes`, sixteen bytes per step through tables.
pub fn crc32c(bytes: &[u8]) -> u32 {
    CASTAGNOLI.checksum(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn crc32c_agrees_with_rfc_3720() {
        assert_eq!(super::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(super::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(super::crc32c(&[0xff; 32]), 0x62a8_ab43);
    }
}
