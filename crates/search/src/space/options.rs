//! The vocabularies and the longest inputs that the search can choose from.

use tinybert_prune::VocabularySettings;

/// Shares of the training texts that are not cut.
const UNCUT_SHARES: [f64; 5] = [1.0, 0.999, 0.99, 0.97, 0.95];
/// Longest inputs are multiples of this, so that they fill the tiles of the kernels.
const TOKEN_MULTIPLE: usize = 8;

/// A vocabulary that the model may have.
pub struct VocabularyOption {
    /// How the student's vocabulary is pruned; `None` for the whole vocabulary.
    pub settings: Option<VocabularySettings>,
    /// Number of word pieces.
    pub pieces: usize,
    /// Bytes of the image's section.
    pub bytes: usize,
    /// For each longest input, the tokens of each input of the image's self-test.
    pub self_tests: Vec<Vec<usize>>,
}

/// A longest input that the model may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LengthOption {
    /// Tokens of the longest input.
    pub tokens: usize,
    /// Share of the training texts that are longer and would be cut.
    pub cut_share: f64,
}

/// The longest inputs, the longest first, that leave some share of texts uncut. `lengths` are the texts'
/// lengths in tokens in rising order.
pub(super) fn length_options(lengths: &[usize], most: usize) -> Vec<LengthOption> {
    let mut all: Vec<LengthOption> = Vec::new();
    for share in UNCUT_SHARES {
        let last = (lengths.len() as f64 * share).ceil() as usize;
        let length = lengths.get(last.saturating_sub(1)).copied().unwrap_or(most);
        let tokens = length.next_multiple_of(TOKEN_MULTIPLE).min(most);
        if all.last().is_none_or(|last| tokens < last.tokens) {
            let cut = lengths.len() - lengths.partition_point(|&length| length <= tokens);
            all.push(LengthOption { tokens, cut_share: cut as f64 / lengths.len().max(1) as f64 });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_inputs_leave_the_shares_of_texts_whole_that_they_say() {
        let lengths: Vec<usize> = (1..=1000).map(|at| if at <= 990 { 20 } else { 40 + at / 10 }).collect();
        // 990 texts of 20 tokens, ten of 139 and 140: to be cut at 128, a hundredth is cut either way.
        let all = length_options(&lengths, 128);
        let expected =
            [LengthOption { tokens: 128, cut_share: 0.01 }, LengthOption { tokens: 24, cut_share: 0.01 }];
        assert_eq!(all, expected);
        let uncut = length_options(&lengths, 512);
        assert_eq!(uncut[0], LengthOption { tokens: 144, cut_share: 0.0 });
        assert!(uncut.windows(2).all(|pair| pair[1].tokens < pair[0].tokens));
    }
}
