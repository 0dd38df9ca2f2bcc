//! The one list of tensor names and shapes.
//!
//! Names are Hugging Face's with the `bert.` prefix; linears are stored `[outputs, inputs]`.

use std::collections::BTreeMap;

use super::mpnet::{self, RELATIVE_BIAS, RELATIVE_BUCKETS};
use super::{Architecture, BertConfig, Head};

/// Word embedding matrix, `[vocab, hidden]`; also the decoder of the masked-LM head.
pub const WORD_EMBEDDINGS: &str = "bert.embeddings.word_embeddings.weight";

/// Segment type embeddings, `[types, hidden]`.
pub const TYPE_EMBEDDINGS: &str = "bert.embeddings.token_type_embeddings.weight";

/// Name and shape of every tensor that a model of this configuration and head must have.
///
/// The pooler is part of it only where the head reads it. A loaded checkpoint may carry a pooler
/// beyond this list (see [`pooler_shapes`]).
pub fn expected_shapes(config: &BertConfig, head: &Head) -> BTreeMap<String, Vec<usize>> {
    let h = config.hidden_size;
    let mut shapes = BTreeMap::new();
    insert(&mut shapes, WORD_EMBEDDINGS, [config.word_rows(), h]);
    let positions = config.first_position() + config.max_position_embeddings;
    insert(&mut shapes, "bert.embeddings.position_embeddings.weight", [positions, h]);
    match config.architecture {
        Architecture::Bert => insert(&mut shapes, TYPE_EMBEDDINGS, [config.type_vocab_size, h]),
        Architecture::MpNet(_) => {
            insert(&mut shapes, RELATIVE_BIAS, [RELATIVE_BUCKETS, config.num_attention_heads]);
        }
    }
    layer_norm(&mut shapes, "bert.embeddings.LayerNorm", h);
    for layer in 0..config.num_hidden_layers {
        let (width, ffn) = (config.attention_width(layer), config.ffn(layer));
        let layer = format!("bert.encoder.layer.{layer}");
        for part in ["query", "key", "value"] {
            linear(&mut shapes, &format!("{layer}.attention.self.{part}"), width, h);
        }
        linear(&mut shapes, &format!("{layer}.attention.output.dense"), h, width);
        layer_norm(&mut shapes, &format!("{layer}.attention.output.LayerNorm"), h);
        linear(&mut shapes, &format!("{layer}.intermediate.dense"), ffn, h);
        linear(&mut shapes, &format!("{layer}.output.dense"), h, ffn);
        layer_norm(&mut shapes, &format!("{layer}.output.LayerNorm"), h);
    }
    if head.needs_pooler() {
        shapes.extend(pooler_shapes(config));
    }
    if let Some(name) = head.linear() {
        linear(&mut shapes, name, head.outputs(), h);
    }
    if *head == Head::MaskedLm {
        linear(&mut shapes, "cls.predictions.transform.dense", h, h);
        layer_norm(&mut shapes, "cls.predictions.transform.LayerNorm", h);
        insert(&mut shapes, "cls.predictions.bias", [config.word_rows()]);
    }
    shapes
}

/// Name and shape of the pooler's tensors, which checkpoints of any head may carry.
pub fn pooler_shapes(config: &BertConfig) -> BTreeMap<String, Vec<usize>> {
    let mut shapes = BTreeMap::new();
    linear(&mut shapes, "bert.pooler.dense", config.hidden_size, config.hidden_size);
    shapes
}

fn insert<const RANK: usize>(shapes: &mut BTreeMap<String, Vec<usize>>, name: &str, shape: [usize; RANK]) {
    shapes.insert(name.to_owned(), shape.to_vec());
}

fn linear(shapes: &mut BTreeMap<String, Vec<usize>>, name: &str, outputs: usize, inputs: usize) {
    insert(shapes, &format!("{name}.weight"), [outputs, inputs]);
    insert(shapes, &format!("{name}.bias"), [outputs]);
}

fn layer_norm(shapes: &mut BTreeMap<String, Vec<usize>>, name: &str, width: usize) {
    insert(shapes, &format!("{name}.weight"), [width]);
    insert(shapes, &format!("{name}.bias"), [width]);
}

/// What a stored tensor is to this program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The tensor of this canonical name.
    Canonical(String),
    /// A buffer, a tied copy or a pre-training head that nothing here reads.
    Unneeded,
}

/// Tensors that checkpoints carry and nothing here reads: index buffers, the next-sentence head, and
/// the masked-LM decoder, which is tied to the word embeddings.
const UNNEEDED: [&str; 6] = [
    "bert.embeddings.position_ids",
    "bert.embeddings.token_type_ids",
    "cls.seq_relationship.weight",
    "cls.seq_relationship.bias",
    "cls.predictions.decoder.weight",
    "cls.predictions.decoder.bias",
];

/// The canonical name of a tensor that a model of this architecture stores as `name`: with the `bert.` prefix that bare encoders are
/// saved without, and `weight` and `bias` where TensorFlow conversions say `gamma` and `beta`.
pub(super) fn role_of(architecture: &Architecture, name: &str) -> Role {
    let name = match architecture {
        Architecture::Bert => name.to_owned(),
        Architecture::MpNet(_) => mpnet::bert_name(name),
    };
    let bare = ["embeddings.", "encoder.", "pooler."].iter().any(|start| name.starts_with(start));
    let mut canonical = if bare { format!("bert.{name}") } else { name };
    for (old, new) in [(".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias")] {
        if let Some(start) = canonical.strip_suffix(old) {
            canonical = format!("{start}{new}");
        }
    }
    if UNNEEDED.contains(&canonical.as_str()) { Role::Unneeded } else { Role::Canonical(canonical) }
}
