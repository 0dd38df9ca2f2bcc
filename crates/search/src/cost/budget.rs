//! The limits of a device.

use super::Cost;

/// Limits on a model; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct DeviceBudget {
    /// Bytes of the image at most.
    pub flash: Option<u64>,
    /// Bytes of the workspace at most.
    pub ram: Option<u64>,
    /// Modelled milliseconds of the longest answer at most.
    pub latency_ms: Option<f64>,
}

/// One of the limits of a [`DeviceBudget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Bytes of the image.
    Flash,
    /// Bytes of the workspace.
    Ram,
    /// Modelled milliseconds.
    Latency,
}

impl Limit {
    /// All limits.
    pub const ALL: [Self; 3] = [Self::Flash, Self::Ram, Self::Latency];

    /// The command line option that sets the limit.
    pub fn option(self) -> &'static str {
        match self {
            Self::Flash => "--flash",
            Self::Ram => "--ram",
            Self::Latency => "--latency",
        }
    }

    /// A value of this kind in words.
    pub fn describe(self, value: f64) -> String {
        match self {
            Self::Flash => format!("an image of {value:.0} bytes"),
            Self::Ram => format!("a workspace of {value:.0} bytes"),
            Self::Latency => format!("{value:.2} ms (modelled)"),
        }
    }

    /// The part of a cost that this limit is about.
    pub fn value(self, cost: &Cost) -> f64 {
        match self {
            Self::Flash => cost.flash as f64,
            Self::Ram => cost.ram as f64,
            Self::Latency => cost.latency_ms,
        }
    }
}

impl DeviceBudget {
    /// Whether there is no limit.
    pub(crate) fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// The value of a limit, if it is set.
    pub(crate) fn limit(&self, limit: Limit) -> Option<f64> {
        match limit {
            Limit::Flash => self.flash.map(|bytes| bytes as f64),
            Limit::Ram => self.ram.map(|bytes| bytes as f64),
            Limit::Latency => self.latency_ms,
        }
    }

    /// The limits that a cost exceeds.
    pub(crate) fn exceeded(&self, cost: &Cost) -> Vec<Limit> {
        let exceeds = |limit: &Limit| self.limit(*limit).is_some_and(|most| limit.value(cost) > most);
        Limit::ALL.into_iter().filter(exceeds).collect()
    }

    /// The largest ratio of a cost to its limit: above 1 if a limit is exceeded.
    pub(crate) fn worst_ratio(&self, cost: &Cost) -> f64 {
        let ratio = |limit: Limit| self.limit(limit).map_or(0.0, |most| limit.value(cost) / most);
        Limit::ALL.map(ratio).into_iter().fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_broken_by_more_than_it_and_by_nothing_less() {
        let cost = Cost { flash: 1000, ram: 50, latency_ms: 2.0 };
        assert!(DeviceBudget::default().exceeded(&cost).is_empty());
        let exact = DeviceBudget { flash: Some(1000), ram: Some(50), latency_ms: Some(2.0) };
        assert!(exact.exceeded(&cost).is_empty());
        assert_eq!(exact.worst_ratio(&cost), 1.0);
        let tight = DeviceBudget { flash: Some(999), latency_ms: Some(1.0), ..exact };
        assert_eq!(tight.exceeded(&cost), [Limit::Flash, Limit::Latency]);
        assert_eq!(tight.worst_ratio(&cost), 2.0);
    }
}
