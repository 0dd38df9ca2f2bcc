//! CRC-32C by the CPU's instruction. The tests have nothing to do on a CPU without one.

use tinybert_kernels::crc32c;

/// Bit by bit, from the definition.
fn oracle(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n as u32).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
}

/// RFC 3720, appendix B.4, and the check value of the catalogue of CRC algorithms.
#[test]
fn published_values() {
    assert_eq!(oracle(b"123456789"), 0xe306_9283);
    let Some(crc32c) = crc32c() else { return };
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    assert_eq!(crc32c(&[]), 0);
}

#[test]
fn every_short_length_from_every_alignment() {
    let Some(crc32c) = crc32c() else { return };
    let bytes = bytes(308);
    for start in 0..8 {
        for length in 0..=300 {
            let part = &bytes[start..start + length];
            assert_eq!(crc32c(part), oracle(part), "{length} bytes from {start}");
        }
    }
}

/// Long enough for three streams, and just not; all remainders of the division into thirds of words.
#[test]
fn long_lengths() {
    let Some(crc32c) = crc32c() else { return };
    let bytes = bytes(100_008);
    for length in (16_384 - 4..16_384 + 28).chain([49_152, 99_999, 100_000]) {
        for start in [0, 3] {
            let part = &bytes[start..start + length];
            assert_eq!(crc32c(part), oracle(part), "{length} bytes from {start}");
        }
    }
}

/// Else the other tests would pass without testing anything.
#[test]
fn the_instruction_is_found() {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    assert_eq!(crc32c().is_some(), std::arch::is_x86_feature_detected!("sse4.2"));
    #[cfg(all(feature = "std", target_arch = "aarch64"))]
    assert_eq!(crc32c().is_some(), std::arch::is_aarch64_feature_detected!("crc"));
    #[cfg(not(feature = "std"))]
    assert_eq!(crc32c().is_some(), cfg!(any(target_feature = "sse4.2", target_feature = "crc")));
}
