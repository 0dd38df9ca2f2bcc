//! Tensor names that several families share: those of two linears on the first token, and of a masked-LM head
//! `lm_head`.

use crate::head::Head;

/// Parts of the names of the masked-LM head, the families' and BERT's.
pub(super) const MASKED_LM_NAMES: [(&str, &str); 4] = [
    ("lm_head.dense.", "cls.predictions.transform.dense."),
    ("lm_head.layer_norm.", "cls.predictions.transform.LayerNorm."),
    ("lm_head.bias", "cls.predictions.bias"),
    ("lm_head.decoder.", "cls.predictions.decoder."),
];

/// BERT's name for a tensor of a head. The head's own dense layer is what BERT calls its pooler.
pub(super) fn bert_head_name(name: &str) -> String {
    name.replace("classifier.dense.", "bert.pooler.dense.").replace("classifier.out_proj.", "classifier.")
}

/// Undoes [`bert_head_name`] in a model with this head.
pub(super) fn own_head_name(name: &str, head: &Head) -> String {
    if !head.needs_pooler() {
        return name.to_owned();
    }
    let pooler = name.replace("bert.pooler.dense.", "classifier.dense.");
    if pooler == name { name.replace("classifier.", "classifier.out_proj.") } else { pooler }
}

/// The name with every part of `names` replaced by the one beside it, the first by the second.
pub(super) fn with_second_names(name: &str, names: &[(&str, &str)]) -> String {
    names.iter().fold(name.to_owned(), |name, (first, second)| name.replace(first, second))
}

/// The name with every part of `names` replaced by the one beside it, the second by the first.
pub(super) fn with_first_names(name: &str, names: &[(&str, &str)]) -> String {
    names.iter().fold(name.to_owned(), |name, (first, second)| name.replace(second, first))
}
