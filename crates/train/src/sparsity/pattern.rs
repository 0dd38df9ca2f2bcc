//! Where zeros may be.

use std::fmt;
use std::str::FromStr;

/// Where the zeros of a matrix `[outputs, inputs]` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Pattern {
    /// Anywhere.
    Unstructured,
    /// Of each `of` consecutive inputs of an output `left` stay; of the inputs behind the last whole group at most as many.
    Groups {
        /// At least 1, below `of`.
        left: usize,
        /// Inputs of a group.
        of: usize,
    },
}

impl Pattern {
    /// The share of zeros that the pattern has in itself.
    pub fn share(self) -> Option<f64> {
        match self {
            Self::Unstructured => None,
            Self::Groups { left, of } => Some((of - left) as f64 / of as f64),
        }
    }

    /// 1 for what stays of `ranked` `[_, inputs]`, row-major. In the end `share` of the values are 0, the lowest where the
    /// pattern lets them; now it is `reached` of those, the lowest first. Of equals the first goes first.
    pub(super) fn without_lowest(self, ranked: &[f32], inputs: usize, share: f64, reached: f64) -> Vec<u8> {
        let mut keys: Vec<u64> = match self {
            Self::Unstructured => (0..ranked.len()).map(|at| key(ranked, at)).collect(),
            Self::Groups { left, of } => {
                let rows = (0..ranked.len()).step_by(inputs);
                let groups = rows.flat_map(|row| {
                    (row..row + inputs).step_by(of).map(move |first| first..(first + of).min(row + inputs))
                });
                groups.flat_map(|group| lowest_of_group(ranked, group, left)).collect()
            }
        };
        let all = match self {
            Self::Unstructured => share * keys.len() as f64,
            Self::Groups { .. } => keys.len() as f64,
        };
        let count = (reached * all).round() as usize;
        if count < keys.len() {
            keys.select_nth_unstable(count);
        }
        let mut stays = vec![1; ranked.len()];
        keys.iter().take(count).for_each(|key| stays[*key as u32 as usize] = 0);
        stays
    }
}

/// Keys of all but the `left` highest of a group.
fn lowest_of_group(ranked: &[f32], group: std::ops::Range<usize>, left: usize) -> Vec<u64> {
    let mut keys: Vec<u64> = group.map(|at| key(ranked, at)).collect();
    keys.sort_unstable();
    keys.truncate(keys.len().saturating_sub(left));
    keys
}

/// Orders as the value does, then as the place does, which are its lower 32 bits.
fn key(ranked: &[f32], at: usize) -> u64 {
    let bits = ranked[at].to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | at as u64
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Unstructured => f.write_str("unstructured"),
            Self::Groups { left, of } => write!(f, "{left}:{of}"),
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = |text: &str| {
            let (left, of) = text.split_once(':')?;
            Some((left.parse().ok()?, of.parse().ok()?))
        };
        match (text, numbers(text)) {
            ("unstructured", _) => Ok(Self::Unstructured),
            (_, Some((left, of))) if 1 <= left && left < of => Ok(Self::Groups { left, of }),
            _ => Err("expected unstructured, or N:M for N weights left of each M inputs, such as 2:4".into()),
        }
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_names() {
        for name in ["unstructured", "2:4", "1:3"] {
            assert_eq!(name.parse::<Pattern>().unwrap().to_string(), name);
        }
        for wrong in ["", "4:2", "0:4", "2:2", "2:", "half"] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_lowest_go_first_whatever_their_sign() {
        let ranked = [0.5, -2.0, 0.0, -0.0, f32::NEG_INFINITY, 3.0];
        // By value: -inf, -2, -0, 0, 0.5, 3.
        let stays = |reached| Pattern::Unstructured.without_lowest(&ranked, 3, 0.5, reached);
        assert_eq!(stays(0.0), [1, 1, 1, 1, 1, 1]);
        assert_eq!(stays(0.34), [1, 1, 1, 1, 0, 1]);
        assert_eq!(stays(1.0), [1, 0, 1, 0, 0, 1]);
    }

    #[test]
    fn every_group_along_the_inputs_keeps_its_highest() {
        // Two rows of six inputs: groups of four and of two.
        let ranked = [1.0, 4.0, 3.0, 2.0, 9.0, 8.0, 5.0, 5.0, 5.0, 5.0, 0.1, 0.2];
        let pattern = Pattern::Groups { left: 2, of: 4 };
        assert_eq!(pattern.without_lowest(&ranked, 6, 0.5, 1.0), [0, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1]);
        // Half of the four zeros: the lowest of those that the pattern lets.
        assert_eq!(pattern.without_lowest(&ranked, 6, 0.5, 0.5), [0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
        let narrow = Pattern::Groups { left: 1, of: 4 };
        assert_eq!(narrow.without_lowest(&ranked, 6, 0.75, 1.0), [0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1]);
    }
}
