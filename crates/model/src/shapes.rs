//! The shapes of a model's tensors.

use std::collections::BTreeMap;

use crate::config::BertConfig;
use crate::head::Head;
use crate::names::{
    EMBEDDING_NORM, EMBEDDING_PROJECTION, LayerNames, MASKED_LM_BIAS, MASKED_LM_DENSE, MASKED_LM_NORM,
    POOLER, POSITION_BIAS, POSITION_EMBEDDINGS, TYPE_EMBEDDINGS, WORD_EMBEDDINGS, bias, weight,
};

/// Name and shape of every tensor that a model of this configuration and head must have.
///
/// The pooler is part of it only where the head reads it. A loaded checkpoint may carry a pooler
/// beyond this list (see [`pooler_shapes`]).
pub fn expected_shapes(config: &BertConfig, head: &Head) -> BTreeMap<String, Vec<usize>> {
    let (h, e) = (config.hidden_size, config.embedding_width());
    let mut shapes = Shapes::default();
    shapes.tensor(WORD_EMBEDDINGS, [config.word_rows(), e]);
    shapes.tensor(POSITION_EMBEDDINGS, [config.position_rows(), e]);
    if config.has_segment_types() {
        shapes.tensor(TYPE_EMBEDDINGS, [config.type_vocab_size, e]);
    }
    if let Some(buckets) = config.position_buckets() {
        shapes.tensor(POSITION_BIAS, [buckets, config.num_attention_heads]);
    }
    shapes.layer_norm(EMBEDDING_NORM, e);
    if config.embedding_size.is_some() {
        shapes.linear(EMBEDDING_PROJECTION, h, e);
    }
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
        shapes.linear(MASKED_LM_DENSE, e, h);
        shapes.layer_norm(MASKED_LM_NORM, e);
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
