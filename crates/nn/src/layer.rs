//! One Transformer layer: forward pass over plain buffers, and its backward pass by hand.

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use super::dropout_sites::{DropoutSite, DropoutSites};
use super::linear::{FloatLinear, SubLayerEnd, TensorLookup};
use super::observe::{Observe, Site};
use super::ops::attention::{AttentionGradient, AttentionSettings, attention, attention_backward};
use super::ops::dropout::RowDropout;
use super::ops::float::Float;
use super::ops::gelu::{bias_gelu, bias_gelu_backward};
use super::ops::rows::{accumulate_all, add_bias, column_sums, product, tensor, with_slice};
use super::tape::add_gradient;
use tinybert_base::Result;
use tinybert_data::Batch;
use tinybert_model::names::LayerNames;
use tinybert_model::{BertConfig, PerLinear, PerProjection};

/// The weights of a layer.
#[derive(Clone)]
pub(super) struct Layer {
    query: FloatLinear,
    key: FloatLinear,
    value: FloatLinear,
    pub(super) attention_output: SubLayerEnd,
    pub(super) up: FloatLinear,
    pub(super) down: SubLayerEnd,
}

/// Settings of a batch's pass through a layer, in addition to the layer's weights.
pub(super) struct LayerSettings {
    pub index: usize,
    pub attention: AttentionSettings,
    pub attention_dropout: Option<RowDropout>,
    pub output_dropout: Option<RowDropout>,
}

impl LayerSettings {
    /// The settings of a batch's pass through layer `index`, without position bias.
    pub fn new(config: &BertConfig, batch: &Batch, dropout: &DropoutSites, index: usize) -> Self {
        let by_rows =
            |site| dropout.at(site, config.hidden_dropout_prob).map(|dropout| dropout.by_rows(batch.tokens));
        Self {
            index,
            attention: AttentionSettings {
                lengths: batch.lengths.clone().into(),
                tokens: batch.tokens,
                heads: config.heads(index),
                head_dim: config.head_dim(),
                dropout: dropout.at(DropoutSite::Probabilities(index), config.attention_probs_dropout_prob),
                relative_bias: None,
            },
            attention_dropout: by_rows(DropoutSite::AttentionOutput(index)),
            output_dropout: by_rows(DropoutSite::FeedForwardOutput(index)),
        }
    }
}

/// The intermediate values of a pass, `[b * l, ...]` each.
pub(super) struct LayerActivations {
    settings: LayerSettings,
    /// Weights of queries, keys and values, `[3 * width, hidden]`; the width is that of all heads together.
    qkv_weight: Tensor,
    qkv: Tensor,
    /// Raw scores `[b, heads, l, l]`; their storage is the caller's.
    scores: Tensor,
    context: Tensor,
    attention_sum: Tensor,
    /// Input of the feed-forward network.
    middle: Tensor,
    wide: Tensor,
    active: Tensor,
    output_sum: Tensor,
}

/// The results of a pass through a layer.
pub(super) struct LayerOutput<T> {
    /// The next state, `[b * l, hidden]`.
    pub state: Vec<T>,
    /// The values that the backward pass needs.
    pub record: LayerActivations,
}

/// The gradients that a layer hands to the layers below it.
pub(super) struct LayerGradient<T> {
    /// Gradient of the input state, `[b * l, hidden]`.
    pub state: Vec<T>,
    /// Gradient of the position bias by distance, `[heads, 2l − 1]`, where there is one.
    pub relative_bias: Option<Vec<T>>,
}

impl Layer {
    pub fn new(layer: usize, eps: f64, get: TensorLookup) -> Result<Self> {
        let names = LayerNames::new(layer);
        let linear = |name: &str| FloatLinear::new(name, get);
        let end = |linear: &str, norm: &str| SubLayerEnd::new(linear, norm, eps, get);
        Ok(Self {
            query: linear(&names.query)?,
            key: linear(&names.key)?,
            value: linear(&names.value)?,
            attention_output: end(&names.attention_output, &names.attention_norm)?,
            up: linear(&names.up)?,
            down: end(&names.down, &names.output_norm)?,
        })
    }

    pub(super) fn projections(&self) -> PerProjection<&FloatLinear> {
        PerProjection { query: &self.query, key: &self.key, value: &self.value }
    }

    /// The linears, those of queries, keys and values as one.
    pub(super) fn linears(&self) -> PerLinear<Vec<&FloatLinear>> {
        PerLinear {
            qkv: self.projections().into_iter().collect(),
            attention_output: vec![&self.attention_output.linear],
            up: vec![&self.up],
            down: vec![&self.down.linear],
        }
    }

    /// Computes the next state from the state `x`, `[b * l, hidden]`. `scores_tensor` makes the raw scores a
    /// tensor for the caller.
    pub fn forward<T: Float>(
        &self,
        x: &Tensor,
        settings: LayerSettings,
        scores_tensor: &mut dyn FnMut(Vec<T>) -> Result<Tensor>,
        observer: &mut Option<&mut dyn Observe>,
    ) -> Result<LayerOutput<T>> {
        let layer = settings.index;
        let (rows, hidden) = x.dims2()?;
        let width = self.query.weight.dim(0)?;
        let mut see = |site: Site, values: &Tensor| match observer {
            Some(observer) => observer.observe(site, values),
            None => Ok(()),
        };

        see(Site::AttentionInput(layer), x)?;
        let stacked = |of: fn(&FloatLinear) -> &Tensor| {
            Tensor::cat(&<[Tensor; 3]>::from(self.projections().map(|p| of(p).detach())), 0)
        };
        let (qkv_weight, qkv_bias) = (stacked(|p| &p.weight)?, stacked(|p| &p.bias)?);
        let mut qkv = product::<T>(x, &qkv_weight.t()?)?;
        with_slice(&qkv_bias, |bias| {
            add_bias(&mut qkv, bias);
            Ok(())
        })?;
        let qkv = tensor(qkv, (rows, 3 * width))?;
        for (i, site) in [Site::Query(layer), Site::Key(layer), Site::Value(layer)].into_iter().enumerate() {
            see(site, &qkv.narrow(1, i * width, width)?)?;
        }
        let (scores, context) = attention::<T>(&qkv, &settings.attention)?;
        let scores = scores_tensor(scores)?;
        let context = tensor(context, (rows, width))?;
        see(Site::Context(layer), &context)?;
        let (attention_sum, middle) =
            self.attention_output.forward::<T>(&context, x, settings.attention_dropout.as_ref())?;
        let middle = tensor(middle, (rows, hidden))?;

        see(Site::FeedForwardInput(layer), &middle)?;
        let mut wide = self.up.product::<T>(&middle)?;
        let active = with_slice(&self.up.bias, |bias| Ok(bias_gelu(&mut wide, bias)))?;
        let shape = (rows, self.up.weight.dim(0)?);
        let (wide, active) = (tensor(wide, shape)?, tensor(active, shape)?);
        see(Site::PreGelu(layer), &wide)?;
        see(Site::PostGelu(layer), &active)?;
        let (output_sum, state) = self.down.forward(&active, &middle, settings.output_dropout.as_ref())?;
        let record = LayerActivations {
            settings,
            qkv_weight,
            qkv,
            scores,
            context,
            attention_sum,
            middle,
            wide,
            active,
            output_sum,
        };
        Ok(LayerOutput { state, record })
    }

    /// The gradients of the input state `x` and of the position bias, from the gradients of the output and of
    /// the scores; `None` when both of these are missing. Adds the gradients of the weights that are reached.
    pub fn backward<T: Float>(
        &self,
        record: &LayerActivations,
        x: &Tensor,
        d_state: Option<Vec<T>>,
        d_scores: Option<&Tensor>,
        grads: &mut GradStore,
    ) -> Result<Option<LayerGradient<T>>> {
        if d_state.is_none() && d_scores.is_none() {
            return Ok(None);
        }
        let above = d_state.map(|grad| self.backward_to_context(record, grad, grads)).transpose()?;
        let context = above.as_ref().map(|(d_context, _)| d_context);
        let d_scores = d_scores.map(|d_scores| d_scores.flatten_all()?.to_vec1::<T>()).transpose()?;
        let (d_qkv, relative_bias) = with_slice::<T, _>(&record.scores, |scores| {
            let grad = AttentionGradient { context, scores: d_scores.as_deref() };
            attention_backward(&record.qkv, scores, &grad, &record.settings.attention)
        })?;
        let (width, hidden) = self.query.weight.dims2()?;
        let d_bias = column_sums(&d_qkv, 3 * width);
        let d_qkv = tensor(d_qkv, record.qkv.shape())?;
        let d_weight = product::<T>(&d_qkv.t()?, x)?;
        // The values get a gradient from the context alone.
        let reached = if context.is_some() { 3 } else { 2 };
        let parts = d_weight.chunks_exact(width * hidden).zip(d_bias.chunks_exact(width));
        for (projection, (d_weight, d_bias)) in self.projections().into_iter().zip(parts).take(reached) {
            add_gradient(grads, &projection.weight, d_weight.to_vec())?;
            add_gradient(grads, &projection.bias, d_bias.to_vec())?;
        }
        let mut d_x = product::<T>(&d_qkv, &record.qkv_weight)?;
        if let Some((_, d_residual)) = &above {
            accumulate_all(&mut d_x, d_residual);
        }
        Ok(Some(LayerGradient { state: d_x, relative_bias }))
    }

    /// The gradients of the context and of the layer's input as a residual, from the gradient of the output
    /// state.
    fn backward_to_context<T: Float>(
        &self,
        record: &LayerActivations,
        mut d_state: Vec<T>,
        grads: &mut GradStore,
    ) -> Result<(Tensor, Vec<T>)> {
        let dropout = record.settings.output_dropout.as_ref();
        let mut d_wide =
            self.down.backward(&record.active, &record.output_sum, dropout, &mut d_state, grads)?;
        let (_, intermediate) = record.wide.dims2()?;
        let d_bias =
            with_slice(&record.wide, |wide| Ok(bias_gelu_backward(wide, &mut d_wide, intermediate)))?;
        add_gradient(grads, &self.up.bias, d_bias)?;
        let mut d_middle: Vec<T> =
            self.up.backward(&record.middle, &tensor(d_wide, record.wide.shape())?, grads)?;
        accumulate_all(&mut d_middle, &d_state);
        drop(d_state);
        let dropout = record.settings.attention_dropout.as_ref();
        let d_context: Vec<T> = self.attention_output.backward(
            &record.context,
            &record.attention_sum,
            dropout,
            &mut d_middle,
            grads,
        )?;
        Ok((tensor(d_context, record.context.shape())?, d_middle))
    }
}
