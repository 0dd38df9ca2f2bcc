//! A look at the activations inside a forward pass, for int8 calibration.

use candle_core::{Result, Tensor};

/// A place in the network whose values an observer may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// Input of the query, key and value projections of a layer, `[b * l, hidden]`.
    AttentionInput(usize),
    /// Queries of a layer, `[b * l, hidden]`.
    Query(usize),
    /// Keys of a layer, `[b * l, hidden]`.
    Key(usize),
    /// Values of a layer, `[b * l, hidden]`.
    Value(usize),
    /// Weighted sum of values, the input of the attention output projection, `[b * l, hidden]`.
    Context(usize),
    /// LayerNorm output that enters the feed-forward part, `[b * l, hidden]`.
    FeedForwardInput(usize),
    /// Before GELU, `[b * l, intermediate]`.
    PreGelu(usize),
    /// After GELU, the input of the down projection, `[b * l, intermediate]`.
    PostGelu(usize),
    /// Input of the pooler, `[b, hidden]`.
    PoolerInput,
    /// Input of the classifier, `[b, hidden]` (or `[b * l, hidden]` for token classification).
    ClassifierInput,
}

/// Receives activations as a forward pass computes them. Rows of padded tokens are included; the observer
/// knows the batch and skips them.
pub trait Observe {
    /// `values` are what flows through `site` in this pass.
    fn observe(&mut self, site: Site, values: &Tensor) -> Result<()>;
}
