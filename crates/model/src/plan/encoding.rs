//! How weights are stored.

use serde::{Deserialize, Serialize};

use tinybert_image::{self as image, MAX_MULTIPLIER};

/// How an image stores a linear's weights, or the word rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightEncoding {
    /// A byte for each weight.
    Int8,
    /// Four bits a weight and a multiplier for each [`INPUTS_PER_MULTIPLIER`](image::INPUTS_PER_MULTIPLIER): 4.25 bits.
    Int4,
    /// A bit for each weight and a byte for each weight that is not zero, where that takes less than a byte
    /// for each weight. The values are those of int8.
    Sparse,
}

impl WeightEncoding {
    /// Its name in messages, options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int4 => "int4",
            Self::Sparse => "sparse",
        }
    }

    /// The largest magnitude of a code, and the largest multiplier of a group.
    pub(super) fn range(self) -> (f32, i8) {
        match self {
            Self::Int8 | Self::Sparse => (127.0, 1),
            Self::Int4 => (7.0, MAX_MULTIPLIER.cast_signed()),
        }
    }

    /// The image's encoding of packed `weights`: [`Sparse`](Self::Sparse) weights are stored without their
    /// zeros where there are so many zeros that a bit for every weight costs less.
    pub fn stored(self, weights: &[i8]) -> image::Encoding {
        let zeros = weights.iter().filter(|weight| **weight == 0).count();
        match self {
            Self::Int8 => image::Encoding::Int8,
            Self::Int4 => image::Encoding::Int4,
            Self::Sparse if zeros > weights.len().div_ceil(8) => image::Encoding::Sparse,
            Self::Sparse => image::Encoding::Int8,
        }
    }

    /// How many scales are tried, each 2 % of the full range below the one before. In four bits outliers are
    /// clipped by their group's multiplier, and a smaller scale gives finer steps of the multipliers.
    pub(super) fn scales(self) -> usize {
        match self {
            Self::Int8 | Self::Sparse => 10,
            Self::Int4 => 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_left_out_where_there_are_more_than_an_eighth() {
        let weights = |zeros: usize| (0..64).map(|i| i8::from(i >= zeros)).collect::<Vec<_>>();
        assert_eq!(WeightEncoding::Sparse.stored(&weights(8)), image::Encoding::Int8);
        assert_eq!(WeightEncoding::Sparse.stored(&weights(9)), image::Encoding::Sparse);
        assert_eq!(WeightEncoding::Int8.stored(&weights(64)), image::Encoding::Int8);
        assert_eq!(WeightEncoding::Int4.stored(&weights(64)), image::Encoding::Int4);
    }
}
