//! What a device allows.

use super::cost::Cost;

/// Limits on a model; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Budget {
    /// Bytes of the image at most.
    pub flash: Option<u64>,
    /// Bytes of the workspace at most.
    pub ram: Option<u64>,
    /// Modelled milliseconds of the longest answer at most.
    pub latency_ms: Option<f64>,
}

/// One of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of the image.
    Flash,
    /// Bytes of the workspace.
    Ram,
    /// Modelled milliseconds.
    Latency,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Flash, Self::Ram, Self::Latency];

    /// The option that sets it.
    pub fn option(self) -> &'static str {
        match self {
            Self::Flash => "--flash",
            Self::Ram => "--ram",
            Self::Latency => "--latency",
        }
    }

    /// A value of it in words.
    pub fn words(self, value: f64) -> String {
        match self {
            Self::Flash => format!("an image of {value:.0} bytes"),
            Self::Ram => format!("a workspace of {value:.0} bytes"),
            Self::Latency => format!("{value:.2} ms (modelled)"),
        }
    }

    /// What a model takes of it.
    pub fn of(self, cost: &Cost) -> f64 {
        match self {
            Self::Flash => cost.flash as f64,
            Self::Ram => cost.ram as f64,
            Self::Latency => cost.latency_ms,
        }
    }
}

impl Budget {
    /// The limit, if there is one.
    pub fn limit(&self, limit: Limit) -> Option<f64> {
        match limit {
            Limit::Flash => self.flash.map(|bytes| bytes as f64),
            Limit::Ram => self.ram.map(|bytes| bytes as f64),
            Limit::Latency => self.latency_ms,
        }
    }

    /// The limits that a model breaks.
    pub fn broken(&self, cost: &Cost) -> Vec<Limit> {
        let breaks = |limit: &Limit| self.limit(*limit).is_some_and(|most| limit.of(cost) > most);
        Limit::ALL.into_iter().filter(breaks).collect()
    }

    /// How far a model is beyond the limit that it breaks worst: above 1 if it breaks any.
    pub fn worst_ratio(&self, cost: &Cost) -> f64 {
        let ratio = |limit: Limit| self.limit(limit).map_or(0.0, |most| limit.of(cost) / most);
        Limit::ALL.map(ratio).into_iter().fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_broken_by_more_than_it_and_by_nothing_less() {
        let cost = Cost { flash: 1000, ram: 50, latency_ms: 2.0 };
        assert!(Budget::default().broken(&cost).is_empty());
        let exact = Budget { flash: Some(1000), ram: Some(50), latency_ms: Some(2.0) };
        assert!(exact.broken(&cost).is_empty());
        assert_eq!(exact.worst_ratio(&cost), 1.0);
        let tight = Budget { flash: Some(999), latency_ms: Some(1.0), ..exact };
        assert_eq!(tight.broken(&cost), [Limit::Flash, Limit::Latency]);
        assert_eq!(tight.worst_ratio(&cost), 2.0);
    }
}
