//! The search for the smallest model that holds a floor: which candidates are tried, and in which order.

use std::cmp::Ordering;

use super::result::SearchCandidate;
use crate::cost::DeviceBudget;

/// The share of a predicted loss that training is expected to take back. Predictions are for models without training.
const TAKEN_BACK: f64 = 0.5;

/// The metric that a candidate must be predicted to have before any training, if the student has `student` and the
/// trained model must have `least`.
pub(super) fn least_before_training(student: f64, least: f64) -> f64 {
    student - (student - least) / (1.0 - TAKEN_BACK)
}

/// The indices of the candidates that are worth a try, by rising flash: those within the budget that are better than
/// every smaller one. Of equally large and good candidates it is the fastest, and of those the one with the least
/// workspace.
pub(crate) fn by_size(all: &[SearchCandidate], budget: &DeviceBudget) -> Vec<usize> {
    let mut order: Vec<usize> =
        (0..all.len()).filter(|&at| budget.exceeded(&all[at].cost).is_empty()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&all[a], &all[b]);
        let faster = a.cost.latency_ms.total_cmp(&b.cost.latency_ms);
        a.cost.flash.cmp(&b.cost.flash).then(quality(b, a)).then(faster).then(a.cost.ram.cmp(&b.cost.ram))
    });
    let mut best: Option<usize> = None;
    order.retain(|&at| {
        let is_better = best.is_none_or(|best| quality(&all[at], &all[best]).is_gt());
        best = if is_better { Some(at) } else { best };
        is_better
    });
    order
}

/// Compares what is expected of two candidates: the prediction, and with the same prediction the distance, which still
/// tells them apart where no measured change has lost anything.
fn quality(a: &SearchCandidate, b: &SearchCandidate) -> Ordering {
    a.predicted.total_cmp(&b.predicted).then(b.distance.total_cmp(&a.distance))
}

/// The place in `order` of the first try: the smallest candidate that is predicted to have at least `least`, or the
/// best one.
pub(super) fn first_try(all: &[SearchCandidate], order: &[usize], least: f64) -> usize {
    order.iter().position(|&at| all[at].predicted >= least).unwrap_or(order.len().saturating_sub(1))
}

/// The place of the next try, among candidates of the sizes `flash`, which rise. `tried` has the places that were
/// tried, each with whether its image holds the floor. A larger candidate is taken to be more accurate. `None` if
/// nothing is left that could change the answer.
pub(crate) fn next_try(flash: &[usize], first: usize, tried: &[(usize, bool)]) -> Option<usize> {
    let places = |holds: bool| tried.iter().filter(move |of| of.1 == holds).map(|of| of.0);
    let largest = flash.len().checked_sub(1)?;
    match (places(false).max(), places(true).min()) {
        (None, None) => Some(first),
        // The best candidate says whether there is an answer at all.
        (Some(fails), None) => (fails < largest).then_some(largest),
        (fails, Some(holds)) => {
            let smallest = fails.map_or(0, |fails| fails + 1);
            let middle = flash[fails.unwrap_or(0)].midpoint(flash[holds]);
            (smallest..holds).min_by_key(|&at| flash[at].abs_diff(middle))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Cost;
    use crate::space::SearchPoint;

    fn random(state: &mut u64, below: u64) -> u64 {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*state >> 33) % below
    }

    fn candidates(count: usize, state: &mut u64) -> Vec<SearchCandidate> {
        let mut next = |below| random(state, below);
        let cost = |next: &mut dyn FnMut(u64) -> u64| Cost {
            flash: next(30) as usize,
            ram: next(4) as usize,
            latency_ms: next(4) as f64,
        };
        let candidate = |_| SearchCandidate {
            point: SearchPoint::default(),
            name: String::new(),
            cost: cost(&mut next),
            distance: next(3) as f64,
            predicted: next(20) as f64,
            measured: None,
            pareto: false,
        };
        (0..count).map(candidate).collect()
    }

    #[test]
    fn a_candidate_is_worth_a_try_if_no_other_is_as_small_and_as_good() {
        let mut state = 3;
        for count in [0, 1, 5, 200] {
            let all = candidates(count, &mut state);
            let budget = DeviceBudget { ram: Some(2), ..DeviceBudget::default() };
            let order = by_size(&all, &budget);
            // Flash, prediction, and distance with its sign turned: a larger one is better.
            let key = |at: usize| (all[at].cost.flash, all[at].predicted, -all[at].distance);
            let within: Vec<usize> = (0..count).filter(|&at| all[at].cost.ram <= 2).collect();
            for &at in &within {
                let (flash, predicted, near) = key(at);
                let beaten = within.iter().any(|&other| {
                    let (f, p, n) = key(other);
                    f <= flash && (p, n) >= (predicted, near) && key(other) != key(at)
                });
                let kept = order.iter().find(|&&kept| key(kept) == key(at));
                assert_eq!(kept.is_some(), !beaten, "{:?}", all[at]);
                // Of twins, none is faster than the one that stays.
                let faster = |&kept: &usize| all[kept].cost.latency_ms <= all[at].cost.latency_ms;
                assert!(kept.is_none_or(faster), "{:?}", all[at]);
            }
            assert!(order.windows(2).all(|pair| all[pair[0]].cost.flash < all[pair[1]].cost.flash));
            assert!(order.iter().all(|&at| all[at].cost.ram <= 2));
        }
    }

    #[test]
    fn the_first_try_is_the_smallest_that_is_predicted_to_hold() {
        let mut state = 5;
        let all = candidates(100, &mut state);
        let order = by_size(&all, &DeviceBudget::default());
        for least in 0..25 {
            let least = f64::from(least);
            let first = &all[order[first_try(&all, &order, least)]];
            let holding = all.iter().filter(|candidate| candidate.predicted >= least);
            match holding.map(|candidate| candidate.cost.flash).min() {
                Some(smallest) => assert_eq!((first.cost.flash, first.predicted >= least), (smallest, true)),
                None => assert!(all.iter().all(|candidate| candidate.predicted <= first.predicted)),
            }
        }
        // A student of 0.90 may lose 0.01: the prediction may be twice as far below.
        assert!((least_before_training(0.90, 0.89) - 0.88).abs() < 1e-12);
    }

    /// Tries candidates of which those from the place `smallest` on hold the floor. Gives the place of the smallest try
    /// that held it, and how many were tried.
    fn tries(flash: &[usize], first: usize, smallest: usize, most: usize) -> (Option<usize>, usize) {
        let mut tried = Vec::new();
        while tried.len() < most {
            let Some(at) = next_try(flash, first, &tried) else { break };
            assert!(tried.iter().all(|&(before, _)| before != at), "{at} is tried twice");
            tried.push((at, at >= smallest));
        }
        (tried.iter().filter(|of| of.1).map(|of| of.0).min(), tried.len())
    }

    #[test]
    fn tries_end_at_the_smallest_candidate_that_holds() {
        let mut state = 9;
        for count in 1..40_usize {
            let mut flash: Vec<usize> = (0..count).map(|at| at * 100).collect();
            flash.iter_mut().for_each(|bytes| *bytes += random(&mut state, 90) as usize);
            for first in 0..count {
                for smallest in 0..count {
                    let (found, _) = tries(&flash, first, smallest, usize::MAX);
                    assert_eq!(found, Some(smallest), "{count} {first} {smallest}");
                    // Sizes are about even here, so that each try leaves half of them.
                    let (_, most) = tries(&flash, first, smallest, usize::MAX);
                    assert!(most <= 4 + count.ilog2() as usize, "{count} {first} {smallest}: {most}");
                    // Two tries are enough to find one that holds, if there is one.
                    let (found, _) = tries(&flash, first, smallest, 2);
                    assert!(found.is_some_and(|found| found >= smallest));
                }
                // None holds: the first and the best one are tried.
                let (found, most) = tries(&flash, first, count, usize::MAX);
                assert_eq!((found, most), (None, if first + 1 == count { 1 } else { 2 }));
            }
        }
        assert_eq!(next_try(&[], 0, &[]), None);
    }

    #[test]
    fn a_larger_candidate_that_fails_ends_the_search_below_it() {
        // The smaller of two holds, and the larger, which was tried first, does not.
        assert_eq!(next_try(&[10, 20, 30], 2, &[(2, false), (1, true)]), None);
    }
}
