//! The one list of tensor names.
//!
//! Canonical names are Hugging Face's for BERT, with the `bert.` prefix, whatever family a model is of;
//! linears are stored `[outputs, inputs]`. A *part* is what has a weight and a bias: a linear or a LayerNorm.
//! Its tensors have the name of the part with `.weight` or `.bias` behind it ([`weight`], [`bias`]).

use crate::{PerLinear, PerProjection};

/// Word embedding matrix, `[vocab, hidden]`; also the decoder of the masked-LM head.
pub const WORD_EMBEDDINGS: &str = "bert.embeddings.word_embeddings.weight";

/// Position embeddings, `[positions, hidden]`.
pub const POSITION_EMBEDDINGS: &str = "bert.embeddings.position_embeddings.weight";

/// Segment type embeddings, `[types, hidden]`; not every family has them.
pub const TYPE_EMBEDDINGS: &str = "bert.embeddings.token_type_embeddings.weight";

/// Bias of the attention scores by relative position, `[buckets, heads]`, which all layers share; not every
/// family has it.
pub const POSITION_BIAS: &str = "bert.encoder.relative_attention_bias.weight";

/// LayerNorm over the sum of the embeddings.
pub const EMBEDDING_NORM: &str = "bert.embeddings.LayerNorm";

/// Linear from the normalised sum of the embeddings to the residual stream, `[hidden, embedding width]`; not every
/// model has it.
pub const EMBEDDING_PROJECTION: &str = "bert.embeddings_project";

/// Linear on the first token, `[hidden, hidden]`, before the classifier of whole inputs.
pub const POOLER: &str = "bert.pooler.dense";

/// Last linear of classification, regression and token classification, `[outputs, hidden]`.
pub(crate) const CLASSIFIER: &str = "classifier";

/// Last linear of a sentence encoder, `[dimensions, hidden]`; not every one has it.
pub(crate) const PROJECTION: &str = "projection";

/// Linear of the masked-LM head, `[embedding width, hidden]`.
pub const MASKED_LM_DENSE: &str = "cls.predictions.transform.dense";

/// LayerNorm of the masked-LM head.
pub const MASKED_LM_NORM: &str = "cls.predictions.transform.LayerNorm";

/// Bias of the masked-LM head's decoder, `[vocab]`.
pub const MASKED_LM_BIAS: &str = "cls.predictions.bias";

/// Prefix of the names of the encoder's tensors, including the pooler's. No tensor of a head has it.
pub const ENCODER: &str = "bert.";

const POOLER_PREFIX: &str = "bert.pooler.";
const CLASSIFIER_PREFIX: &str = "classifier.";
const MASKED_LM_HEAD: &str = "cls.";
const EMBEDDINGS: &str = "bert.embeddings.";
const LAYERS: &str = "bert.encoder.";
const LAYER: &str = "bert.encoder.layer.";

/// Tensors that checkpoints carry and nothing here reads: index buffers, the next-sentence head, and the
/// masked-LM decoder, which is tied to the word embeddings.
const UNNEEDED: [&str; 6] = [
    "bert.embeddings.position_ids",
    "bert.embeddings.token_type_ids",
    "cls.seq_relationship.weight",
    "cls.seq_relationship.bias",
    "cls.predictions.decoder.weight",
    "cls.predictions.decoder.bias",
];

/// Name of a part's weight.
pub fn weight(part: &str) -> String {
    format!("{part}.weight")
}

/// Name of a part's bias; the bias of a LayerNorm is its beta.
pub fn bias(part: &str) -> String {
    format!("{part}.bias")
}

/// Names of a layer's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerNames {
    /// Linear of the queries.
    pub query: String,
    /// Linear of the keys.
    pub key: String,
    /// Linear of the values.
    pub value: String,
    /// Linear that the attention's context goes through.
    pub attention_output: String,
    /// LayerNorm that ends the attention.
    pub attention_norm: String,
    /// First linear of the feed-forward network.
    pub up: String,
    /// Second linear of the feed-forward network.
    pub down: String,
    /// LayerNorm that ends the layer.
    pub output_norm: String,
}

impl LayerNames {
    /// The names of layer `layer`, counted from 0.
    pub fn new(layer: usize) -> Self {
        let name = |part: &str| in_layer(layer, part);
        Self {
            query: name("attention.self.query"),
            key: name("attention.self.key"),
            value: name("attention.self.value"),
            attention_output: name("attention.output.dense"),
            attention_norm: name("attention.output.LayerNorm"),
            up: name("intermediate.dense"),
            down: name("output.dense"),
            output_norm: name("output.LayerNorm"),
        }
    }

    /// The linears of queries, keys and values.
    pub fn projections(&self) -> PerProjection<&str> {
        PerProjection { query: &self.query, key: &self.key, value: &self.value }
    }

    /// The parts that each of the layer's four linears is made of. An image stores queries, keys and values
    /// as one linear.
    pub fn linears(&self) -> PerLinear<Vec<&str>> {
        PerLinear {
            qkv: self.projections().into_iter().collect(),
            attention_output: vec![&self.attention_output],
            up: vec![&self.up],
            down: vec![&self.down],
        }
    }
}

/// The full name of the part or tensor `part` of layer `layer`, counted from 0.
pub fn in_layer(layer: usize, part: &str) -> String {
    format!("{LAYER}{layer}.{part}")
}

/// Undoes [`in_layer`]: the layer of a tensor, counted from 0, and its name there; `None` outside the layers.
pub fn split_layer(name: &str) -> Option<(usize, &str)> {
    let (layer, part) = name.strip_prefix(LAYER)?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

/// Whether a tensor belongs to the embeddings, their LayerNorm included.
pub fn is_embedding(name: &str) -> bool {
    name.starts_with(EMBEDDINGS)
}

/// Whether a tensor changes what the encoder computes; the pooler does not.
pub(crate) fn is_encoder(name: &str) -> bool {
    let is_projection = name.strip_prefix(EMBEDDING_PROJECTION).is_some_and(|rest| rest.starts_with('.'));
    name.starts_with(LAYERS) || is_embedding(name) || is_projection
}

/// Whether a tensor belongs to the masked-LM head.
pub fn is_masked_lm_head(name: &str) -> bool {
    name.starts_with(MASKED_LM_HEAD)
}

/// Whether a tensor is one that training for a task adds: of the pooler, the classifier or the masked-LM head. A
/// missing one says that the weights come from before it.
pub(crate) fn is_head(name: &str) -> bool {
    name.starts_with(POOLER_PREFIX) || name.starts_with(CLASSIFIER_PREFIX) || is_masked_lm_head(name)
}

/// Whether a tensor is the weight of a linear in one of the layers.
pub fn is_layer_linear(name: &str) -> bool {
    name.starts_with(LAYER) && name.ends_with(".weight") && !name.contains("LayerNorm")
}

/// The canonical name of a stored tensor whose name a family has translated to BERT's: with the `bert.`
/// prefix that bare encoders are saved without, and `weight` and `bias` where conversions from TensorFlow say
/// `gamma` and `beta`. `None` for tensors that nothing here reads.
pub(crate) fn canonical(name: &str) -> Option<String> {
    let bare = ["embeddings.", "embeddings_project.", "encoder.", "pooler."]
        .iter()
        .any(|start| name.starts_with(start));
    let mut canonical = if bare { format!("{ENCODER}{name}") } else { name.to_owned() };
    for (old, new) in [(".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias")] {
        if let Some(start) = canonical.strip_suffix(old) {
            canonical = format!("{start}{new}");
        }
    }
    (!UNNEEDED.contains(&canonical.as_str())).then_some(canonical)
}
