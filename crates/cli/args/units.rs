//! Numbers with units: bytes, sizes of a device, times.

/// Parses bytes, with K, M, G or T for powers of 1024.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.char_indices().last() {
        Some((at, unit)) if !unit.is_ascii_digit() => {
            let power =
                "KMGT".find(unit.to_ascii_uppercase()).ok_or("expected K, M, G or T after the number")?;
            (&text[..at], 10 * (power as u32 + 1))
        }
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| "expected a number of bytes, such as 20G")?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is more than any disk has".into())
}

/// Parses a size of a device's memory in bytes: KB and MB are powers of 1000, KiB and MiB of 1024.
pub fn parse_memory_size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 1024.0), ("MiB", 1024.0 * 1024.0), ("KB", 1e3), ("MB", 1e6), ("", 1.0)];
    parse_quantity(text, &units)
        .filter(|bytes| *bytes >= 1.0)
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "expected a size such as 256KB, 2.5MB, 4MiB or a number of bytes".into())
}

/// Parses a time with its unit; gives milliseconds.
pub fn parse_milliseconds(text: &str) -> Result<f64, String> {
    parse_quantity(text, &[("us", 1e-3), ("ms", 1.0), ("s", 1e3)])
        .ok_or_else(|| "expected a time such as 20ms or 0.5s".into())
}

/// Parses a share such as 99% or 0.99; gives a fraction above 0 and at most 1.
pub fn parse_share(text: &str) -> Result<f64, String> {
    parse_fraction(text)
        .filter(|share| *share > 0.0 && *share <= 1.0)
        .ok_or_else(|| "expected a share above 0 and at most 100%, such as 95% or 0.95".into())
}

/// Parses a probability such as 90% or 0.9.
pub fn parse_probability(text: &str) -> Result<f32, String> {
    parse_fraction(text)
        .filter(|probability| (0.0..=1.0).contains(probability))
        .map(|probability| probability as f32)
        .ok_or_else(|| "expected a probability from 0 to 1, such as 0.9 or 90%".into())
}

/// Parses a fraction, which may be written in percent.
fn parse_fraction(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse::<f64>().ok().map(|percent| percent / 100.0),
        None => text.parse().ok(),
    }
}

/// Parses percentage points, at least 0 and below 100; gives a fraction.
pub fn parse_points(text: &str) -> Result<f64, String> {
    let points = text.parse::<f64>().ok().filter(|points| (0.0..100.0).contains(points));
    points
        .map(|points| points / 100.0)
        .ok_or_else(|| "expected percentage points of at least 0 and below 100, such as 0.5".into())
}

/// Parses a positive number with one of `units`, each with its factor; gives number times factor.
fn parse_quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let parse = |(unit, factor): &(&str, f64)| {
        let number = text.get(..text.len().checked_sub(unit.len())?)?;
        let fits = text.to_ascii_lowercase().ends_with(&unit.to_ascii_lowercase());
        let value = number.trim_end().parse::<f64>().ok()?;
        (fits && value.is_finite() && value > 0.0).then_some(value * factor)
    };
    units.iter().find_map(parse)
}

/// Parses minutes, 0 or more.
pub fn parse_minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse().map_err(|_| "expected a number of minutes")?;
    if minutes >= 0.0 { Ok(minutes) } else { Err("expected at least 0 minutes".into()) }
}

/// Parses the time limit of a run: minutes, more than 0.
pub fn parse_time_limit(text: &str) -> Result<f64, String> {
    let minutes = parse_minutes(text)?;
    if minutes > 0.0 { Ok(minutes) } else { Err("expected more than 0 minutes".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_of_a_device_have_units() {
        assert_eq!(parse_memory_size("2.5MB"), Ok(2_500_000));
        assert_eq!(parse_memory_size("256kb"), Ok(256_000));
        assert_eq!(parse_memory_size("4MiB"), Ok(4 << 20));
        assert_eq!(parse_memory_size("1234"), Ok(1234));
        assert_eq!(parse_milliseconds("20ms"), Ok(20.0));
        assert_eq!(parse_milliseconds("0.5s"), Ok(500.0));
        for wrong in ["", "MB", "-1MB", "4GB", "0", "nanKB", "1 2KB"] {
            assert!(parse_memory_size(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "20", "ms", "-1ms", "infs"] {
            assert!(parse_milliseconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_and_points_are_fractions() {
        assert_eq!(parse_share("99%"), Ok(0.99));
        assert_eq!(parse_share("99.5 %"), Ok(0.995));
        assert_eq!(parse_share("0.99"), Ok(0.99));
        assert_eq!(parse_share("100%"), Ok(1.0));
        assert_eq!((parse_points("0.5"), parse_points("0")), (Ok(0.005), Ok(0.0)));
        for wrong in ["", "%", "0", "99", "120%", "-1%", "nan", "inf%"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "-1", "100", "0.5%", "nan"] {
            assert!(parse_points(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn probabilities_may_be_written_in_percent() {
        assert_eq!((parse_probability("90%"), parse_probability("0.9")), (Ok(0.9), Ok(0.9)));
        assert_eq!((parse_probability("0"), parse_probability("100 %")), (Ok(0.0), Ok(1.0)));
        for wrong in ["", "90", "1.1", "-0.1", "101%", "nan", "half"] {
            assert!(parse_probability(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_have_units_of_powers_of_1024() {
        assert_eq!(parse_bytes("123"), Ok(123));
        assert_eq!(parse_bytes("2K"), Ok(2048));
        assert_eq!(parse_bytes("20g"), Ok(20 << 30));
        for wrong in ["", "G", "1.5G", "-1", "10X", "99999999T", "1é"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
