//! The one list of tensor names, and the shapes of the tensors.
//!
//! Canonical names are Hugging Face's for BERT, with the `bert.` prefix, whatever family a model is of; linears are stored
//! `[outputs, inputs]`. A *part* is what has a weight and a bias: a linear or a LayerNorm. Its tensors have the name of the
//! part with `.weight` or `.bias` behind it ([`weight`], [`bias`]).

use std::collections::BTreeMap;

use crate::{BertConfig, Head, PerLinear};

/// Word embedding matrix, `[vocab, hidden]`; also the decoder of the masked-LM head.
pub const WORD_EMBEDDINGS: &str = "bert.embeddings.word_embeddings.weight";

/// Position embeddings, `[positions, hidden]`.
pub const POSITION_EMBEDDINGS: &str = "bert.embeddings.position_embeddings.weight";

/// Segment type embeddings, `[types, hidden]`; not every family has them.
pub const TYPE_EMBEDDINGS: &str = "bert.embeddings.token_type_embeddings.weight";

/// Bias of the attention scores by relative position, `[buckets, heads]`, which all layers share; not every family has it.
pub const POSITION_BIAS: &str = "bert.encoder.relative_attention_bias.weight";

/// LayerNorm over the sum of the embeddings.
pub const EMBEDDING_NORM: &str = "bert.embeddings.LayerNorm";

/// Linear on the first token, `[hidden, hidden]`, before the classifier of whole inputs.
pub const POOLER: &str = "bert.pooler.dense";

/// Last linear of classification, regression and token classification, `[outputs, hidden]`.
pub const CLASSIFIER: &str = "classifier";

/// Last linear of a sentence encoder, `[dimensions, hidden]`; not every one has it.
pub const PROJECTION: &str = "projection";

/// Linear of the masked-LM head, `[hidden, hidden]`.
pub const MASKED_LM_DENSE: &str = "cls.predictions.transform.dense";

/// LayerNorm of the masked-LM head.
pub const MASKED_LM_NORM: &str = "cls.predictions.transform.LayerNorm";

/// Bias of the masked-LM head's decoder, `[vocab]`.
pub const MASKED_LM_BIAS: &str = "cls.predictions.bias";

/// What the names of all tensors of the encoder begin with, the pooler's included, and those of no head.
pub const ENCODER: &str = "bert.";

const EMBEDDINGS: &str = "bert.embeddings.";
const LAYERS: &str = "bert.encoder.";
const LAYER: &str = "bert.encoder.layer.";

/// Tensors that checkpoints carry and nothing here reads: index buffers, the next-sentence head, and the masked-LM decoder,
/// which is tied to the word embeddings.
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

/// Name of a part's bias; of a LayerNorm its beta.
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
    pub fn projections(&self) -> [&str; 3] {
        [&self.query, &self.key, &self.value]
    }

    /// Of each of the layer's four linears the parts that it is made of: an image stores queries, keys and values as one.
    pub fn linears(&self) -> PerLinear<Vec<&str>> {
        PerLinear {
            qkv: self.projections().to_vec(),
            attention_output: vec![&self.attention_output],
            up: vec![&self.up],
            down: vec![&self.down],
        }
    }
}

/// The name of what is called `part` in layer `layer`, counted from 0.
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
    name.starts_with(LAYERS) || is_embedding(name)
}

/// Whether a tensor is the weight of a linear in one of the layers.
pub fn is_layer_linear(name: &str) -> bool {
    name.starts_with(LAYER) && name.ends_with(".weight") && !name.contains("LayerNorm")
}

/// Name and shape of every tensor that a model of this configuration and head must have.
///
/// The pooler is part of it only where the head reads it. A loaded checkpoint may carry a pooler
/// beyond this list (see [`pooler_shapes`]).
pub fn expected_shapes(config: &BertConfig, head: &Head) -> BTreeMap<String, Vec<usize>> {
    let h = config.hidden_size;
    let mut shapes = Shapes::default();
    shapes.tensor(WORD_EMBEDDINGS, [config.word_rows(), h]);
    shapes.tensor(POSITION_EMBEDDINGS, [config.position_rows(), h]);
    if config.has_segment_types() {
        shapes.tensor(TYPE_EMBEDDINGS, [config.type_vocab_size, h]);
    }
    if let Some(buckets) = config.position_buckets() {
        shapes.tensor(POSITION_BIAS, [buckets, config.num_attention_heads]);
    }
    shapes.layer_norm(EMBEDDING_NORM, h);
    for layer in 0..config.num_hidden_layers {
        let names = LayerNames::new(layer);
        let (width, ffn) = (config.attention_width(layer), config.ffn(layer));
        for projection in names.projections() {
            shapes.linear(projection, width, h);
        }
        shapes.linear(&names.attention_output, h, width);
        shapes.layer_norm(&names.attention_norm, h);
        shapes.linear(&names.up, ffn, h);
        shapes.linear(&names.down, h, ffn);
        shapes.layer_norm(&names.output_norm, h);
    }
    if head.needs_pooler() {
        shapes.linear(POOLER, h, h);
    }
    if let Some(name) = head.linear() {
        shapes.linear(name, head.outputs(), h);
    }
    if *head == Head::MaskedLm {
        shapes.linear(MASKED_LM_DENSE, h, h);
        shapes.layer_norm(MASKED_LM_NORM, h);
        shapes.tensor(MASKED_LM_BIAS, [config.word_rows()]);
    }
    shapes.0
}

/// Name and shape of the pooler's tensors, which checkpoints of any head may carry.
pub fn pooler_shapes(config: &BertConfig) -> BTreeMap<String, Vec<usize>> {
    let mut shapes = Shapes::default();
    shapes.linear(POOLER, config.hidden_size, config.hidden_size);
    shapes.0
}

/// Shapes of tensors by name.
#[derive(Default)]
struct Shapes(BTreeMap<String, Vec<usize>>);

impl Shapes {
    fn tensor<const RANK: usize>(&mut self, name: &str, shape: [usize; RANK]) {
        self.0.insert(name.to_owned(), shape.to_vec());
    }

    fn linear(&mut self, part: &str, outputs: usize, inputs: usize) {
        self.tensor(&weight(part), [outputs, inputs]);
        self.tensor(&bias(part), [outputs]);
    }

    fn layer_norm(&mut self, part: &str, width: usize) {
        self.tensor(&weight(part), [width]);
        self.tensor(&bias(part), [width]);
    }
}

/// The canonical name of a stored tensor whose name a family has translated to BERT's: with the `bert.` prefix that bare
/// encoders are saved without, and `weight` and `bias` where conversions from TensorFlow say `gamma` and `beta`. `None` for
/// tensors that nothing here reads.
pub(crate) fn canonical(name: &str) -> Option<String> {
    let bare = ["embeddings.", "encoder.", "pooler."].iter().any(|start| name.starts_with(start));
    let mut canonical = if bare { format!("{ENCODER}{name}") } else { name.to_owned() };
    for (old, new) in [(".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias")] {
        if let Some(start) = canonical.strip_suffix(old) {
            canonical = format!("{start}{new}");
        }
    }
    (!UNNEEDED.contains(&canonical.as_str())).then_some(canonical)
}
