//! Entities of tagged texts, and places from which words and entities go on.

use tinybert_image::toy::{INT8, PIECES, STATIC_INPUTS, ToyLayer, model, token_classification};
use tinybert_runtime::{Answer, EntityStep, EntityTags, Model, TagPlace, Tags};
use tinybert_tokenizer::{Options, pack};

const LABELS: [&str; 7] = ["O", "B-artist", "I-artist", "B-room", "I-room", "E-room", "S-room"];

/// Calls `check` with the answer that gives the words of `text`, each of which is one token, these tags.
fn with_tags(text: &str, tags: &[&str], check: impl FnOnce(Tags<'_>)) {
    let layer = ToyLayer { heads: 2, head_dim: 4, ffn: 12, attention: INT8, inputs: STATIC_INPUTS };
    let vocabulary = pack(&PIECES, Options::UNCASED).unwrap();
    let mut builder = token_classification(model(1, 8, PIECES.len(), &vocabulary, &[layer]));
    builder.labels = LABELS.map(String::from).to_vec();
    builder.config.outputs = LABELS.len();
    builder.head.output.weights.resize(LABELS.len() * 8, 0);
    builder.head.output.bias.resize(LABELS.len(), 0.0);
    builder.head.output.scale.resize(LABELS.len(), 1.0);
    let image = builder.build().unwrap();
    let model = Model::from_bytes(&image).unwrap();
    // Those of [CLS] and [SEP] would be an artist, if anybody read them.
    let rows = ["B-artist"].iter().chain(tags).chain(&["I-artist"]);
    let logits: Vec<f32> =
        rows.flat_map(|tag| LABELS.map(|label| if label == *tag { 2.0 } else { 0.0 })).collect();
    match model.answer(&logits, text).unwrap() {
        Answer::Tags(tags) => check(tags),
        other => panic!("{other:?}"),
    }
}

fn found<'t>(text: &'t str, tags: Tags<'t>) -> Vec<(&'t str, &'t str)> {
    tags.entities().map(|entity| (entity.kind, &text[entity.range])).collect()
}

/// The steps of tags: the type where an entity begins, "+" where it goes on, "" outside.
fn steps<'l>(tags: &[&'l str]) -> Vec<&'l str> {
    let mut reader = EntityTags::default();
    tags.iter()
        .map(|tag| match reader.read(tag) {
            EntityStep::Outside => "",
            EntityStep::Begins(kind) => kind,
            EntityStep::Continues => "+",
        })
        .collect()
}

#[test]
fn tags_that_belong_together_are_one_entity() {
    // The examples are those of the CoNLL evaluation's rules.
    assert_eq!(steps(&["B-a", "I-a", "O", "I-a", "I-b", "B-b"]), ["a", "+", "", "a", "b", "b"]);
    assert_eq!(steps(&["B-a", "E-a", "I-a", "S-a", "E-a", "E-a"]), ["a", "+", "a", "a", "a", "a"]);
    assert_eq!(steps(&["I-a-b", "I-a-b", "I-a", "O", "I-a"]), ["a-b", "+", "a", "", "a"]);
}

#[test]
fn an_entity_has_the_bytes_from_its_first_word_to_its_last() {
    let text = " play  some\tjazz the on ";
    with_tags(text, &["B-artist", "I-artist", "I-room", "O", "S-room"], |tags| {
        assert_eq!(found(text, tags), [("artist", "play  some"), ("room", "jazz"), ("room", "on")]);
    });
    with_tags(text, &["O", "O", "B-room", "I-room", "E-room"], |tags| {
        assert_eq!(found(text, tags), [("room", "jazz the on")]);
    });
    with_tags(text, &["O"; 5], |tags| assert_eq!(tags.entities().count(), 0));
    with_tags("", &[], |tags| assert_eq!(tags.entities().count() + tags.words().count(), 0));
}

#[test]
fn words_and_entities_go_on_from_a_place() {
    let text = "play some jazz the on";
    with_tags(text, &["B-artist", "I-artist", "B-artist", "O", "S-room"], |tags| {
        let (words, entities): (Vec<_>, Vec<_>) = (tags.words().collect(), tags.entities().collect());
        assert_eq!((words.len(), entities.len()), (5, 3));
        let (mut at_word, mut at_entity) = (TagPlace::default(), TagPlace::default());
        for word in words {
            let mut rest = tags.words_from(at_word);
            assert_eq!(rest.next(), Some(word));
            at_word = rest.place();
        }
        for entity in entities {
            let mut rest = tags.entities_from(at_entity);
            assert_eq!(rest.next(), Some(entity));
            at_entity = rest.place();
        }
        for end in [at_word, at_entity, TagPlace { bytes: 400, tokens: 0 }] {
            assert_eq!(tags.words_from(end).count() + tags.entities_from(end).count(), 0);
        }
        let beyond = TagPlace { bytes: 0, tokens: usize::MAX };
        assert_eq!(tags.words_from(beyond).count(), 0);
    });
}

#[test]
fn a_tag_has_the_softmax_of_its_logits_as_probability() {
    with_tags("play", &["B-room"], |tags| {
        let expected = 2f64.exp() / (2f64.exp() + LABELS.len() as f64 - 1.0);
        let word = tags.words().next().unwrap();
        assert!(word.tag == 3 && (f64::from(word.probability()) - expected).abs() < 1e-6);
    });
}
