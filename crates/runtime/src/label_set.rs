//! Answers of multi-label classification: the labels whose logit reaches their threshold.

/// The answer of a multi-label classifier: zero, one or several labels.
///
/// An answer has a label if the logit is at least the label's threshold, which is a logit too. No function has to be
/// computed for that, so that the labels are as exact as the logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelSet<'s> {
    /// `[outputs]`.
    logits: &'s [f32],
    /// `[outputs]`.
    thresholds: &'s [f32],
}

impl<'s> LabelSet<'s> {
    pub(crate) fn new(logits: &'s [f32], thresholds: &'s [f32]) -> Self {
        Self { logits, thresholds }
    }

    /// Returns the logit of each label, `[outputs]`, whether the answer has the label or not.
    pub fn logits(&self) -> &'s [f32] {
        self.logits
    }

    /// Returns the least logit with which an answer has the label, `[outputs]`.
    pub fn thresholds(&self) -> &'s [f32] {
        self.thresholds
    }

    /// Returns the indices of the labels that the answer has, in ascending order.
    pub fn labels(&self) -> impl Iterator<Item = usize> + use<'s> {
        let pairs = self.logits.iter().zip(self.thresholds).enumerate();
        pairs.filter(|(_, (logit, threshold))| logit >= threshold).map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_needs_a_logit_of_at_least_its_threshold() {
        let set = LabelSet::new(&[0.5, -1.0, f32::NAN, 2.0, -3.0], &[0.5, -0.5, -9.0, 1.0, -4.0]);
        assert!(set.labels().eq([0, 3, 4]));
        assert!(LabelSet::new(&[-1.0, -2.0], &[0.0, 0.0]).labels().next().is_none());
    }
}
