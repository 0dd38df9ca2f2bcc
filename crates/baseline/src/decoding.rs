//! The most likely tags of a sentence: the algorithm of Viterbi over a maximum-entropy Markov model.

/// What the tag of a word says about the tag of the next one.
#[derive(Debug, Clone, PartialEq)]
pub struct Transitions {
    /// Number of tags.
    tags: usize,
    /// By how much each tag makes each next tag more likely, `[tags + 1, tags]`. The last row is for the first word.
    factors: Vec<f64>,
}

impl Transitions {
    /// `weights`, `[tags + 1, tags]`, are what the tag before adds to the logits of a word.
    pub fn new(weights: &[f32], tags: usize) -> Self {
        Self { tags, factors: weights.iter().map(|weight| f64::from(*weight).exp()).collect() }
    }

    /// The sequence of tags with the largest product of probabilities. `logits`, `[words, tags]`, are those of the
    /// words without the tags before. Ties go to smaller numbers of tags.
    ///
    /// The probability of a tag is the softmax of the logits of its word plus the weights of the tag before. It is
    /// computed as a product of exponentials, so that a word takes as many of them as there are tags.
    pub fn most_likely(&self, logits: &[f32]) -> Vec<u32> {
        let tags = self.tags;
        // For each tag, how likely the best sequence up to the word is that ends with it, as a part of the best of all.
        let mut best = vec![0.0; tags];
        best.push(1.0);
        // For each word and tag, the tag before in that sequence.
        let mut before = vec![0; logits.len()];
        for (logits, before) in logits.chunks(tags).zip(before.chunks_mut(tags)) {
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let of_word: Vec<f64> = logits.iter().map(|logit| f64::from(logit - largest).exp()).collect();
            let mut next = vec![0.0; tags];
            for (from, (best, factors)) in (0..).zip(best.iter().zip(self.factors.chunks(tags))) {
                let sum: f64 = of_word.iter().zip(factors).map(|(of_word, factor)| of_word * factor).sum();
                let share = best / sum;
                for ((next, before), factor) in next.iter_mut().zip(&mut *before).zip(factors) {
                    if share * factor > *next {
                        (*next, *before) = (share * factor, from);
                    }
                }
            }
            next.iter_mut().zip(&of_word).for_each(|(next, of_word)| *next *= of_word);
            let largest = next.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
            best = next.into_iter().map(|next| next / largest).collect();
        }
        // Of equal ones, the last one in this order is taken.
        let larger = |a: &usize, b: &usize| best[*a].total_cmp(&best[*b]);
        let mut last = (0..tags).rev().max_by(larger).unwrap_or_default() as u32;
        let tag = |before: &[u32]| {
            let tag = last;
            last = before[tag as usize];
            tag
        };
        let mut sequence: Vec<u32> = before.chunks(tags).rev().map(tag).collect();
        sequence.reverse();
        sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The logarithm of the probability of a sequence, from its definition.
    fn log_probability(weights: &[[f32; 3]; 4], logits: &[[f32; 3]], sequence: &[usize]) -> f64 {
        let mut before = 3;
        let mut sum = 0.0;
        for (logits, &tag) in logits.iter().zip(sequence) {
            let logit = |tag: usize| f64::from(logits[tag] + weights[before][tag]);
            sum += logit(tag) - (0..3).map(|tag| logit(tag).exp()).sum::<f64>().ln();
            before = tag;
        }
        sum
    }

    #[test]
    fn no_other_sequence_is_more_likely() {
        // Greedy decoding takes tag 0 first, from which nothing is certain; the best sequence begins with tag 1.
        let garden_path = ([[0.0, 0.0, 0.0], [0.0, 0.0, 9.0], [0.0; 3], [0.6, 0.5, -9.0]], [[0.0; 3]; 2]);
        assert_eq!(decoded(&garden_path.0, &garden_path.1), [1, 2]);
        for seed in 0..200u32 {
            let number = |at: u32| ((seed * 100 + at) as f32 * 12.9898).sin() * 4.0;
            let weights = [0, 1, 2, 3].map(|row| [0, 1, 2].map(|tag| number(3 * row + tag)));
            let logits = [4, 5, 6, 7, 8].map(|row| [0, 1, 2].map(|tag| number(3 * row + tag)));
            let all = (0..3usize.pow(5)).map(|code| [81, 27, 9, 3, 1].map(|place| code / place % 3));
            let value = |sequence: &[usize; 5]| log_probability(&weights, &logits, sequence);
            let best = all.max_by(|a, b| value(a).total_cmp(&value(b))).unwrap();
            assert_eq!(decoded(&weights, &logits), best, "{seed}");
        }
    }

    fn decoded(weights: &[[f32; 3]; 4], logits: &[[f32; 3]]) -> Vec<usize> {
        let sequence = Transitions::new(weights.as_flattened(), 3).most_likely(logits.as_flattened());
        sequence.into_iter().map(|tag| tag as usize).collect()
    }

    #[test]
    fn long_sentences_and_large_logits_stay_finite() {
        let transitions = Transitions::new(&[3.0, -90.0, -90.0, 3.0, 0.0, 0.0], 2);
        let logits: Vec<f32> = (0..2000).flat_map(|_| [-300.0, 300.0]).collect();
        assert_eq!(transitions.most_likely(&logits), vec![1; 2000]);
        assert!(transitions.most_likely(&[]).is_empty());
    }
}
