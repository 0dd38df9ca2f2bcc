//! The rounds in which a model is pruned.

use tinybert_prune::share_after;

/// One of several rounds of pruning.
#[derive(Debug, Clone, Copy)]
pub struct PruningRound {
    /// The number of the round, from 1.
    pub round: u32,
    /// The number of rounds.
    pub rounds: u32,
}

impl PruningRound {
    /// How many of `before` parts this round leaves, in groups of `group`, if the last round leaves `left`.
    pub(super) fn size_after(self, before: usize, left: usize, group: usize) -> usize {
        let Self { round, rounds } = self;
        if round == rounds {
            return left;
        }
        let share = share_after(left as f64 / before as f64, round, rounds);
        let groups = (share * before as f64 / group as f64).round() as usize;
        (groups * group).clamp(left, before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_leave_ever_less_and_the_last_what_was_costed() {
        let size_after =
            |whole, left, group, round, rounds| PruningRound { round, rounds }.size_after(whole, left, group);
        // Two rounds leave a quarter; the first one leaves half, in whole groups.
        assert_eq!([1, 2].map(|round| size_after(1200, 300, 12, round, 2)), [600, 300]);
        assert_eq!([1, 2, 3].map(|round| size_after(12, 2, 1, round, 3)), [7, 4, 2]);
        // Some parts fill no group, or all parts stay.
        assert_eq!([1, 2].map(|round| size_after(100, 50, 48, round, 2)), [50, 50]);
        assert_eq!(size_after(12, 12, 1, 1, 2), 12);
    }
}
