//! CRC-32C (Castagnoli).
//!
//! Hand-written because the `crc` crate's fast path has bounds checks, and with them panics, that firmware without a
//! panic path cannot link.

/// A function that computes the CRC-32C of some bytes.
///
/// The table-driven [`crc32c`] needs no special instructions; a caller who knows the CPU may pass a faster function to
/// [`Image::from_bytes_with`](crate::Image::from_bytes_with).
pub type Checksum = fn(&[u8]) -> u32;

/// The polynomial 0x1edc6f41, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// Bytes per step, which makes 4 KiB of tables. A caller who needs more speed passes a function that uses the CPU's
/// instruction for the sum.
const STEP: usize = 4;

/// `TABLES[i][b]` is what byte `b` adds to the remainder if `i` bytes follow it in a step.
static TABLES: [[u32; 256]; STEP] = tables();

const fn tables() -> [[u32; 256]; STEP] {
    let mut tables = [[0; 256]; STEP];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = (remainder >> 1) ^ if remainder & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = remainder;
        byte += 1;
    }
    let mut following = 1;
    while following < STEP {
        byte = 0;
        while byte < 256 {
            let before = tables[following - 1][byte];
            tables[following][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        following += 1;
    }
    tables
}

/// Returns the CRC-32C of `bytes`. It takes four bytes per step through tables.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    let mut crc = u32::MAX;
    for step in steps {
        let step = (u32::from_le_bytes(*step) ^ crc).to_le_bytes();
        // The first table is that of the last byte.
        crc = step
            .iter()
            .zip(TABLES.iter().rev())
            .fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)]);
    }
    let [table, ..] = &TABLES;
    for byte in rest {
        crc = (crc >> 8) ^ table[usize::from(crc as u8 ^ byte)];
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn crc32c_agrees_with_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn crc32c_agrees_with_the_crc_crate_at_every_length() {
        let reference = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
        let bytes: [u8; 200] = core::array::from_fn(|index| (index * index) as u8);
        for length in 0..bytes.len() {
            assert_eq!(crc32c(&bytes[..length]), reference.checksum(&bytes[..length]), "{length} bytes");
        }
    }
}
