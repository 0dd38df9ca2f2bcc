//! A value for each of a layer's four linears.

use core::array;
use core::fmt;
use core::ops::{Index, IndexMut};

/// One of a layer's four linears. An image stores the projections to queries, keys and values as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "usize", into = "usize"))]
pub enum LayerLinear {
    /// Queries, keys and values.
    Qkv,
    /// The linear that the attention's context goes through.
    AttentionOutput,
    /// First linear of the feed-forward network.
    Up,
    /// Second linear of the feed-forward network.
    Down,
}

impl LayerLinear {
    /// All linears, in the order in which a layer computes them and an image stores them.
    pub const ALL: [Self; 4] = [Self::Qkv, Self::AttentionOutput, Self::Up, Self::Down];

    /// Returns the name of the linear in messages and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qkv => "qkv",
            Self::AttentionOutput => "attention output",
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    /// Returns the linear of a [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|linear| linear.name() == name)
    }
}

impl From<LayerLinear> for usize {
    /// Returns the linear's place in [`LayerLinear::ALL`].
    fn from(linear: LayerLinear) -> Self {
        linear as Self
    }
}

impl TryFrom<usize> for LayerLinear {
    type Error = NoSuchLinear;

    fn try_from(place: usize) -> Result<Self, NoSuchLinear> {
        Self::ALL.get(place).copied().ok_or(NoSuchLinear { place })
    }
}

/// A place at which [`LayerLinear::ALL`] has no linear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchLinear {
    /// The place, counted from 0.
    pub place: usize,
}

impl fmt::Display for NoSuchLinear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linear {}: expected 0 to 3", self.place)
    }
}

impl core::error::Error for NoSuchLinear {}

/// A value for each of a layer's four linears. `serde` writes it as an array in the order of [`LayerLinear::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(from = "[T; 4]", into = "[T; 4]", bound(serialize = "T: serde::Serialize + Clone"))
)]
pub struct PerLinear<T> {
    /// The value for the linear of queries, keys and values.
    pub qkv: T,
    /// The value for the linear that the attention's context goes through.
    pub attention_output: T,
    /// The value for the first linear of the feed-forward network.
    pub up: T,
    /// The value for the second linear of the feed-forward network.
    pub down: T,
}

impl<T> PerLinear<T> {
    /// Calls `value` for each linear, in order, and returns the results.
    pub fn from_fn(value: impl FnMut(LayerLinear) -> T) -> Self {
        LayerLinear::ALL.map(value).into()
    }

    /// Returns the same value for every linear.
    pub fn all(value: T) -> Self
    where
        T: Clone,
    {
        array::from_fn(|_| value.clone()).into()
    }

    /// Returns references to the values.
    pub fn each_ref(&self) -> PerLinear<&T> {
        let Self { qkv, attention_output, up, down } = self;
        PerLinear { qkv, attention_output, up, down }
    }

    /// Applies `change` to each value, in the order of the linears.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> PerLinear<U> {
        <[T; 4]>::from(self).map(change).into()
    }

    /// Pairs each value with the value of `other` for the same linear.
    pub fn zip<U>(self, other: PerLinear<U>) -> PerLinear<(T, U)> {
        PerLinear {
            qkv: (self.qkv, other.qkv),
            attention_output: (self.attention_output, other.attention_output),
            up: (self.up, other.up),
            down: (self.down, other.down),
        }
    }

    /// Returns the values with their linears, in order.
    pub fn iter(&self) -> impl Iterator<Item = (LayerLinear, &T)> {
        LayerLinear::ALL.into_iter().zip(<[&T; 4]>::from(self.each_ref()))
    }

    /// Returns mutable references to the values with their linears, in order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (LayerLinear, &mut T)> {
        let Self { qkv, attention_output, up, down } = self;
        LayerLinear::ALL.into_iter().zip([qkv, attention_output, up, down])
    }

    /// Returns references to the values, in the order of the linears.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        <[&T; 4]>::from(self.each_ref()).into_iter()
    }
}

impl<T, E> PerLinear<Result<T, E>> {
    /// Returns the values, or the first error in the order of the linears.
    ///
    /// # Errors
    /// The first of the errors.
    pub fn transpose(self) -> Result<PerLinear<T>, E> {
        let Self { qkv, attention_output, up, down } = self;
        Ok(PerLinear { qkv: qkv?, attention_output: attention_output?, up: up?, down: down? })
    }
}

impl<T> From<[T; 4]> for PerLinear<T> {
    fn from([qkv, attention_output, up, down]: [T; 4]) -> Self {
        Self { qkv, attention_output, up, down }
    }
}

impl<T> From<PerLinear<T>> for [T; 4] {
    fn from(PerLinear { qkv, attention_output, up, down }: PerLinear<T>) -> Self {
        [qkv, attention_output, up, down]
    }
}

impl<T> IntoIterator for PerLinear<T> {
    type Item = T;
    type IntoIter = array::IntoIter<T, 4>;

    /// Returns the values, in the order of the linears.
    fn into_iter(self) -> Self::IntoIter {
        <[T; 4]>::from(self).into_iter()
    }
}

impl<T> Index<LayerLinear> for PerLinear<T> {
    type Output = T;

    fn index(&self, linear: LayerLinear) -> &T {
        match linear {
            LayerLinear::Qkv => &self.qkv,
            LayerLinear::AttentionOutput => &self.attention_output,
            LayerLinear::Up => &self.up,
            LayerLinear::Down => &self.down,
        }
    }
}

impl<T> IndexMut<LayerLinear> for PerLinear<T> {
    fn index_mut(&mut self, linear: LayerLinear) -> &mut T {
        match linear {
            LayerLinear::Qkv => &mut self.qkv,
            LayerLinear::AttentionOutput => &mut self.attention_output,
            LayerLinear::Up => &mut self.up,
            LayerLinear::Down => &mut self.down,
        }
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    #[test]
    fn values_stand_in_the_order_of_the_linears() {
        let sizes = PerLinear::from([1, 2, 3, 4]);
        assert_eq!(sizes, PerLinear { qkv: 1, attention_output: 2, up: 3, down: 4 });
        assert!(LayerLinear::ALL.into_iter().zip(1..).all(|(linear, size)| sizes[linear] == size));
        let named: Vec<_> = sizes.iter().map(|(linear, size)| (linear.name(), *size)).collect();
        assert_eq!(named, [("qkv", 1), ("attention output", 2), ("up", 3), ("down", 4)]);
        assert_eq!(serde_json::to_string(&sizes).unwrap(), "[1,2,3,4]");
        assert_eq!(serde_json::from_str::<PerLinear<i32>>("[1,2,3,4]").unwrap(), sizes);
    }

    #[test]
    fn a_linear_is_written_as_its_place() {
        assert_eq!(serde_json::to_string(&LayerLinear::ALL).unwrap(), "[0,1,2,3]");
        assert_eq!(serde_json::from_str::<LayerLinear>("3").unwrap(), LayerLinear::Down);
        assert!(serde_json::from_str::<LayerLinear>("4").is_err());
        assert_eq!(LayerLinear::from_name("attention output"), Some(LayerLinear::AttentionOutput));
        assert_eq!(LayerLinear::from_name("attention"), None);
    }
}
