//! Values of the three projections of an attention.

use std::array;

/// A value for each of the linears that make queries, keys and values. `serde` writes it as an array in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "[T; 3]", into = "[T; 3]", bound(serialize = "T: serde::Serialize + Clone"))]
pub struct PerProjection<T> {
    /// The value for the queries.
    pub query: T,
    /// The value for the keys.
    pub key: T,
    /// The value for the values.
    pub value: T,
}

impl<T> PerProjection<T> {
    /// Applies `change` to each value, in the order of the projections.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> PerProjection<U> {
        <[T; 3]>::from(self).map(change).into()
    }
}

impl<T> From<[T; 3]> for PerProjection<T> {
    fn from([query, key, value]: [T; 3]) -> Self {
        Self { query, key, value }
    }
}

impl<T> From<PerProjection<T>> for [T; 3] {
    fn from(PerProjection { query, key, value }: PerProjection<T>) -> Self {
        [query, key, value]
    }
}

impl<T> IntoIterator for PerProjection<T> {
    type Item = T;
    type IntoIter = array::IntoIter<T, 3>;

    /// Returns the values, in the order of the projections.
    fn into_iter(self) -> Self::IntoIter {
        <[T; 3]>::from(self).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_in_the_order_of_the_projections() {
        let scales = PerProjection { query: 1, key: 2, value: 3 };
        assert_eq!(serde_json::to_string(&scales).unwrap(), "[1,2,3]");
        assert_eq!(serde_json::from_str::<PerProjection<i32>>("[1,2,3]").unwrap(), scales);
        assert_eq!(scales.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
    }
}
