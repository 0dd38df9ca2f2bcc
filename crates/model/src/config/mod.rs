//! The sizes of an encoder.

mod pruned;

pub use self::pruned::Pruned;
use crate::architecture::Architecture;
use tinybert_base::{Error, Result};

/// Sizes and constants of an encoder. The activation is always GELU in its erf form.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BertConfig {
    /// The family of the encoder.
    #[serde(default)]
    pub architecture: Architecture,
    /// Word pieces in the vocabulary, `v`, special pieces included. In a family with more pieces than BERT,
    /// only the pieces that BERT has count.
    pub vocab_size: usize,
    /// Width of the residual stream, `h`.
    pub hidden_size: usize,
    /// Width of the embedding tables where a linear projects their sum to `hidden_size`; `None` where they are as
    /// wide as the residual stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_size: Option<usize>,
    /// Encoder layers, `N`.
    pub num_hidden_layers: usize,
    /// Attention heads per layer before pruning; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward network between its two linears; in a pruned model, the largest width of all
    /// layers.
    pub intermediate_size: usize,
    /// Longest sequence in tokens, special tokens included.
    pub max_position_embeddings: usize,
    /// Segment types (2 for sentence pairs). A model without a table of segment types accepts and ignores them.
    pub type_vocab_size: usize,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f64,
    /// Dropout after embeddings, attention output, feed-forward network and pooler, in training only.
    pub hidden_dropout_prob: f64,
    /// Dropout on attention probabilities, in training only.
    pub attention_probs_dropout_prob: f64,
    /// Standard deviation of freshly initialised weights.
    pub initializer_range: f64,
    /// The parts that pruning removed from layers of the sizes above.
    #[serde(default, skip_serializing_if = "Pruned::is_empty")]
    pub pruned: Pruned,
}

/// Largest accepted value of each size: far above any BERT, and small enough that no product of
/// three of them overflows 64 bits.
const LARGEST: [(&str, usize); 8] = [
    ("vocab_size", 1 << 21),
    ("hidden_size", 1 << 14),
    ("embedding_size", 1 << 14),
    ("num_hidden_layers", 1 << 8),
    ("num_attention_heads", 1 << 10),
    ("intermediate_size", 1 << 17),
    ("max_position_embeddings", 1 << 17),
    ("type_vocab_size", 1 << 8),
];

impl BertConfig {
    /// Width of the embedding tables, and of the LayerNorm over their sum.
    pub fn embedding_width(&self) -> usize {
        self.embedding_size.unwrap_or(self.hidden_size)
    }

    /// Width of one attention head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Checks that every size is usable and that they fit together.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the field, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            self.vocab_size,
            self.hidden_size,
            self.embedding_width(),
            self.num_hidden_layers,
            self.num_attention_heads,
            self.intermediate_size,
            self.max_position_embeddings,
            self.type_vocab_size,
        ];
        for ((name, largest), size) in LARGEST.into_iter().zip(sizes) {
            if !(1..=largest).contains(&size) {
                return Err(Error::Usage(format!("{name} is {size}; it must be from 1 to {largest}")));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let fitting: Vec<String> = (1..=64.min(self.hidden_size))
                .filter(|heads| self.hidden_size.is_multiple_of(*heads))
                .map(|heads| heads.to_string())
                .collect();
            return Err(Error::Usage(format!(
                "hidden_size {} is not a multiple of num_attention_heads {}; numbers of heads that fit: {}",
                self.hidden_size,
                self.num_attention_heads,
                fitting.join(", ")
            )));
        }
        let rates = [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ];
        for (name, rate) in rates {
            if !(0.0..1.0).contains(&rate) {
                return Err(Error::Usage(format!("{name} is {rate}; it must be at least 0 and below 1")));
            }
        }
        for (name, value) in
            [("layer_norm_eps", self.layer_norm_eps), ("initializer_range", self.initializer_range)]
        {
            if !(value > 0.0 && value < 1.0) {
                return Err(Error::Usage(format!("{name} is {value}; it must be above 0 and below 1")));
            }
        }
        if !self.pruned.is_empty() && !self.architecture.may_be_pruned() {
            return Err(Error::Usage(format!("{} models cannot be pruned", self.architecture.name())));
        }
        self.pruned.validate(self)
    }
}
