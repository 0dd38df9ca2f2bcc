//! Patterns: which weights of a matrix may be zero together.

use std::fmt;
use std::str::FromStr;

/// The pattern of weights of a matrix `[outputs, inputs]` that may be 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum SparsityPattern {
    /// Any of them.
    Unstructured,
    /// In each group of `of` consecutive inputs of an output, `left` weights stay; in the incomplete group at
    /// the end at most `left` stay.
    Groups {
        /// Weights that stay in a group: at least 1 and below `of`.
        left: usize,
        /// Size of a group.
        of: usize,
    },
}

impl SparsityPattern {
    /// The share of zeros that the pattern prescribes; `None` if it allows any.
    pub fn share(self) -> Option<f64> {
        match self {
            Self::Unstructured => None,
            Self::Groups { left, of } => Some((of - left) as f64 / of as f64),
        }
    }

    /// The mask of a matrix whose weights have the scores `ranked` `[_, inputs]` (row-major): 1 where a
    /// weight stays.
    ///
    /// The pattern makes `share` of the weights 0 in the end, namely the weights of the lowest scores that it
    /// allows. The mask removes the fraction `reached` of these weights, the lowest scores first. If scores are
    /// equal, the first weight is removed first.
    pub(super) fn mask_without_lowest(
        self,
        ranked: &[f32],
        inputs: usize,
        share: f64,
        reached: f64,
    ) -> Vec<u8> {
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

/// Keys of all weights of a group except the `left` highest.
fn lowest_of_group(ranked: &[f32], group: std::ops::Range<usize>, left: usize) -> Vec<u64> {
    let mut keys: Vec<u64> = group.map(|at| key(ranked, at)).collect();
    keys.sort_unstable();
    keys.truncate(keys.len().saturating_sub(left));
    keys
}

/// A key that sorts like the value at `at`, and like `at` among equal values. Its lower 32 bits are `at`.
fn key(ranked: &[f32], at: usize) -> u64 {
    let bits = ranked[at].to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | at as u64
}

impl fmt::Display for SparsityPattern {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Unstructured => f.write_str("unstructured"),
            Self::Groups { left, of } => write!(f, "{left}:{of}"),
        }
    }
}

impl FromStr for SparsityPattern {
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

impl From<SparsityPattern> for String {
    fn from(pattern: SparsityPattern) -> Self {
        pattern.to_string()
    }
}

impl TryFrom<String> for SparsityPattern {
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
            assert_eq!(name.parse::<SparsityPattern>().unwrap().to_string(), name);
        }
        for wrong in ["", "4:2", "0:4", "2:2", "2:", "half"] {
            assert!(wrong.parse::<SparsityPattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_lowest_go_first_whatever_their_sign() {
        let ranked = [0.5, -2.0, 0.0, -0.0, f32::NEG_INFINITY, 3.0];
        // The order by value is -inf, -2, -0, 0, 0.5, 3.
        let stays = |reached| SparsityPattern::Unstructured.mask_without_lowest(&ranked, 3, 0.5, reached);
        assert_eq!(stays(0.0), [1, 1, 1, 1, 1, 1]);
        assert_eq!(stays(0.34), [1, 1, 1, 1, 0, 1]);
        assert_eq!(stays(1.0), [1, 0, 1, 0, 0, 1]);
    }

    #[test]
    fn every_group_along_the_inputs_keeps_its_highest() {
        // Two rows of six inputs: groups of four and of two.
        let ranked = [1.0, 4.0, 3.0, 2.0, 9.0, 8.0, 5.0, 5.0, 5.0, 5.0, 0.1, 0.2];
        let pattern = SparsityPattern::Groups { left: 2, of: 4 };
        assert_eq!(pattern.mask_without_lowest(&ranked, 6, 0.5, 1.0), [0, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1]);
        // Half of the four zeros: the lowest of those that the pattern lets.
        assert_eq!(pattern.mask_without_lowest(&ranked, 6, 0.5, 0.5), [0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
        let narrow = SparsityPattern::Groups { left: 1, of: 4 };
        assert_eq!(narrow.mask_without_lowest(&ranked, 6, 0.75, 1.0), [0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1]);
    }
}
