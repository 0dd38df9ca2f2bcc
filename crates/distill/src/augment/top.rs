//! The best few of many.

/// The `count` items of the largest scores, the largest first. If scores are equal, the item that was inserted
/// first stays.
pub struct TopItems {
    count: usize,
    best: Vec<(f32, usize)>,
}

impl TopItems {
    /// An empty list.
    pub fn new(count: usize) -> Self {
        Self { count, best: Vec::with_capacity(count + 1) }
    }

    /// Whether an item of this score would be one of the best.
    #[inline(always)]
    pub fn admits(&self, score: f32) -> bool {
        self.best.len() < self.count || self.best.last().is_some_and(|(least, _)| score > *least)
    }

    /// Inserts an item that [`TopItems::admits`].
    pub fn insert(&mut self, score: f32, item: usize) {
        let at = self.best.partition_point(|(other, _)| *other >= score);
        self.best.insert(at, (score, item));
        self.best.truncate(self.count);
    }

    /// The items, the best first.
    pub fn into_items(self) -> Vec<usize> {
        self.best.into_iter().map(|(_, item)| item).collect()
    }
}
