//! Sessions: texts, pairs, ids, limits, self-tests, and how they refuse.

mod common;

use common::{embedding, mixed, multi_label, regression, three_layers, token_classification};
use tinybert_image::toy::{F32, INT8, PER_TOKEN_INPUTS, STATIC_INPUTS, SYMMETRIC, ToyLayer, calibrated};
use tinybert_image::{
    AlignedBytes, AttentionMode, Confidence, Config, ImageBuilder, InputQuantization, PerLinear, SelfTestData,
};
use tinybert_runtime::{Answer, Error, Input, Model, Reply};

fn with_session<T>(bytes: &[u8], ask: impl FnOnce(&mut tinybert_runtime::Session<'_, '_>) -> T) -> T {
    let model = Model::from_bytes(bytes).unwrap();
    let mut workspace = vec![0; model.config().workspace_bytes];
    ask(&mut model.session(&mut workspace).unwrap())
}

/// A reply that does not borrow the session.
fn owned(reply: Result<Reply<'_>, Error>) -> Result<(Vec<u32>, usize, bool), Error> {
    reply.map(|Reply { answer, tokens, truncated }| {
        let outputs = answer.outputs().iter().map(|x| x.to_bits()).collect();
        (outputs, tokens, truncated)
    })
}

#[test]
fn a_text_is_its_tokens() {
    let bytes = three_layers().build().unwrap();
    with_session(&bytes, |session| {
        let text = owned(session.run(Input::text("Play some JAZZ!"))).unwrap();
        let ids = owned(session.run(Input::ids(&[2, 5, 6, 7, 13, 3], &[0; 6]))).unwrap();
        assert_eq!(text, ids);
        assert_eq!((text.1, text.2), (6, false));
    });
}

#[test]
fn a_pair_has_two_token_types() {
    let bytes = three_layers().build().unwrap();
    with_session(&bytes, |session| {
        let pair = owned(session.run(Input::pair("turn on", "the lamp"))).unwrap();
        let ids =
            owned(session.run(Input::ids(&[2, 15, 12, 3, 9, 10, 11, 3], &[0, 0, 0, 0, 1, 1, 1, 1]))).unwrap();
        assert_eq!(pair, ids);
    });
}

#[test]
fn a_model_with_one_token_type_reads_no_pairs() {
    let mut builder = three_layers();
    builder.config.types = 1;
    builder.embeddings.types.truncate(builder.config.hidden);
    let bytes = builder.build().unwrap();
    with_session(&bytes, |session| {
        assert!(session.run(Input::text("turn on")).is_ok());
        assert_eq!(session.run(Input::pair("turn on", "the lamp")).err(), Some(Error::TokenId));
    });
}

#[test]
fn an_empty_text_is_only_its_special_tokens() {
    let bytes = three_layers().build().unwrap();
    with_session(&bytes, |session| {
        let empty = owned(session.run(Input::text(""))).unwrap();
        assert_eq!(empty, owned(session.run(Input::ids(&[2, 3], &[0; 2]))).unwrap());
        let pair = owned(session.run(Input::pair("", ""))).unwrap();
        assert_eq!(pair, owned(session.run(Input::ids(&[2, 3, 3], &[0, 0, 1]))).unwrap());
    });
}

#[test]
fn a_long_text_is_cut_and_the_reply_says_so() {
    let bytes = three_layers().build().unwrap();
    with_session(&bytes, |session| {
        let fits = owned(session.run(Input::text(&"jazz ".repeat(18)))).unwrap();
        assert_eq!((fits.1, fits.2), (20, false));
        let long = owned(session.run(Input::text(&"jazz ".repeat(500)))).unwrap();
        assert_eq!(long, (fits.0, 20, true));
    });
}

#[test]
fn answers_do_not_depend_on_what_was_asked_before() {
    let bytes = three_layers().build().unwrap();
    let fresh = with_session(&bytes, |session| owned(session.run(Input::text("the lamp"))));
    with_session(&bytes, |session| {
        owned(session.run(Input::text(&"play ".repeat(30)))).unwrap();
        assert_eq!(owned(session.run(Input::text("the lamp"))), fresh);
    });
}

#[test]
fn a_label_has_a_name_and_a_score_has_none() {
    let bytes = three_layers().build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    assert_eq!((model.label(2), model.label(3)), (Some("häufig"), None));
    with_session(&bytes, |session| {
        let Answer::Label { index, logits, accepted: true, .. } =
            session.run(Input::text("play")).unwrap().answer
        else {
            panic!()
        };
        assert!(logits.len() == 3 && logits.iter().all(|logit| *logit <= logits[index]));
    });
    let bytes = regression(three_layers()).build().unwrap();
    with_session(&bytes, |session| {
        assert!(
            matches!(session.run(Input::text("play")).unwrap().answer, Answer::Score(score) if score.is_finite())
        );
    });
}

#[test]
fn every_word_has_the_tag_of_its_first_token() {
    let bytes = token_classification(three_layers()).build().unwrap();
    with_session(&bytes, |session| {
        // Tokens: [CLS] turn the la ##mp on ! play ##ing [SEP]; a zero-width space has none.
        let text = "turn\tthe lamp on! \u{200b} playing ";
        let Answer::Tags(tags) = session.run(Input::text(text)).unwrap().answer else { panic!() };
        assert_eq!(tags.logits().len(), 10 * 3);
        let words: Vec<_> = tags.words().collect();
        assert!(
            words.iter().map(|word| &text[word.range.clone()]).eq(["turn", "the", "lamp", "on!", "playing"])
        );
        for (word, token) in words.iter().zip([1, 2, 3, 5, 7]) {
            assert_eq!(word.logits, &tags.logits()[token * 3..][..3]);
            assert!(word.logits.iter().all(|logit| *logit <= word.logits[word.tag]));
        }
    });
}

#[test]
fn words_that_were_cut_off_have_no_tag() {
    let bytes = token_classification(three_layers()).build().unwrap();
    with_session(&bytes, |session| {
        for (text, words) in [("play ".repeat(30), 18), ("the lamp ".repeat(15), 12), (String::new(), 0)] {
            let Answer::Tags(tags) = session.run(Input::text(&text)).unwrap().answer else { panic!() };
            assert_eq!(tags.words().count(), words, "{text}");
        }
        let Answer::Tags(tags) = session.run(Input::ids(&[2, 5, 3], &[0; 3])).unwrap().answer else {
            panic!()
        };
        assert_eq!((tags.logits().len(), tags.words().count()), (9, 0));
    });
}

#[test]
fn an_answer_has_every_label_whose_logit_reaches_the_threshold() {
    // The same weights answer one label: the logits are those of the classifier.
    let bytes = three_layers().build().unwrap();
    let expected = with_session(&bytes, |session| {
        session.run(Input::text("play some jazz")).unwrap().answer.outputs().to_vec()
    });
    // Equal, above and below; then as far as single precision tells them apart.
    let cases = [
        (expected.clone(), vec![0, 1, 2]),
        (vec![expected[0].next_up(), expected[1].next_down(), expected[2]], vec![1, 2]),
        (vec![f32::MAX; 3], vec![]),
    ];
    for (thresholds, labels) in cases {
        let mut builder = multi_label(three_layers());
        builder.head.thresholds = thresholds.clone();
        let bytes = builder.build().unwrap();
        with_session(&bytes, |session| {
            let Answer::Labels(set) = session.run(Input::text("play some jazz")).unwrap().answer else {
                panic!()
            };
            assert_eq!((set.logits(), set.thresholds()), (&expected[..], &thresholds[..]));
            assert_eq!(set.labels().collect::<Vec<_>>(), labels);
        });
    }
}

/// Layers of different sizes, as pruning leaves them, with weights and word rows in four bits among others.
#[test]
fn probability_and_acceptance_are_the_same_bits_on_every_instruction_set() {
    let plain = mixed(three_layers()).build().unwrap();
    let builder = calibrated(mixed(three_layers()));
    let bytes = builder.build().unwrap();
    let temperature = f64::from(builder.confidence.unwrap().temperature);
    let model = Model::from_bytes(&bytes).unwrap();
    let mut workspace = vec![0; model.max_workspace_bytes()];
    for text in ["play some jazz", "turn on the lamp", "", "the lamp the lamp"] {
        let logits =
            with_session(&plain, |session| session.run(Input::text(text)).unwrap().answer.outputs().to_vec());
        let mut expected = None;
        for kernels in common::all_kernels() {
            let model = model.with_kernels(kernels);
            let mut session = model.session(&mut workspace).unwrap();
            let answer = session.run(Input::text(text)).unwrap().answer;
            assert_eq!(answer.outputs(), logits, "the temperature changes no logit");
            let mut room = [0.0; 3];
            let probabilities: Vec<u32> =
                answer.probabilities(&mut room).iter().map(|probability| probability.to_bits()).collect();
            let Answer::Label { index, probability, accepted, .. } = answer else { panic!() };
            let total: f64 = logits.iter().map(|logit| (f64::from(*logit) / temperature).exp()).sum();
            let exact = (f64::from(logits[index]) / temperature).exp() / total;
            assert!((f64::from(probability) - exact).abs() < 1e-6, "{probability} and {exact}");
            assert_eq!(probability.to_bits(), probabilities[index]);
            assert_eq!(accepted, probability >= 0.75 && index != 1);
            let found = (index, probability.to_bits(), probabilities);
            assert_eq!(expected.get_or_insert_with(|| found.clone()), &found, "{kernels:?}");
        }
    }
}

#[test]
fn the_threshold_of_an_image_decides_which_answers_are_accepted() {
    let accepted = |confidence| {
        let bytes = ImageBuilder { confidence: Some(confidence), ..three_layers() }.build().unwrap();
        with_session(&bytes, |session| match session.run(Input::text("play some jazz")).unwrap().answer {
            Answer::Label { index, probability, accepted, .. } => (index, probability, accepted),
            other => panic!("{other:?}"),
        })
    };
    let open = Confidence::default();
    let (index, probability, all) = accepted(open);
    assert!(all && probability > 1.0 / 3.0 && probability < 1.0);
    let label = u32::try_from(index).unwrap();
    assert!(accepted(Confidence { threshold: probability, ..open }).2);
    assert!(!accepted(Confidence { threshold: probability.next_up(), ..open }).2);
    assert!(!accepted(Confidence { out_of_scope: Some(label), ..open }).2);
    assert!(accepted(Confidence { out_of_scope: Some((label + 1) % 3), ..open }).2);
    let (_, softer, _) = accepted(Confidence { temperature: 4.0, ..open });
    assert!(softer < probability);
}

#[test]
fn an_embedding_has_length_1() {
    let bytes = embedding(three_layers()).build().unwrap();
    with_session(&bytes, |session| {
        let Answer::Embedding(vector) = session.run(Input::text("play some jazz")).unwrap().answer else {
            panic!()
        };
        let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        assert!(vector.len() == 3 && (length - 1.0).abs() < 1e-6, "{vector:?}");
    });
}

#[test]
fn taggers_and_sentence_encoders_read_no_pairs() {
    for builder in [token_classification(three_layers()), embedding(three_layers())] {
        let bytes = builder.build().unwrap();
        with_session(&bytes, |session| {
            assert_eq!(session.run(Input::pair("turn on", "the lamp")).err(), Some(Error::Pair));
        });
    }
}

#[test]
fn ids_that_the_model_cannot_read_are_refused() {
    let bytes = three_layers().build().unwrap();
    with_session(&bytes, |session| {
        let mut error = |ids: &[u32], type_ids: &[u8]| session.run(Input::ids(ids, type_ids)).err();
        assert_eq!(error(&[], &[]), Some(Error::TokenCount { actual: 0, limit: 20 }));
        assert_eq!(error(&[2; 21], &[0; 21]), Some(Error::TokenCount { actual: 21, limit: 20 }));
        assert_eq!(error(&[2, 3], &[0]), Some(Error::TypeCount));
        assert_eq!(error(&[2, 16], &[0, 0]), Some(Error::TokenId));
        assert_eq!(error(&[2, u32::MAX], &[0, 0]), Some(Error::TokenId));
        assert_eq!(error(&[2, 3], &[0, 2]), Some(Error::TokenId));
        assert_eq!(error(&[2, 3], &[0, 1]), None);
    });
}

#[test]
fn the_workspace_is_exact_wherever_it_begins() {
    the_workspace_is_exact(&three_layers());
    the_workspace_is_exact(&common::mixed(three_layers()));
}

#[test]
fn the_workspace_has_room_for_the_logits_of_every_token() {
    // There are so many labels that nothing else needs as much memory.
    let mut builder = three_layers();
    builder.config.outputs = 500;
    builder.head.output.weights.resize(500 * 24, 1);
    builder.head.output.scale.resize(500, 0.1);
    builder.head.output.bias.resize(500, 0.0);
    builder.labels.resize(500, "x".into());
    let few = builder.config.workspace_bytes;
    let builder = token_classification(builder);
    assert!(builder.config.workspace_bytes > few + 4 * 20 * 500 - 20_000);
    the_workspace_is_exact(&builder);
}

fn the_workspace_is_exact(builder: &ImageBuilder) {
    let bytes = builder.build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let needed = model.workspace_bytes(20).unwrap();
    assert_eq!(model.config().workspace_bytes, needed);
    let mut memory = AlignedBytes::zeroed(needed + 64);
    for start in 0..64 {
        let mut session = model.session(&mut memory[start..start + needed]).unwrap();
        session.run(Input::text("turn the lamp on, play some jazz")).unwrap();
        let short = model.session(&mut memory[start..start + needed - 1]).err();
        assert_eq!(short, Some(Error::WorkspaceTooSmall { needed, actual: needed - 1 }));
    }
    assert_eq!(model.session(&mut []).err(), Some(Error::WorkspaceTooSmall { needed, actual: 0 }));
}

#[test]
fn what_an_image_states_of_the_workspace_is_not_believed() {
    let mut builder = three_layers();
    let needed = builder.config.workspace_bytes;
    for stated in [0, needed - 64, needed + 64, u32::MAX as usize] {
        builder.config.workspace_bytes = stated;
        let bytes = builder.build().unwrap();
        let model = Model::from_bytes(&bytes).unwrap();
        assert_eq!(model.max_workspace_bytes(), needed);
        assert!(model.session(&mut vec![0; needed]).is_ok());
    }
}

#[test]
fn a_smaller_workspace_takes_shorter_inputs() {
    let bytes = three_layers().build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let expected = with_session(&bytes, |session| owned(session.run(Input::text("play jazz on"))).unwrap());
    for tokens in 1..=20 {
        let mut workspace = vec![0; model.workspace_bytes(tokens).unwrap()];
        let mut session = model.session_for(tokens, &mut workspace).unwrap();
        assert_eq!(session.limit(), tokens);
        let reply = owned(session.run(Input::text("play jazz on")));
        match tokens {
            1..3 => assert!(matches!(reply, Err(Error::Encode(_)))),
            3..5 => assert_eq!((reply.clone().unwrap().1, reply.unwrap().2), (tokens, true)),
            _ => assert_eq!(reply.unwrap(), expected),
        }
        let full = vec![5; tokens];
        assert!(session.run(Input::ids(&full, &vec![0; tokens])).is_ok());
    }
    assert_eq!(model.workspace_bytes(21), None);
    assert!(model.session_for(0, &mut []).is_err() && model.session_for(21, &mut []).is_err());
}

fn tinybert_workspace(attention: AttentionMode, inputs: PerLinear<InputQuantization>) -> usize {
    let layer = ToyLayer { heads: 12, head_dim: 26, ffn: 1200, attention, inputs };
    let builder = common::toy_model(1, 312, &[layer; 4]);
    let config = Config { max_tokens: 128, positions: 512, ..builder.config };
    tinybert_runtime::workspace_bytes(&config, builder.layers.iter().map(|layer| layer.config), 128).unwrap()
}

#[test]
fn tinybert_4l_312_needs_at_most_380_kilobytes_for_128_tokens() {
    let fixed = tinybert_workspace(INT8, STATIC_INPUTS);
    assert!(fixed <= 380_000, "{fixed} bytes");
    let per_token = tinybert_workspace(INT8, PerLinear { attention_output: SYMMETRIC, ..PER_TOKEN_INPUTS });
    assert!(per_token <= 380_000, "{per_token} bytes");
}

#[test]
fn attention_in_f32_needs_four_times_the_queries_keys_and_values() {
    let inputs = STATIC_INPUTS;
    let more = tinybert_workspace(F32, inputs) - tinybert_workspace(INT8, inputs);
    // The int8 rows have room for 16 more elements; the scratch memories differ by a few kilobytes.
    assert!(more.abs_diff(128 * (4 * 936 - 952)) < 10_000, "{more} bytes more");
}

/// Self-tests with the outputs that this machine computes.
fn with_self_tests(mut builder: ImageBuilder) -> ImageBuilder {
    let bytes = builder.build().unwrap();
    let inputs = [vec![2, 5, 6, 7, 3], vec![2, 3], vec![2, 15, 12, 9, 10, 11, 13, 3]];
    builder.self_tests = with_session(&bytes, |session| {
        let mut test = |ids: &Vec<u32>| {
            let type_ids = vec![0; ids.len()];
            let (bits, ..) = owned(session.run(Input::ids(ids, &type_ids))).unwrap();
            SelfTestData {
                ids: ids.clone(),
                type_ids,
                outputs: bits.into_iter().map(f32::from_bits).collect(),
            }
        };
        inputs.iter().map(&mut test).collect()
    });
    builder
}

#[test]
fn self_tests_pass_on_the_model_that_made_them_and_on_every_instruction_set() {
    self_tests_pass(three_layers());
    self_tests_pass(token_classification(three_layers()));
    self_tests_pass(embedding(three_layers()));
    self_tests_pass(multi_label(three_layers()));
    self_tests_pass(common::mixed(three_layers()));
}

fn self_tests_pass(builder: ImageBuilder) {
    let bytes = with_self_tests(builder).build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let mut workspace = vec![0; model.config().workspace_bytes];
    for kernels in common::all_kernels() {
        assert_eq!(model.with_kernels(kernels).self_test(&mut workspace), Ok(3));
    }
    assert!(matches!(model.self_test(&mut workspace[1..]), Err(Error::WorkspaceTooSmall { .. })));
}

#[test]
fn a_self_test_notices_a_changed_weight() {
    let mut builder = with_self_tests(three_layers());
    let weight = &mut builder.layers[1].up.weights[0];
    *weight = if *weight > 0 { -100 } else { 100 };
    let bytes = builder.build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let mut workspace = vec![0; model.config().workspace_bytes];
    assert_eq!(model.self_test(&mut workspace), Err(Error::SelfTest { index: 0 }));
}

#[test]
fn a_self_test_notices_a_single_changed_output_bit() {
    let mut builder = with_self_tests(three_layers());
    let output = &mut builder.self_tests[2].outputs[1];
    *output = f32::from_bits(output.to_bits() ^ 1);
    let bytes = builder.build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let mut workspace = vec![0; model.config().workspace_bytes];
    assert_eq!(model.self_test(&mut workspace), Err(Error::SelfTest { index: 2 }));
}

#[test]
fn a_vocabulary_of_another_size_is_refused() {
    let mut builder = three_layers();
    builder.config.vocab = 15;
    builder.embeddings.word.scales.truncate(15);
    builder.embeddings.word.rows.truncate(15 * 24);
    let bytes = builder.build().unwrap();
    assert_eq!(Model::from_bytes(&bytes).err(), Some(Error::VocabularySize { rows: 15, pieces: 16 }));
}

#[test]
fn a_damaged_vocabulary_is_refused() {
    let mut builder = three_layers();
    builder.vocabulary.truncate(20);
    let bytes = builder.build().unwrap();
    assert!(matches!(Model::from_bytes(&bytes), Err(Error::Vocabulary(_))));
}

#[test]
fn sizes_beyond_the_kernels_are_refused_before_anything_runs() {
    let model = |head_dim| {
        let layer = ToyLayer { heads: 1, head_dim, ffn: 1, attention: INT8, inputs: PER_TOKEN_INPUTS };
        let vocabulary = three_layers().vocabulary;
        tinybert_image::toy::model(1, 1, 16, &vocabulary, &[layer]).build().unwrap()
    };
    // Queries, keys and values are one matrix; 3 · 21,845 is the last below 2^16.
    assert_eq!(Model::from_bytes(&model(21_845)).err(), None);
    assert_eq!(Model::from_bytes(&model(21_846)).err(), Some(Error::TooLarge));
}
