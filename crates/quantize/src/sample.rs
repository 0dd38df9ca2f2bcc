//! The sample of an activation that calibration keeps: its range, and an even sample of its rows.

/// Rows kept per tensor; enough for a mean squared error that is stable to a per cent.
const CAPACITY: usize = 512;

/// Range and row sample of one activation tensor `[rows, width]` over the whole calibration set.
///
/// The sample is deterministic: every `stride`-th row seen, where the stride doubles (and every second kept
/// row is dropped) whenever [`CAPACITY`] is reached, so that it covers the set evenly without knowing its
/// size.
#[derive(Debug, Clone)]
pub struct RowSample {
    width: usize,
    rows: Vec<f32>,
    stride: u64,
    seen: u64,
    min: f32,
    max: f32,
}

impl RowSample {
    /// An empty sample of rows of `width` values.
    pub fn new(width: usize) -> Self {
        Self { width, rows: Vec::new(), stride: 1, seen: 0, min: f32::INFINITY, max: f32::NEG_INFINITY }
    }

    /// Takes one row of `width` values.
    pub fn push(&mut self, row: &[f32]) {
        debug_assert_eq!(row.len(), self.width);
        for &value in row {
            self.min = self.min.min(value);
            self.max = self.max.max(value);
        }
        if self.seen.is_multiple_of(self.stride) {
            if self.rows.len() == CAPACITY * self.width {
                self.halve();
            }
            // After halving, this row may fall off the coarser stride.
            if self.seen.is_multiple_of(self.stride) {
                self.rows.extend_from_slice(row);
            }
        }
        self.seen += 1;
    }

    fn halve(&mut self) {
        let kept: Vec<f32> = self.rows.chunks_exact(self.width).step_by(2).flatten().copied().collect();
        self.rows = kept;
        self.stride *= 2;
    }

    /// The sampled rows, each of `width` values.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.rows.chunks_exact(self.width)
    }

    /// Mean square of each column over the sampled rows `[width]`.
    pub fn mean_squares(&self) -> Vec<f32> {
        let mut sums = vec![0f64; self.width];
        for row in self.rows() {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x).powi(2));
        }
        let rows = self.rows().len().max(1) as f64;
        sums.into_iter().map(|sum| (sum / rows) as f32).collect()
    }

    /// Smallest and largest value seen, over all rows and not only the sampled ones.
    pub fn range(&self) -> (f32, f32) {
        (self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_stays_small_even_and_knows_the_whole_range() {
        let mut sample = RowSample::new(1);
        for i in 0..10_000 {
            sample.push(&[i as f32]);
        }
        let kept: Vec<f32> = sample.rows().map(|r| r[0]).collect();
        assert!((CAPACITY / 2..=CAPACITY).contains(&kept.len()), "{} rows kept", kept.len());
        let step = kept[1] - kept[0];
        assert!(kept.windows(2).all(|w| w[1] - w[0] == step), "rows are evenly spaced");
        assert!(10_000.0 - kept[kept.len() - 1] <= step, "the end of the set is covered");
        assert_eq!(sample.range(), (0.0, 9999.0));
    }

    #[test]
    fn a_column_has_its_own_mean_square() {
        let mut sample = RowSample::new(2);
        sample.push(&[1.0, 0.0]);
        sample.push(&[-3.0, 2.0]);
        assert_eq!(sample.mean_squares(), [5.0, 2.0]);
    }
}
