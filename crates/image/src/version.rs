//! Semantic versions (<https://semver.org>, 2.0.0), checked and compared in place.

use core::cmp::Ordering;
use core::iter;

/// A version in its parts; build metadata have no precedence.
struct Parts<'a> {
    /// `1.2.0` of `1.2.0-rc.1+5f3a`.
    core: &'a str,
    /// `rc.1`.
    pre_release: Option<&'a str>,
    /// `5f3a`.
    build: Option<&'a str>,
}

fn parts(version: &str) -> Parts<'_> {
    let (rest, build) = cut(version, '+');
    let (core, pre_release) = cut(rest, '-');
    Parts { core, pre_release, build }
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// Returns what the dots separate. `str::split` would link a panic path into firmware.
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let (identifier, next) = cut(rest?, '.');
        rest = next;
        Some(identifier)
    })
}

/// Returns whether a text is a semantic version.
pub(crate) fn is_version(text: &str) -> bool {
    let Parts { core, pre_release, build } = parts(text);
    let every = |text: Option<&str>, is_allowed: fn(&str) -> bool| {
        text.is_none_or(|text| identifiers(text).all(is_allowed))
    };
    identifiers(core).count() == 3
        && identifiers(core).all(|number| is_numeric(number) && !has_leading_zero(number))
        && every(pre_release, |part| is_identifier(part) && !(is_numeric(part) && has_leading_zero(part)))
        && every(build, is_identifier)
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_leading_zero(number: &str) -> bool {
    number.len() > 1 && number.starts_with('0')
}

/// Compares two semantic versions by their precedence (section 11).
pub(crate) fn precedence(one: &str, other: &str) -> Ordering {
    let (one, other) = (parts(one), parts(other));
    compare(one.core, other.core).then_with(|| match (one.pre_release, other.pre_release) {
        (Some(one), Some(other)) => compare(one, other),
        // A version comes after its pre-releases.
        (one, other) => other.is_some().cmp(&one.is_some()),
    })
}

/// Compares identifier by identifier; fewer come before more.
fn compare(one: &str, other: &str) -> Ordering {
    // Numbers come before words. They have no leading zeros, so that the longer number is the larger one.
    let key = |part| match is_numeric(part) {
        true => (false, part.len(), part),
        false => (true, 0, part),
    };
    identifiers(one).map(key).cmp(identifiers(other).map(key))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use proptest::prelude::*;
    use semver::Version;

    use super::*;

    #[test]
    fn versions_are_ordered_as_the_specification_says() {
        // Section 11.
        let ascending = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "2.0.0",
            "2.1.0",
            "2.1.1",
        ];
        for (index, one) in ascending.iter().enumerate() {
            assert!(is_version(one));
            for (place, other) in ascending.iter().enumerate() {
                assert_eq!(precedence(one, other), index.cmp(&place), "{one} {other}");
            }
        }
        assert_eq!(precedence("1.0.0+a", "1.0.0+b"), Ordering::Equal);
        assert_eq!(precedence("9.0.0", "10.0.0"), Ordering::Less);
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in
            ["", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.", "1..3", "1.2.3-", "1.2.3-01", "1.2.3+"]
        {
            assert!(!is_version(text), "{text}");
        }
        for text in ["1.2.3-01a", "1.2.3--", "1.2.3-a-b.0+001", "1.2.3+a-b"] {
            assert!(is_version(text), "{text}");
        }
    }

    /// Texts that are often versions, or nearly.
    fn text() -> impl Strategy<Value = String> {
        let part = prop_oneof!["[0-9]{1,3}", "0|1|2|10", "[0-9a-z-]{0,3}"];
        let parts = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("."));
        ("(0|1|10|01)\\.(0|2|9)\\.(0|3|10)(\\.1)?", "[-]?", parts.clone(), "[+]?", parts).prop_map(
            |(core, minus, pre, plus, build)| {
                let mut text = core;
                if !minus.is_empty() {
                    text = text + &minus + &pre;
                }
                if plus.is_empty() { text } else { text + &plus + &build }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        #[test]
        fn the_crate_semver_agrees(one in text(), other in text()) {
            let (parsed, parsed_other) = (Version::parse(&one), Version::parse(&other));
            prop_assert_eq!(is_version(&one), parsed.is_ok(), "{}", one);
            if let (Ok(parsed), Ok(parsed_other)) = (parsed, parsed_other) {
                prop_assert_eq!(precedence(&one, &other), parsed.cmp_precedence(&parsed_other), "{} {}", one, other);
            }
        }
    }
}
