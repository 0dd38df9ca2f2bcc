//! The best few of many.

/// The `count` items of the largest scores, the largest first; of equals the first that came.
pub struct Top {
    count: usize,
    best: Vec<(f32, usize)>,
}

impl Top {
    /// Nothing yet.
    pub fn new(count: usize) -> Self {
        Self { count, best: Vec::with_capacity(count + 1) }
    }

    /// Whether an item of this score would be among the best.
    #[inline(always)]
    pub fn admits(&self, score: f32) -> bool {
        self.best.len() < self.count || self.best.last().is_some_and(|(least, _)| score > *least)
    }

    /// Takes in an item that [`Top::admits`].
    pub fn insert(&mut self, score: f32, item: usize) {
        let at = self.best.partition_point(|(other, _)| *other >= score);
        self.best.insert(at, (score, item));
        self.best.truncate(self.count);
    }

    /// The items.
    pub fn into_items(self) -> Vec<usize> {
        self.best.into_iter().map(|(_, item)| item).collect()
    }
}
