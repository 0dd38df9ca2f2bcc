//! The masked-LM head against Hugging Face transformers (numbers made by `reference/masked_lm.py`), and its
//! training.

use std::path::Path;

use candle_core::DType;

use tinybert_base::{Context, Error, Result};
use tinybert_data::{Batch, EncodedSet, Masking, Targets};
use tinybert_model::{Architecture, BertConfig, Checkpoint, Head, Tensors};
use tinybert_nn::{MaskedLm, Mode, Parameters};
use tinybert_testing::reference_values::{difference, ints, numbers, read, values, weights};
use tinybert_testing::toy;
use tinybert_train::{MaskedLmReport, MaskedLmSettings, Recipe, masked_lm};

/// The model, batch and targets of the reference.
fn reference() -> (serde_json::Value, BertConfig, Batch, Targets) {
    let reference = read("masked_lm.json");
    let config = BertConfig {
        architecture: Architecture::Bert,
        vocab_size: 30,
        hidden_size: 16,
        embedding_size: None,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        intermediate_size: 24,
        max_position_embeddings: 8,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        hidden_dropout_prob: 0.0,
        attention_probs_dropout_prob: 0.0,
        initializer_range: 0.02,
        pruned: Default::default(),
    };
    let lengths: Vec<usize> = ints(&reference["lengths"]).iter().map(|&n| n as usize).collect();
    let batch = Batch {
        ids: ints(&reference["ids"]),
        type_ids: ints(&reference["type_ids"]),
        samples: vec![0, 1],
        tokens: lengths[0],
        lengths,
        words: None,
    };
    let targets = Targets { positions: ints(&reference["positions"]), pieces: ints(&reference["pieces"]) };
    (reference, config, batch, targets)
}

#[test]
fn logits_loss_and_gradients_are_those_of_hugging_face() {
    let (reference, config, batch, targets) = reference();
    let tensors = weights(&reference);
    let frozen = MaskedLm::frozen(&config, &tensors).unwrap();
    let logits = frozen.logits(&batch, &targets.positions).unwrap();
    assert!(difference(&values(&logits), &numbers(&reference["logits"])) < 1e-5);

    for dtype in [DType::F32, DType::F64] {
        let tensors: Tensors =
            tensors.iter().map(|(name, t)| (name.clone(), t.to_dtype(dtype).unwrap())).collect();
        let parameters = Parameters::new(&tensors).unwrap();
        let model = MaskedLm::trainable(&config, &parameters).unwrap();
        let (output, loss) = model.loss(&batch, &targets, Mode::Eval).unwrap();
        assert!((values(&loss)[0] - reference["loss"].as_f64().unwrap()).abs() < 1e-5);
        let gradients = output.tape.backward(&loss).unwrap();
        for (name, expected) in reference["gradients"].as_object().unwrap() {
            let ours = values(gradients.get(parameters.get(name).unwrap()).unwrap());
            let gap = difference(&ours, &numbers(expected));
            assert!(gap < 1e-5, "{name}: {gap}");
        }
    }
}

#[test]
fn a_head_alone_learns_the_same_gradients_and_leaves_the_embeddings() {
    let (reference, config, batch, targets) = reference();
    let parameters = Parameters::new(&weights(&reference)).unwrap();
    let model = MaskedLm::head_only(&config, &parameters).unwrap();
    let (output, loss) = model.loss(&batch, &targets, Mode::Eval).unwrap();
    let gradients = output.tape.backward(&loss).unwrap();
    for (name, var) in parameters.iter() {
        assert_eq!(gradients.get(var).is_some(), name.starts_with("cls."), "{name}");
        if let Some(gradient) = gradients.get(var) {
            let gap = difference(&values(gradient), &numbers(&reference["gradients"][name]));
            assert!(gap < 1e-5, "{name}: {gap}");
        }
    }
}

#[test]
fn more_targets_than_a_chunk_have_the_mean_loss_of_each() {
    let (reference, config, batch, targets) = reference();
    let model = MaskedLm::frozen(&config, &weights(&reference)).unwrap();
    let many = Targets { positions: targets.positions.repeat(150), pieces: targets.pieces.repeat(150) };
    let (_, loss) = model.loss(&batch, &many, Mode::Eval).unwrap();
    assert!((values(&loss)[0] - reference["loss"].as_f64().unwrap()).abs() < 1e-5);
}

/// Sentences in which every word follows from the one before.
fn windows() -> EncodedSet {
    let words = ["the", "film", "was", "a", "play", "we", "saw", "today", "dull", "bad", "slow", "good"];
    let text = toy::text();
    let sentence =
        |start: usize| (0..8).map(|i| words[(start + i) % words.len()]).collect::<Vec<_>>().join(" ");
    (0..240).map(|start| text.encode(&sentence(start), None, 16).unwrap()).collect()
}

fn settings() -> MaskedLmSettings {
    MaskedLmSettings {
        train_encoder: true,
        masked_share: 0.25,
        max_tokens: 16,
        recipe: Recipe {
            epochs: 30,
            batch_size: 8,
            learning_rate: 5e-3,
            ..MaskedLmSettings::default().recipe
        },
        ..MaskedLmSettings::default()
    }
}

fn run(settings: &MaskedLmSettings, place: &Path) -> Result<MaskedLmReport> {
    let model = toy::model(&place.join("fresh"), &toy::config(1, 32), &Head::None);
    masked_lm(settings, &model, &windows(), &[], place.join("out"), &Context::default())
}

#[test]
fn an_encoder_and_its_head_learn_to_guess_and_load_again() {
    let place = tempfile::tempdir().unwrap();
    let guesses = run(&settings(), place.path()).unwrap().held_out.unwrap();
    assert!(guesses.accuracy > 0.8, "{guesses:?}");
    let out = place.path().join("out");
    let trained = Checkpoint::load(&out).unwrap();
    assert_eq!(trained.head, Head::MaskedLm);
    // The model can be trained further, and the training starts from what was learned.
    let more = MaskedLmSettings {
        train_encoder: false,
        recipe: Recipe { epochs: 1, ..settings().recipe },
        ..settings()
    };
    let again =
        masked_lm(&more, &trained, &windows(), &[], place.path().join("more"), &Context::default()).unwrap();
    assert!(again.held_out.unwrap().accuracy > 0.8, "{again:?}");
}

#[test]
fn windows_of_unknown_pieces_alone_stop_no_run() {
    let place = tempfile::tempdir().unwrap();
    let model = toy::model(&place.path().join("fresh"), &toy::config(1, 32), &Head::None);
    let text = toy::text();
    let unknown = || text.encode("\u{1f600}", None, 16).unwrap();
    // Enough for whole batches, which take windows of one length together, and for some that are held out.
    let word = |sample: usize| text.encode(["film", "play"][sample % 2], None, 16).unwrap();
    let mixed: EncodedSet = (0..200).map(|at| if at % 3 == 0 { word(at) } else { unknown() }).collect();
    let settings = MaskedLmSettings { recipe: Recipe { epochs: 1, ..settings().recipe }, ..settings() };
    let report =
        masked_lm(&settings, &model, &mixed, &[], place.path().join("out"), &Context::default()).unwrap();
    assert!(report.held_out.unwrap().loss.is_finite());
    // The same text without them is the same run.
    let clean: EncodedSet = (0..200).filter(|at| at % 3 == 0).map(word).collect();
    masked_lm(&settings, &model, &clean, &[], place.path().join("clean"), &Context::default()).unwrap();
    assert_eq!(toy::bits(&place.path().join("out")), toy::bits(&place.path().join("clean")));

    let nothing: EncodedSet = (0..4).map(|_| unknown()).collect();
    let error = masked_lm(&settings, &model, &nothing, &[], place.path().join("no"), &Context::default())
        .unwrap_err();
    assert!(matches!(&error, Error::Input(what) if what.contains("model's language")), "{error}");
}

#[test]
fn a_head_alone_leaves_every_other_tensor_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let report = run(
        &MaskedLmSettings {
            train_encoder: false,
            recipe: Recipe { epochs: 2, ..settings().recipe },
            ..settings()
        },
        place.path(),
    )
    .unwrap();
    assert!(report.held_out.unwrap().loss.is_finite());
    let (before, after) = (toy::bits(&place.path().join("fresh")), toy::bits(&place.path().join("out")));
    for tensor in &before {
        assert!(after.contains(tensor), "{} has changed", tensor.0);
    }
    assert_eq!(after.len(), before.len() + 5);
}

#[test]
fn one_seed_gives_one_head_on_any_number_of_threads() {
    let bits = |threads: usize| {
        let place = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            run(
                &MaskedLmSettings { recipe: Recipe { epochs: 1, ..settings().recipe }, ..settings() },
                place.path(),
            )
        })
        .unwrap();
        toy::bits(&place.path().join("out"))
    };
    assert_eq!(bits(1), bits(3));
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let place = tempfile::tempdir().unwrap();
    for (settings, expected) in [
        (MaskedLmSettings { recipe: Recipe { epochs: 0, ..settings().recipe }, ..settings() }, "at least 1"),
        (MaskedLmSettings { masked_share: 1.0, ..settings() }, "masked share 1"),
        (MaskedLmSettings { max_tokens: 17, ..settings() }, "expected 3 to 16"),
    ] {
        let error = run(&settings, place.path()).unwrap_err();
        assert!(matches!(&error, Error::Usage(what) if what.contains(expected)), "{error}");
    }
}

/// Pieces of words and parts of words; `a b ##c ##d e` over and over.
fn masking(share: f64, whole_words: bool) -> (Masking, Batch) {
    let pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##c", "##d", "e"];
    let text = tinybert_model::TextEncoder::from_pieces(pieces.map(String::from).to_vec(), true).unwrap();
    let ids: Vec<u32> = [2].into_iter().chain([5, 6, 7, 8, 9].repeat(8)).chain([3]).collect();
    let batch = Batch {
        type_ids: vec![0; 4 * 42],
        lengths: vec![42, 42, 42, 7],
        samples: vec![10, 11, 12, 13],
        tokens: 42,
        ids: ids.repeat(4),
        words: None,
    };
    (Masking::new(&text, share, whole_words, 7).unwrap(), batch)
}

#[test]
fn masks_follow_seed_step_and_sample_and_hide_the_share_they_should() {
    let (masking, batch) = masking(0.15, false);
    let (masked, targets) = masking.apply(&batch, 3);
    assert_eq!(masking.apply(&batch, 3), (masked.clone(), targets.clone()));
    assert_ne!(masking.apply(&batch, 4).1, targets);
    // A sample's mask does not depend on its company.
    let alone = Batch {
        ids: batch.ids[42..84].to_vec(),
        type_ids: vec![0; 42],
        lengths: vec![42],
        samples: vec![11],
        tokens: 42,
        words: None,
    };
    let (single, _) = masking.apply(&alone, 3);
    assert_eq!(single.ids, masked.ids[42..84]);
    // 6 of 40 pieces, three times; 1 of 6 in the short row, none behind its end.
    assert_eq!(targets.positions.len(), 3 * 6 + 1);
    assert!(targets.positions.iter().all(|&at| at < 126 + 7));
    for (&at, &piece) in targets.positions.iter().zip(&targets.pieces) {
        assert_eq!(batch.ids[at as usize], piece);
        assert!(piece > 4, "special pieces are never hidden");
    }
    let changed = |at: &u32| masked.ids[*at as usize] != batch.ids[*at as usize];
    let elsewhere = (0..168u32).filter(|at| !targets.positions.contains(at));
    assert_eq!(elsewhere.filter(changed).count(), 0);
}

#[test]
fn eight_in_ten_targets_are_masked_one_is_another_piece_and_one_stays() {
    let (masking, batch) = masking(0.5, false);
    let (mut masks, mut same, mut all) = (0.0, 0.0, 0.0);
    for step in 0..400 {
        let (masked, targets) = masking.apply(&batch, step);
        for (&at, &piece) in targets.positions.iter().zip(&targets.pieces) {
            let now = masked.ids[at as usize];
            masks += f64::from(u8::from(now == 4));
            same += f64::from(u8::from(now == piece));
            all += 1.0;
            assert!(now > 3, "no special piece but the mask is put in");
        }
    }
    // About 25,000 draws; another piece is the same by chance in one case of five.
    assert!((masks / all - 0.8).abs() < 0.01, "{masks} of {all}");
    assert!((same / all - 0.12).abs() < 0.01, "{same} of {all}");
}

#[test]
fn whole_words_are_hidden_whole() {
    let (masking, batch) = masking(0.3, true);
    let (_, targets) = masking.apply(&batch, 1);
    for (at, piece) in targets.positions.iter().zip(&targets.pieces) {
        if [6, 7].contains(piece) && (at + 1) % 42 < 41 && (at + 1 < 126 || (at + 1) % 42 < 6) {
            assert!(
                targets.positions.contains(&(at + 1)),
                "piece {piece} at {at} is hidden without its rest"
            );
        }
    }
    assert!(targets.pieces.contains(&8));
}
