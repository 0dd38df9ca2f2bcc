//! Formatting numbers and names for people.

/// An integer with grouped thousands: `2,412,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// A number with at least three significant digits and all digits before the decimal point: `0.0123`, `4.56`,
/// `1,235`.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() || magnitude != 0.0 && !(1e-4..1e15).contains(&magnitude) {
        return format!("{value:.2e}");
    }
    let decimals = match magnitude {
        0.0 => 0,
        _ => (2 - magnitude.log10().floor() as i32).max(0) as usize,
    };
    fixed(value, decimals)
}

/// A number with `decimals` digits after the decimal point and grouped thousands.
pub fn fixed(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    // The fraction begins with the decimal point.
    let (integer, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let negative = value < 0.0 && digits.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
    let integer = integer.parse().map_or_else(|_| integer.to_owned(), grouped);
    format!("{}{integer}{fraction}", if negative { "−" } else { "" })
}

/// A metric in the form that every command prints: `0.9760`.
pub fn metric(value: f64) -> String {
    fixed(value, 4)
}

/// The 95 % interval of a metric: `[0.9615, 0.9848]`.
pub fn interval([low, high]: [f64; 2]) -> String {
    format!("[{}, {}]", metric(low), metric(high))
}

/// A number of bytes with a unit that is a power of 1000: `2.41 MB`.
pub fn bytes(bytes: u64) -> String {
    let (unit, divisor) = unit(bytes as f64);
    match divisor {
        1.0 => format!("{bytes} {unit}"),
        _ => format!("{} {unit}", number(bytes as f64 / divisor)),
    }
}

/// The unit for numbers of bytes up to `largest`, and the number of bytes in the unit.
pub fn unit(largest: f64) -> (&'static str, f64) {
    match largest {
        1e9.. => ("GB", 1e9),
        1e6.. => ("MB", 1e6),
        1e3.. => ("KB", 1e3),
        _ => ("bytes", 1.0),
    }
}

/// At most `most` characters of a text; the last one is `…` if the text was cut.
pub fn shortened(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        let cases = [
            (0.0, "0"),
            (0.012_345, "0.0123"),
            (4.5649, "4.56"),
            (99.96, "100.0"),
            (-0.5, "−0.500"),
            (1234.5, "1,234"),
            (1e-7, "1.00e-7"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(
            (grouped(0), grouped(999), grouped(1000), grouped(12_345_678)),
            ("0".into(), "999".into(), "1,000".into(), "12,345,678".into())
        );
    }

    #[test]
    fn bytes_have_units_of_powers_of_1000() {
        let cases = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.00 KB"),
            (42_687, "42.7 KB"),
            (14_873_344, "14.9 MB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!((shortened("äöü", 3), shortened("äöüß", 3)), ("äöü".into(), "äö…".into()));
    }
}
