//! A real model, where there is one: `TINYBERT_TEACHER` names the folder of all-MiniLM-L6-v2.

use std::path::PathBuf;

use crate::{Checkpoint, Head};

#[test]
#[ignore = "needs all-MiniLM-L6-v2; run with TINYBERT_TEACHER=folder"]
fn all_minilm_l6_v2_loads() {
    let folder =
        PathBuf::from(std::env::var_os("TINYBERT_TEACHER").expect("TINYBERT_TEACHER names the folder"));
    let teacher = Checkpoint::load(&folder).unwrap();
    assert_eq!(teacher.head, Head::None);
    assert_eq!((teacher.config.hidden_size, teacher.config.num_hidden_layers), (384, 6));
    let parameters: usize = teacher.tensors.values().map(|tensor| tensor.elem_count()).sum();
    // The model card says so.
    assert_eq!(parameters, 22_713_216);
    // BertTokenizerFast of transformers gives these ids.
    let encoded = teacher.text.encode("Hello, world!", Some("Déjà vu"), 128).unwrap();
    assert_eq!(encoded.ids, [101, 7592, 1010, 2088, 999, 102, 2139, 3900, 24728, 102]);
    assert_eq!(encoded.type_ids, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
}
