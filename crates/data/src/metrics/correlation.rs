//! Correlations of scores, of which each counts as often as its weight says.

/// Predicted scores beside the true ones, with what their ranks need.
pub(super) struct ScorePairs {
    predictions: Ordered,
    targets: Ordered,
}

/// Numbers and their order.
struct Ordered {
    values: Vec<f64>,
    /// The indices of the numbers, smallest number first.
    order: Vec<usize>,
}

impl ScorePairs {
    pub fn new(predictions: Vec<f64>, targets: Vec<f64>) -> Self {
        Self { predictions: Ordered::new(predictions), targets: Ordered::new(targets) }
    }

    /// Pearson's correlation; 0 where either side is constant.
    pub fn pearson(&self, weights: &[u32]) -> f64 {
        pearson(&self.predictions.values, &self.targets.values, weights)
    }

    /// Spearman's correlation: Pearson's of the ranks; equal values share their mean rank.
    pub fn spearman(&self, weights: &[u32]) -> f64 {
        pearson(&self.predictions.ranks(weights), &self.targets.ranks(weights), weights)
    }
}

impl Ordered {
    fn new(values: Vec<f64>) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        Self { values, order }
    }

    /// Ranks from 1 on, ties averaged, among the values that each occur as often as their weights say.
    fn ranks(&self, weights: &[u32]) -> Vec<f64> {
        let mut ranks = vec![0.0; self.values.len()];
        let mut before = 0u64;
        for ties in self.order.chunk_by(|&a, &b| self.values[a] == self.values[b]) {
            let count: u64 = ties.iter().map(|&at| u64::from(weights[at])).sum();
            // Ranks before + 1 ..= before + count, whose mean is this.
            let rank = before as f64 + (count as f64 + 1.0) / 2.0;
            ties.iter().for_each(|&at| ranks[at] = rank);
            before += count;
        }
        ranks
    }
}

fn pearson(predictions: &[f64], targets: &[f64], weights: &[u32]) -> f64 {
    let is_constant = |values: &[f64]| {
        let mut present = values.iter().zip(weights).filter(|(_, weight)| **weight > 0);
        let first = present.next();
        present.all(|(value, _)| first.is_some_and(|(first, _)| value == first))
    };
    if is_constant(predictions) || is_constant(targets) {
        return 0.0;
    }
    let count = weights.iter().map(|&weight| u64::from(weight)).sum::<u64>() as f64;
    let mean = |values: &[f64]| {
        values.iter().zip(weights).map(|(value, &weight)| f64::from(weight) * value).sum::<f64>() / count
    };
    let (mean_p, mean_t) = (mean(predictions), mean(targets));
    let (mut both, mut square_p, mut square_t) = (0.0, 0.0, 0.0);
    for ((prediction, target), &weight) in predictions.iter().zip(targets).zip(weights) {
        let (p, t, weight) = (prediction - mean_p, target - mean_t, f64::from(weight));
        both += weight * p * t;
        square_p += weight * p * p;
        square_t += weight * t * t;
    }
    (both / (square_p.sqrt() * square_t.sqrt())).clamp(-1.0, 1.0)
}
