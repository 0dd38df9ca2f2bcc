//! MPNet against Hugging Face transformers (numbers made by `reference/mpnet.py`), and as a teacher.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use candle_core::Tensor;
use serde_json::{Value, json};

use tinybert_base::{Context, FileHash};
use tinybert_data::metrics::MetricSet;
use tinybert_data::{Batch, Targets, collate};
use tinybert_distill::{EncodedCorpus, GeneralSettings, StageRecipe, TaskSettings};
use tinybert_model::{
    Architecture, BertConfig, Checkpoint, Head, Tensors, TextEncoder, embeddings_from_teacher,
};
use tinybert_nn::{Bert, MaskedLm, Mode, Parameters, TaskModel, init_parameters};
use tinybert_testing::reference_values::{
    assert_agrees, difference, ints, numbers, read, sample_difference, values, weights,
};
use tinybert_testing::runs::with_data;
use tinybert_testing::toy;
use tinybert_train::{FineTune, Output, Recipe, TaskData, fine_tune};

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// BERT's pieces of the tiny model: the special ones and 40 words.
fn pieces() -> Vec<String> {
    SPECIAL.map(String::from).into_iter().chain((0..40).map(|i| format!("word{i}"))).collect()
}

/// The tiny model as transformers would save it.
fn tiny_folder(reference: &Value) -> tempfile::TempDir {
    let head = json!({ "id2label": { "0": "a", "1": "b", "2": "c" } });
    folder_of(reference, "MPNetForSequenceClassification", &pieces(), 34, head)
}

/// The folder of a model of hidden 16 over BERT's `pieces`.
fn folder_of(
    reference: &Value,
    class: &str,
    pieces: &[String],
    positions: usize,
    more: Value,
) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    let vocabulary =
        ["<s>", "<pad>", "</s>", "<unk>"].map(String::from).into_iter().chain(pieces.iter().cloned());
    write("vocab.txt", vocabulary.chain(["<mask>".into()]).map(|piece| piece + "\n").collect());
    write(
        "tokenizer_config.json",
        json!({ "tokenizer_class": "MPNetTokenizer", "do_lower_case": true }).to_string(),
    );
    let layers = if class.contains("MaskedLM") { 1 } else { 2 };
    let mut config = json!({
        "model_type": "mpnet", "architectures": [class], "vocab_size": pieces.len() + 5,
        "hidden_size": 16, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 24,
        "max_position_embeddings": positions, "layer_norm_eps": 1e-5, "hidden_act": "gelu",
        "relative_attention_num_buckets": 32,
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    write("config.json", config.to_string());
    let tensors = weights(reference);
    safetensors::serialize_to_file(&tensors, None, &folder.path().join("model.safetensors")).unwrap();
    folder
}

/// Our name of a tensor of transformers' MPNet.
fn canonical(name: &str) -> String {
    let parts = [
        ("mpnet.", "bert."),
        ("attn.q.", "self.query."),
        ("attn.k.", "self.key."),
        ("attn.v.", "self.value."),
        ("attn.o.", "output.dense."),
        ("attention.LayerNorm", "attention.output.LayerNorm"),
        ("classifier.dense", "bert.pooler.dense"),
        ("classifier.out_proj", "classifier"),
    ];
    parts.into_iter().fold(name.to_owned(), |name, (theirs, ours)| name.replace(theirs, ours))
}

#[test]
fn tiny_model_agrees_with_hugging_face_in_outputs_and_gradients() {
    let reference = read("mpnet_tiny.json");
    let checkpoint = Checkpoint::load(tiny_folder(&reference).path()).unwrap();
    assert_eq!(checkpoint.text.pieces(), pieces());
    assert_eq!((checkpoint.config.vocab_size, checkpoint.config.max_position_embeddings), (45, 32));
    let lengths: Vec<usize> = ints(&reference["lengths"]).iter().map(|&n| n as usize).collect();
    let batch = Batch {
        ids: ints(&reference["ids"]),
        type_ids: ints(&reference["type_ids"]),
        samples: vec![0, 1],
        tokens: lengths[0],
        lengths,
        words: None,
    };
    let parameters = Parameters::new(&checkpoint.tensors).unwrap();
    let model = TaskModel::trainable(&checkpoint.config, &checkpoint.head, &parameters).unwrap();
    let (output, logits) = model.forward(&batch, Mode::Eval).unwrap();
    assert_agrees(&reference, &parameters, canonical, &output, &logits);
}

#[test]
fn the_masked_lm_head_agrees_with_hugging_face_and_is_saved_by_its_names() {
    let reference = read("mpnet_masked_lm.json");
    let folder = folder_of(&reference, "MPNetForMaskedLM", &pieces()[..25], 10, json!({}));
    let checkpoint = Checkpoint::load(folder.path()).unwrap();
    assert_eq!(checkpoint.head, Head::MaskedLm);
    let batch = Batch {
        ids: ints(&reference["ids"]),
        type_ids: ints(&reference["type_ids"]),
        lengths: vec![6, 4],
        samples: vec![0, 1],
        tokens: 6,
        words: None,
    };
    let targets = Targets { positions: ints(&reference["positions"]), pieces: ints(&reference["pieces"]) };
    let model = MaskedLm::frozen(&checkpoint.config, &checkpoint.tensors).unwrap();
    let logits = model.logits(&batch, &targets.positions).unwrap();
    assert!(difference(&values(&logits), &numbers(&reference["logits"])) < 1e-5);
    let (_, loss) = model.loss(&batch, &targets, Mode::Eval).unwrap();
    assert!((values(&loss)[0] - reference["loss"].as_f64().unwrap()).abs() < 1e-5);

    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let Checkpoint { config, head, tensors, text, .. } = &checkpoint;
    tinybert_model::save(&out, config, head, tensors, text, &toy::record()).unwrap();
    let stored =
        candle_core::safetensors::load(out.join("model.safetensors"), &candle_core::Device::Cpu).unwrap();
    let names: BTreeSet<&String> = stored.keys().collect();
    assert_eq!(names, reference["weights"].as_object().unwrap().keys().collect());
}

#[test]
fn a_saved_model_has_the_names_of_transformers_and_loads_again() {
    let reference = read("mpnet_tiny.json");
    let checkpoint = Checkpoint::load(tiny_folder(&reference).path()).unwrap();
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let Checkpoint { config, head, tensors, text, .. } = &checkpoint;
    tinybert_model::save(&out, config, head, tensors, text, &toy::record()).unwrap();

    let stored =
        candle_core::safetensors::load(out.join("model.safetensors"), &candle_core::Device::Cpu).unwrap();
    let theirs: Vec<&str> = reference["weights"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut names: Vec<&str> = stored.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, {
        let mut theirs = theirs;
        theirs.sort_unstable();
        theirs
    });
    let json: Value = serde_json::from_slice(&fs::read(out.join("config.json")).unwrap()).unwrap();
    for (key, value) in [
        ("model_type", json!("mpnet")),
        ("architectures", json!(["MPNetForSequenceClassification"])),
        ("vocab_size", json!(50)),
        ("max_position_embeddings", json!(34)),
        ("pad_token_id", json!(1)),
    ] {
        assert_eq!(json[key], value, "{key}");
    }
    assert_eq!(fs::read_to_string(out.join("vocab.txt")).unwrap().lines().count(), 50);

    let again = Checkpoint::load(&out).unwrap();
    assert_eq!((&again.config, &again.head), (config, head));
    let values = |tensors: &Tensors| -> BTreeMap<String, Vec<f32>> {
        let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
        tensors.iter().map(|(name, tensor)| (name.clone(), values(tensor))).collect()
    };
    assert_eq!(values(&again.tensors), values(tensors));
    assert_eq!(
        again
            .hashes()
            .unwrap()
            .iter()
            .map(|FileHash { path, .. }| Path::new(path).file_name().unwrap().to_owned())
            .collect::<Vec<_>>(),
        ["config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"]
    );
}

#[test]
fn a_bare_encoder_may_still_carry_the_name_of_the_masked_lm_it_was_made_of() {
    let reference = read("mpnet_tiny.json");
    let folder = tiny_folder(&reference);
    let path = folder.path().join("config.json");
    let config =
        fs::read_to_string(&path).unwrap().replace("MPNetForSequenceClassification", "MPNetForMaskedLM");
    fs::write(&path, config).unwrap();
    assert_eq!(Checkpoint::load(folder.path()).unwrap().head, Head::None);
}

#[test]
fn another_number_of_relative_positions_is_refused() {
    let folder = tiny_folder(&read("mpnet_tiny.json"));
    let path = folder.path().join("config.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("buckets\":32", "buckets\":16")).unwrap();
    let error = Checkpoint::load(folder.path()).err().unwrap();
    assert!(error.to_string().contains("relative_attention_num_buckets"), "{error}");
}

/// A fresh MPNet encoder over the toy vocabulary.
fn toy_mpnet(place: &Path) -> Checkpoint {
    let text = toy::text();
    let config = BertConfig { architecture: Architecture::MpNet(text.special()), ..toy::config(4, 32) };
    let tensors = init_parameters(&config, &Head::None, 5).unwrap();
    tinybert_model::save(place, &config, &Head::None, &tensors, &text, &toy::record()).unwrap();
    Checkpoint::load(place).unwrap()
}

/// Fine-tuning by this recipe, with the sizes of the toy task.
fn fine_tuning(recipe: Recipe) -> FineTune {
    FineTune { recipe: Recipe { batch_size: 8, ..recipe }, max_tokens: 16, ..FineTune::default() }
}

#[test]
fn a_student_of_berts_kind_learns_a_task_from_a_fine_tuned_mpnet() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let (train, dev) = (toy::sentences(200, 1), toy::sentences(60, 2));
    let data = TaskData { train: &train, dev: &dev, metrics: MetricSet::Accuracy };
    let settings = fine_tuning(Recipe { epochs: 4, learning_rate: 1e-3, ..Recipe::default() });
    let report =
        fine_tune(&settings, &toy_mpnet(&at("fresh")), &data, at("teacher"), &Context::default()).unwrap();
    assert!(report.dev.primary() > 0.9, "{report:?}");
    let teacher = Checkpoint::load(&at("teacher")).unwrap();
    assert!(matches!(teacher.config.architecture, Architecture::MpNet(_)));

    let student = toy::model(&at("student"), &toy::config(2, 16), &Head::None);
    let defaults = TaskSettings::default();
    let stage = |stage, epochs| StageRecipe { epochs, batch_size: 8, learning_rate: 2e-3, ..stage };
    let settings = TaskSettings {
        intermediate: stage(defaults.intermediate.clone(), 4),
        prediction: stage(defaults.prediction.clone(), 4),
        max_tokens: 16,
        ..defaults
    };
    let report =
        tinybert_distill::distill_task(&settings, &teacher, &student, &data, at("out"), &Context::default())
            .unwrap();
    assert!(report.dev.primary() >= report.teacher.as_ref().unwrap().primary() - 0.1, "{report:?}");
    assert_eq!(Checkpoint::load(&at("out")).unwrap().config.architecture, Architecture::Bert);
}

#[test]
fn fine_tuning_mpnet_in_parts_is_fine_tuning_it() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let settings = fine_tuning(Recipe { epochs: 2, ..Recipe::default() });
    let model = toy_mpnet(&at("fresh"));
    let train = |output: Output, context: &Context| {
        with_data(|data| fine_tune(&settings, &model, data, output, context)).map(drop)
    };
    train(at("whole").into(), &Context::default()).unwrap();
    let error = train(at("parts").into(), &toy::StopAfter::new(4).context()).unwrap_err();
    assert_eq!(error.exit_code(), 130, "{error}");
    let resumed = Output { resume: true, ..Output::from(at("parts")) };
    train(resumed, &Context::default()).unwrap();
    assert_eq!(toy::bits(&at("parts")), toy::bits(&at("whole")));
}

#[test]
fn the_general_stage_takes_mpnet_as_teacher_and_inherits_from_it_but_not_as_student() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let teacher = toy_mpnet(&at("teacher"));
    let student = toy::model(&at("student"), &toy::config(2, 16), &Head::None);
    let words = toy::sentences(40, 3);
    let windows = words.examples.iter().map(|e| student.text.encode(&e.text, None, 16).unwrap()).collect();
    let corpus = EncodedCorpus { windows: &windows, texts: None, sources: &[] };
    for inherit in [false, true] {
        let settings = GeneralSettings {
            inherit,
            max_tokens: 16,
            recipe: Recipe { epochs: 2, batch_size: 8, micro_batch: 8, ..GeneralSettings::default().recipe },
            ..Default::default()
        };
        tinybert_distill::distill_general(
            &settings,
            &teacher,
            &student,
            &corpus,
            at("out"),
            &Context::default(),
        )
        .unwrap();
        let error = tinybert_distill::distill_general(
            &settings,
            &student,
            &teacher,
            &corpus,
            at("other"),
            &Context::default(),
        )
        .unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
    }
    let tables = embeddings_from_teacher(&teacher, &student.config).unwrap();
    assert_eq!(tables["bert.embeddings.word_embeddings.weight"].dims(), [student.config.vocab_size, 16]);
}

#[test]
fn a_students_folder_has_berts_vocabulary_whatever_its_teachers() {
    let place = tempfile::tempdir().unwrap();
    toy_mpnet(place.path());
    let text = TextEncoder::from_folder(place.path()).unwrap();
    assert_eq!(text.pieces(), toy::text().pieces());
    let out = place.path().join("student");
    let config = toy::config(1, 8);
    let tensors = init_parameters(&config, &Head::None, 1).unwrap();
    tinybert_model::save(&out, &config, &Head::None, &tensors, &text, &toy::record()).unwrap();
    let vocabulary = fs::read_to_string(out.join("vocab.txt")).unwrap();
    assert!(vocabulary.starts_with("[PAD]\n") && !vocabulary.contains("<mask>"));
}

#[test]
fn all_mpnet_base_v2_agrees_with_hugging_face() {
    let Ok(folder) = std::env::var("TINYBERT_MPNET") else {
        println!("skipped: set TINYBERT_MPNET to a folder with all-mpnet-base-v2");
        return;
    };
    let checkpoint = Checkpoint::load(Path::new(&folder)).unwrap();
    let model = Bert::frozen(&checkpoint.config, &checkpoint.tensors).unwrap();
    let mut largest = 0.0f64;
    for case in read("mpnet_base.json")["cases"].as_array().unwrap() {
        let encoded = checkpoint.text.encode(case["text"].as_str().unwrap(), None, 512).unwrap();
        // The words are the same: ids are shifted by 4, and special tokens have their own.
        let own: Vec<u32> = encoded
            .ids
            .iter()
            .map(|&id| match id {
                101 => 0,
                102 => 2,
                id => id + 4,
            })
            .collect();
        assert_eq!(own, ints(&case["own_ids"]));
        let output = model.forward(&collate(&[encoded], &[0], 0), Mode::Eval).unwrap();
        largest = largest.max(sample_difference(&output, case));
    }
    println!("largest difference from transformers: {largest:.1e}");
    assert!(largest < 1e-4, "{largest}");
}
