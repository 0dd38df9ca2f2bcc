//! Comparing candidates: their order, the Pareto front, and the prediction of metrics from distances.

use super::result::{Measurement, SearchCandidate};

/// The order of candidates: the best prediction first, and the smaller image first among equal predictions.
pub(super) fn compare(a: &SearchCandidate, b: &SearchCandidate) -> std::cmp::Ordering {
    let cost = |candidate: &SearchCandidate| (candidate.cost.flash, candidate.cost.ram);
    let latency = a.cost.latency_ms.total_cmp(&b.cost.latency_ms);
    b.predicted.total_cmp(&a.predicted).then_with(|| cost(a).cmp(&cost(b))).then(latency)
}

/// The loss of the metric per distance of 1: a least-squares fit over measured changes. `student` is the
/// metric of the unchanged student.
pub(super) fn loss_of_distance<'m>(student: f64, changes: impl Iterator<Item = &'m Measurement>) -> f64 {
    slope(changes.map(|change| (change.distance, student - change.metric))).max(f64::MIN_POSITIVE)
}

/// The factor between measured distances and predicted ones (sums over single changes): a least-squares fit.
/// 1 where nothing was measured to change.
pub(super) fn distance_correction<'c>(candidates: impl Iterator<Item = &'c SearchCandidate>) -> f64 {
    let pairs = candidates.filter_map(|candidate| Some((candidate.distance, candidate.measured?.distance)));
    let factor = slope(pairs);
    if factor > 0.0 { factor } else { 1.0 }
}

/// The slope of the line through the origin with the least squared distances in y from the points `(x, y)`; 0
/// if every x is 0.
fn slope(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (products, squares) =
        points.fold((0.0, 0.0), |(products, squares), (x, y)| (products + x * y, squares + x * x));
    if squares > 0.0 { products / squares } else { 0.0 }
}

/// Marks the candidates that no other candidate dominates in flash, latency and prediction.
pub(super) fn mark_pareto(all: &mut [SearchCandidate]) {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&all[a], &all[b]);
        let flash = a.cost.flash.cmp(&b.cost.flash);
        flash.then(a.cost.latency_ms.total_cmp(&b.cost.latency_ms)).then(b.predicted.total_cmp(&a.predicted))
    });
    // The candidates so far, all with at most the flash of the next one, that none of the others dominates.
    let mut front: Vec<(f64, f64)> = Vec::new();
    for at in order {
        let (latency, predicted) = (all[at].cost.latency_ms, all[at].predicted);
        if front.iter().any(|&(fast, good)| fast <= latency && good >= predicted) {
            continue;
        }
        front.retain(|&(fast, good)| !(latency <= fast && predicted >= good));
        front.push((latency, predicted));
        all[at].pareto = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Cost;
    use crate::search::Measurement;
    use crate::space::SearchPoint;

    fn candidate(flash: usize, latency_ms: f64, predicted: f64) -> SearchCandidate {
        SearchCandidate {
            point: SearchPoint::default(),
            name: String::new(),
            cost: Cost { flash, ram: 0, latency_ms },
            distance: 0.0,
            predicted,
            measured: None,
            pareto: false,
        }
    }

    fn measurement(distance: f64, metric: f64) -> Measurement {
        Measurement { distance, metric, interval: [metric, metric] }
    }

    /// Whether `a` is at least as good as `b` in flash, latency and prediction, and better in one of them.
    fn dominates(a: &SearchCandidate, b: &SearchCandidate) -> bool {
        let respects = |c: &SearchCandidate| [-(c.cost.flash as f64), -c.cost.latency_ms, c.predicted];
        let pairs: Vec<(f64, f64)> = respects(a).into_iter().zip(respects(b)).collect();
        pairs.iter().all(|(a, b)| a >= b) && pairs.iter().any(|(a, b)| a > b)
    }

    #[test]
    fn the_front_is_what_nothing_dominates() {
        let mut state = 1u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let mut all: Vec<SearchCandidate> =
            (0..300).map(|_| candidate(next(20) as usize, next(20) as f64, next(20) as f64)).collect();
        mark_pareto(&mut all);
        assert!(all.iter().any(|candidate| candidate.pareto));
        for at in &all {
            let dominated = all.iter().any(|other| dominates(other, at));
            let twin = all
                .iter()
                .any(|other| other.pareto && (other.cost, other.predicted) == (at.cost, at.predicted));
            assert_eq!(!dominated, twin, "{at:?}");
            assert!(!(dominated && at.pareto), "{at:?}");
        }
    }

    #[test]
    fn the_better_comes_first_and_of_equals_the_smaller() {
        let all = [candidate(5, 1.0, 0.9), candidate(4, 1.0, 0.9), candidate(9, 1.0, 0.95)];
        let mut order = [0, 1, 2];
        order.sort_by(|&a, &b| compare(&all[a], &all[b]));
        assert_eq!(order, [2, 1, 0]);
    }

    #[test]
    fn sums_are_corrected_by_what_was_measured() {
        let measured = |distance, measured| SearchCandidate {
            distance,
            measured: Some(measurement(measured, 0.5)),
            ..candidate(1, 1.0, 0.0)
        };
        // Distances of 0.1 and 0.2 were expected, twice as much was measured.
        let all = [measured(0.1, 0.2), measured(0.2, 0.4), candidate(1, 1.0, 0.0)];
        assert!((distance_correction(all.iter()) - 2.0).abs() < 1e-12);
        assert_eq!(distance_correction([measured(0.0, 0.0)].iter()), 1.0);
    }

    #[test]
    fn a_metric_that_falls_with_distance_has_its_slope() {
        let changes = [measurement(0.0, 0.9), measurement(0.1, 0.88), measurement(0.5, 0.8)];
        assert!((loss_of_distance(0.9, changes.iter()) - 0.2).abs() < 1e-12);
        // This change is better than the whole student by chance. Distance still counts a little.
        assert!(loss_of_distance(0.9, [measurement(0.1, 0.91)].iter()) > 0.0);
    }
}
