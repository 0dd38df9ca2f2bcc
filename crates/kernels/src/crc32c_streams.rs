//! CRC-32C in three streams, for any instruction.

/// The polynomial 0x1edc6f41, bits reversed: bit 31 is the coefficient of x^0.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// 1 and x^8 with their bits reversed.
const ONE: u32 = 1 << 31;
const X_8: u32 = 1 << 23;
/// The least length at which three streams save more than it costs to join them.
const STREAMS_FROM: usize = 1 << 14;

/// Returns the CRC-32C of `bytes`. `word` advances a remainder by eight bytes, `byte` by one.
///
/// The instruction takes about three cycles, but one can begin in each cycle. The bytes are therefore cut into thirds,
/// whose remainders do not wait for each other. A remainder is linear in the bytes before it: n appended bytes of zeros
/// multiply it by x^8n modulo the polynomial.
#[inline(always)]
pub(crate) fn crc32c_by(bytes: &[u8], word: impl Fn(u32, u64) -> u32, byte: impl Fn(u32, u8) -> u32) -> u32 {
    let third = if bytes.len() < STREAMS_FROM { 0 } else { bytes.len() / 24 };
    let (words, rest) = bytes.as_chunks();
    let (first, words) = words.split_at_checked(third).unwrap_or((&[], words));
    let (second, words) = words.split_at_checked(third).unwrap_or((&[], words));
    let (last, words) = words.split_at_checked(third).unwrap_or((&[], words));

    let mut crc = [u32::MAX, 0, 0];
    for ((a, b), c) in first.iter().zip(second).zip(last) {
        crc = [
            word(crc[0], u64::from_le_bytes(*a)),
            word(crc[1], u64::from_le_bytes(*b)),
            word(crc[2], u64::from_le_bytes(*c)),
        ];
    }
    let zeros = zeros(8 * third);
    let crc = multiply(multiply(crc[0], zeros) ^ crc[1], zeros) ^ crc[2];
    let crc = words.iter().fold(crc, |crc, eight| word(crc, u64::from_le_bytes(*eight)));
    !rest.iter().fold(crc, |crc, one| byte(crc, *one))
}

/// Returns x^8n modulo the polynomial, by which `n` bytes of zeros multiply a remainder.
fn zeros(mut n: usize) -> u32 {
    let (mut product, mut power) = (ONE, X_8);
    while n > 0 {
        if n & 1 == 1 {
            product = multiply(product, power);
        }
        power = multiply(power, power);
        n >>= 1;
    }
    product
}

/// Returns `a · b` modulo the polynomial.
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        product ^= if a >> bit & 1 == 1 { b } else { 0 };
        b = (b >> 1) ^ if b & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    product
}
