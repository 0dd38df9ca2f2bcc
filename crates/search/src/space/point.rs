//! A point of the search space.

/// A point of the search space: a level on each axis. Level 0 leaves the student unchanged; every further
/// level makes the model smaller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SearchPoint {
    /// Level of the share of heads that stay.
    pub heads: usize,
    /// Level of the share of neurons that stay.
    pub neurons: usize,
    /// Level of the vocabulary.
    pub vocabulary: usize,
    /// Level of the share of linears in four bits.
    pub weights: usize,
    /// Level of the encoding of the word rows.
    pub embeddings: usize,
    /// Level of the longest input.
    pub max_tokens: usize,
}

impl SearchPoint {
    /// True where the student stays unchanged, apart from the longest input.
    pub fn keeps_student(self) -> bool {
        self == Self { max_tokens: self.max_tokens, ..Self::default() }
    }

    /// Every point of a space that has so many levels on each axis.
    pub(super) fn all(levels: Self) -> impl Iterator<Item = Self> {
        let Self { heads, neurons, vocabulary, weights, embeddings, max_tokens } = levels;
        let levels = [heads, neurons, vocabulary, weights, embeddings, max_tokens];
        (0..levels.into_iter().product::<usize>()).map(move |mut index| {
            let [heads, neurons, vocabulary, weights, embeddings, max_tokens] = levels.map(|count| {
                let level = index % count;
                index /= count;
                level
            });
            Self { heads, neurons, vocabulary, weights, embeddings, max_tokens }
        })
    }
}
