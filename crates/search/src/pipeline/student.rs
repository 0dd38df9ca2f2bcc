//! The student of a run, if the user gives none.

use tinybert_base::Result;
use tinybert_distill::layer_map::LayerMap;
use tinybert_model::{BertConfig, PRESETS, preset};

/// Sizes of a student for this teacher: those of TinyBERT-4L-312 if the teacher is wider and deeper.
/// Otherwise the student has the teacher's layers, at most 4, and at most 13/16 of its width (312 of 384), in
/// the proportions of TinyBERT.
///
/// # Errors
/// [`Error::Usage`](tinybert_base::Error::Usage) for sizes that do not fit together.
pub fn student_sizes(teacher: &BertConfig) -> Result<BertConfig> {
    let published = preset(PRESETS[0])?;
    let heads = teacher.num_attention_heads;
    let width = published.hidden_size.min(teacher.hidden_size * 13 / 16);
    let hidden_size = (width / heads).max(1) * heads;
    let neurons = published.intermediate_size * hidden_size / published.hidden_size;
    let sizes = BertConfig {
        vocab_size: teacher.vocab_size,
        hidden_size,
        num_hidden_layers: published.num_hidden_layers.min(teacher.num_hidden_layers),
        num_attention_heads: heads,
        // A multiple of the width of the kernels' panels.
        intermediate_size: neurons.next_multiple_of(24).min(teacher.intermediate_size),
        max_position_embeddings: teacher.max_position_embeddings.min(published.max_position_embeddings),
        ..published
    };
    sizes.validate()?;
    Ok(sizes)
}

/// The layer map of a student: uniform where the depths allow it, otherwise as even as possible. It always
/// ends with the teacher's last layer.
pub fn layer_map(student: usize, teacher: usize) -> LayerMap {
    if student > 0 && teacher.is_multiple_of(student) {
        return LayerMap::Uniform;
    }
    LayerMap::Explicit(LayerMap::evenly_spread(student, teacher))
}

/// Whether a student of these sizes can start from narrowed layers of the teacher.
pub(super) fn can_inherit(teacher: &BertConfig, student: &BertConfig) -> bool {
    teacher.pruned.is_empty()
        && teacher.embedding_size.is_none()
        && student.num_attention_heads == teacher.num_attention_heads
        && student.hidden_size <= teacher.hidden_size
        && student.intermediate_size <= teacher.intermediate_size
}

#[cfg(test)]
mod tests {
    use super::*;

    fn teacher(layers: usize, hidden: usize, heads: usize) -> BertConfig {
        BertConfig {
            num_hidden_layers: layers,
            hidden_size: hidden,
            num_attention_heads: heads,
            intermediate_size: 4 * hidden,
            ..preset(PRESETS[1]).unwrap()
        }
    }

    #[test]
    fn a_wide_teacher_gets_the_published_student() {
        for (layers, hidden) in [(12, 768), (6, 384)] {
            assert_eq!(student_sizes(&teacher(layers, hidden, 12)).unwrap(), preset(PRESETS[0]).unwrap());
        }
    }

    #[test]
    fn a_narrow_teacher_gets_a_narrower_student_that_inherits() {
        let demo = teacher(12, 120, 12);
        let sizes = student_sizes(&demo).unwrap();
        assert_eq!((sizes.num_hidden_layers, sizes.hidden_size, sizes.intermediate_size), (4, 96, 384));
        assert!(can_inherit(&demo, &sizes));
        let small = teacher(2, 48, 4);
        let sizes = student_sizes(&small).unwrap();
        assert_eq!((sizes.num_hidden_layers, sizes.hidden_size), (2, 36));
        assert!(can_inherit(&small, &sizes));
    }

    #[test]
    fn maps_end_at_the_last_layer() {
        assert_eq!(layer_map(4, 12), LayerMap::Uniform);
        assert_eq!(layer_map(4, 6), LayerMap::Explicit(vec![2, 3, 5, 6]));
        for (student, teacher) in [(4, 6), (3, 7), (5, 12)] {
            let map = layer_map(student, teacher).resolve(student, teacher).unwrap();
            assert_eq!(map.last(), Some(&teacher));
        }
    }
}
