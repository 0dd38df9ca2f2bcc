//! DistilBERT, ELECTRA, RoBERTa and XLM-RoBERTa against Hugging Face transformers (numbers made by
//! `reference/families.py`), and as teachers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::{Value, json};

use tinybert_base::Context;
use tinybert_data::metrics::MetricSet;
use tinybert_data::{Batch, Targets};
use tinybert_distill::{StageRecipe, TaskSettings};
use tinybert_model::{Architecture, BertConfig, Checkpoint, Head, Tensors};
use tinybert_nn::{Bert, MaskedLm, Mode, Parameters, TaskModel, init_parameters};
use tinybert_testing::reference_values::{assert_agrees, difference, ints, numbers, read, values};
use tinybert_testing::toy;
use tinybert_train::{FineTune, Recipe, TaskData, fine_tune};

const FAMILIES: [&str; 4] = ["distilbert", "electra", "roberta", "xlm_roberta"];
const HEADS: [&str; 4] = ["ForSequenceClassification", "Regression", "ForTokenClassification", "ForMaskedLM"];

/// Tensors by name from their JSON, with a prefix before their names.
fn tensors(prefix: &str, stored: &Value) -> Tensors {
    let weights = json!({ "weights": stored });
    let named = tinybert_testing::reference_values::weights(&weights).into_iter();
    named.map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
}

/// The tokenizer files of a family: 30 pieces of BERT's, or the tokenizers of `own_pieces.json`.
fn write_tokenizer(family: &str, folder: &Path) {
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    let own = match family {
        "roberta" => "bpe",
        "xlm_roberta" => "unigram",
        _ => {
            let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(String::from);
            let pieces = special.into_iter().chain((0..25).map(|i| format!("word{i}")));
            return write("vocab.txt", pieces.map(|piece| piece + "\n").collect());
        }
    };
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        write(file, read("own_pieces.json")[own][file].to_string());
    }
}

/// The model with one of the heads, or none, as transformers saves it.
fn folder_of(family: &str, head: Option<&str>) -> tempfile::TempDir {
    let reference = read(&format!("{family}.json"));
    let folder = tempfile::tempdir().unwrap();
    write_tokenizer(family, folder.path());
    let mut config = reference["config"].clone();
    let mut stored = match head {
        // A bare encoder has no prefix.
        None => tensors("", &reference["encoder"]),
        Some(_) => tensors(&format!("{}.", reference["prefix"].as_str().unwrap()), &reference["encoder"]),
    };
    if let Some(head) = head {
        let head = &reference["heads"][head];
        config["architectures"] = json!([head["class"]]);
        config.as_object_mut().unwrap().extend(head["config"].as_object().unwrap().clone());
        stored.extend(tensors("", &head["weights"]));
    }
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    safetensors::serialize_to_file(&stored, None, &folder.path().join("model.safetensors")).unwrap();
    folder
}

/// The batch of the reference.
fn batch_of(reference: &Value) -> Batch {
    Batch {
        ids: ints(&reference["ids"]),
        type_ids: ints(&reference["type_ids"]),
        lengths: vec![6, 4],
        samples: vec![0, 1],
        tokens: 6,
        words: None,
    }
}

/// Our name of a tensor of any of the families.
fn canonical(name: &str) -> String {
    let parts = [
        ("distilbert.", "bert."),
        ("electra.", "bert."),
        ("roberta.", "bert."),
        ("transformer.layer", "encoder.layer"),
        ("attention.q_lin", "attention.self.query"),
        ("attention.k_lin", "attention.self.key"),
        ("attention.v_lin", "attention.self.value"),
        ("attention.out_lin", "attention.output.dense"),
        ("sa_layer_norm", "attention.output.LayerNorm"),
        ("ffn.lin1", "intermediate.dense"),
        ("ffn.lin2", "output.dense"),
        ("output_layer_norm", "output.LayerNorm"),
        ("pre_classifier", "bert.pooler.dense"),
        ("classifier.dense", "bert.pooler.dense"),
        ("classifier.out_proj", "classifier"),
    ];
    parts.into_iter().fold(name.to_owned(), |name, (theirs, ours)| name.replace(theirs, ours))
}

#[test]
fn classifiers_agree_with_hugging_face_in_states_scores_logits_and_gradients() {
    for family in FAMILIES {
        let mut reference = read(&format!("{family}.json"));
        let head = reference["heads"]["ForSequenceClassification"].clone();
        for key in ["logits", "loss", "gradients"] {
            reference[key] = head[key].clone();
        }
        let checkpoint =
            Checkpoint::load(folder_of(family, Some("ForSequenceClassification")).path()).unwrap();
        assert_eq!(
            checkpoint.head,
            Head::Classification { labels: ["a", "b", "c"].map(String::from).into() }
        );
        let parameters = Parameters::new(&checkpoint.tensors).unwrap();
        let model = TaskModel::trainable(&checkpoint.config, &checkpoint.head, &parameters).unwrap();
        let (output, logits) = model.forward(&batch_of(&reference), Mode::Eval).unwrap();
        assert_agrees(&reference, &parameters, canonical, &output, &logits);
    }
}

#[test]
fn other_heads_agree_with_hugging_face() {
    for family in FAMILIES {
        let reference = read(&format!("{family}.json"));
        let batch = batch_of(&reference);
        for (name, kind) in [("Regression", "regression"), ("ForTokenClassification", "token classification")]
        {
            let Checkpoint { config, head, tensors, .. } =
                Checkpoint::load(folder_of(family, Some(name)).path()).unwrap();
            assert_eq!(head.kind(), kind);
            let model = TaskModel::frozen(&config, &head, &tensors).unwrap();
            let (_, logits) = model.forward(&batch, Mode::Eval).unwrap();
            let (mut ours, mut theirs) = (values(&logits), numbers(&reference["heads"][name]["logits"]));
            if kind == "token classification" {
                // What follows are the two tokens of padding.
                ours.truncate(10 * 3);
                theirs.truncate(10 * 3);
            }
            assert!(difference(&ours, &theirs) < 1e-5, "{family} {name}");
        }

        let expected = &reference["heads"]["ForMaskedLM"];
        let Checkpoint { config, head, tensors, .. } =
            Checkpoint::load(folder_of(family, Some("ForMaskedLM")).path()).unwrap();
        assert_eq!(head, Head::MaskedLm);
        let targets =
            Targets { positions: ints(&reference["positions"]), pieces: ints(&reference["pieces"]) };
        let model = MaskedLm::frozen(&config, &tensors).unwrap();
        let logits = model.logits(&batch, &targets.positions).unwrap();
        assert!(difference(&values(&logits), &numbers(&expected["logits"])) < 1e-5, "{family}");
        let (_, loss) = model.loss(&batch, &targets, Mode::Eval).unwrap();
        assert!((values(&loss)[0] - expected["loss"].as_f64().unwrap()).abs() < 1e-5, "{family}");
    }
}

#[test]
fn bare_encoders_are_read_whatever_class_they_were_made_of() {
    for (family, class) in [
        ("distilbert", "DistilBertModel"),
        ("distilbert", "DistilBertForMaskedLM"),
        ("electra", "ElectraModel"),
        ("electra", "ElectraForPreTraining"),
        ("roberta", "RobertaModel"),
        ("roberta", "RobertaForMaskedLM"),
        ("xlm_roberta", "XLMRobertaModel"),
    ] {
        let folder = folder_of(family, None);
        let path = folder.path().join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config["architectures"] = json!([class]);
        fs::write(&path, config.to_string()).unwrap();
        let checkpoint = Checkpoint::load(folder.path()).unwrap();
        assert_eq!(checkpoint.head, Head::None, "{class}");
        let reference = read(&format!("{family}.json"));
        let model = Bert::frozen(&checkpoint.config, &checkpoint.tensors).unwrap();
        let output = model.forward(&batch_of(&reference), Mode::Eval).unwrap();
        let last = values(&output.states[2]);
        // The last two tokens are padding.
        assert!(difference(&last[..80], &numbers(&reference["states"][2])[..80]) < 1e-5, "{class}");
    }
}

#[test]
fn saved_models_have_the_names_of_transformers_and_load_again() {
    for (family, name) in FAMILIES.into_iter().flat_map(|family| HEADS.map(|head| (family, head))) {
        let reference = read(&format!("{family}.json"));
        let checkpoint = Checkpoint::load(folder_of(family, Some(name)).path()).unwrap();
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        let Checkpoint { config, head, tensors, text, .. } = &checkpoint;
        tinybert_model::save(&out, config, head, tensors, text, &toy::record()).unwrap();

        let stored = candle_core::safetensors::load(out.join("model.safetensors"), &Device::Cpu).unwrap();
        let prefix = reference["prefix"].as_str().unwrap();
        let encoder = reference["encoder"].as_object().unwrap().keys().map(|name| format!("{prefix}.{name}"));
        let own = reference["heads"][name]["weights"].as_object().unwrap().keys().cloned();
        assert_eq!(stored.into_keys().collect::<BTreeSet<_>>(), encoder.chain(own).collect(), "{family}");

        let json: Value = serde_json::from_slice(&fs::read(out.join("config.json")).unwrap()).unwrap();
        assert_eq!(json["architectures"], json!([reference["heads"][name]["class"]]));
        // What decides about the values stands there as transformers wrote it.
        for (key, value) in json.as_object().unwrap() {
            if let Some(theirs) = reference["config"].get(key) {
                assert_eq!(value, theirs, "{family}: {key}");
            }
        }

        let again = Checkpoint::load(&out).unwrap();
        assert_eq!((&again.config, &again.head), (config, head));
        let values = |tensors: &Tensors| -> BTreeMap<String, Vec<f32>> {
            let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
            tensors.iter().map(|(name, tensor)| (name.clone(), values(tensor))).collect()
        };
        assert_eq!(values(&again.tensors), values(tensors));
        assert_eq!(again.text.pieces(), text.pieces());
    }
}

#[test]
fn folders_that_contradict_themselves_are_refused() {
    let refused = |family: &str, change: &dyn Fn(&Path), parts: &[&str]| {
        let folder = folder_of(family, Some("ForSequenceClassification"));
        change(folder.path());
        let error = Checkpoint::load(folder.path()).err().expect("the folder is spoilt, but it loads");
        assert_eq!(error.exit_code(), 3, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
        }
    };
    let set = |key: &'static str, value: Value| {
        move |folder: &Path| {
            let path = folder.join("config.json");
            let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            config[key] = value.clone();
            fs::write(path, config.to_string()).unwrap();
        }
    };
    refused("distilbert", &set("activation", json!("relu")), &["activation \"relu\" is not supported"]);
    refused("distilbert", &set("n_layers", Value::Null), &["missing n_layers"]);
    refused("electra", &set("embedding_size", json!(5)), &["embedding_size is 5 by config.json and 6"]);
    refused("roberta", &set("pad_token_id", json!(0)), &["pad_token_id \"0\"", "supported: 1"]);
    refused("xlm_roberta", &set("is_decoder", json!(true)), &["is_decoder"]);
    refused("electra", &|folder| write_tokenizer("roberta", folder), &["ELECTRA", "WordPiece"]);
    let word_pieces = |folder: &Path| {
        fs::remove_file(folder.join("tokenizer.json")).unwrap();
        fs::remove_file(folder.join("tokenizer_config.json")).unwrap();
        write_tokenizer("electra", folder);
    };
    refused("roberta", &word_pieces, &["RoBERTa", "BPE or Unigram"]);
}

/// A fresh encoder of a family: over the toy vocabulary, or over the pieces of `own_pieces.json`.
fn toy_model(family: &str, place: &Path) -> Checkpoint {
    let own = ["roberta", "xlm_roberta"].contains(&family);
    let (text, special) = if own {
        let folder = folder_of(family, None);
        let text = Checkpoint::load(folder.path()).unwrap().text;
        let special = text.special();
        (text, special)
    } else {
        (toy::text(), toy::text().special())
    };
    let architecture = match family {
        "distilbert" => Architecture::DistilBert,
        "electra" => Architecture::Electra,
        "roberta" => Architecture::Roberta(special),
        _ => Architecture::XlmRoberta(special),
    };
    let embedding_size = (family == "electra").then_some(24);
    let config = BertConfig {
        architecture,
        embedding_size,
        vocab_size: text.vocab_size(),
        max_position_embeddings: 64,
        ..toy::config(4, 32)
    };
    let tensors = init_parameters(&config, &Head::None, 5).unwrap();
    tinybert_model::save(place, &config, &Head::None, &tensors, &text, &toy::record()).unwrap();
    Checkpoint::load(place).unwrap()
}

#[test]
fn a_student_of_berts_kind_learns_a_task_from_each_family() {
    for family in FAMILIES {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let (train, dev) = (toy::sentences(200, 1), toy::sentences(60, 2));
        let data = TaskData { train: &train, dev: &dev, metrics: MetricSet::Accuracy };
        let own = ["roberta", "xlm_roberta"].contains(&family);
        let settings = FineTune {
            // Words are several pieces there.
            max_tokens: if own { 60 } else { 16 },
            recipe: Recipe {
                // Narrow embeddings learn later too.
                epochs: if own || family == "electra" { 8 } else { 4 },
                batch_size: 8,
                learning_rate: 1e-3,
                ..FineTune::default().recipe
            },
            ..FineTune::default()
        };
        let fresh = toy_model(family, &at("fresh"));
        let report = fine_tune(&settings, &fresh, &data, at("teacher"), &Context::default()).unwrap();
        assert!(report.dev.primary() > 0.9, "{family}: {report:?}");
        let teacher = Checkpoint::load(&at("teacher")).unwrap();
        assert_eq!(teacher.config, fresh.config);

        let student = BertConfig { max_position_embeddings: 64, ..toy::config(2, 16) };
        let student = toy::model(&at("student"), &student, &Head::None);
        let defaults = TaskSettings::default();
        let stage = |stage, epochs| StageRecipe { epochs, batch_size: 8, learning_rate: 2e-3, ..stage };
        let settings = TaskSettings {
            // By words where the pieces are the teacher's own.
            intermediate: stage(defaults.intermediate.clone(), 3),
            prediction: stage(defaults.prediction.clone(), 6),
            max_tokens: settings.max_tokens,
            ..defaults
        };
        let report = tinybert_distill::distill_task(
            &settings,
            &teacher,
            &student,
            &data,
            at("out"),
            &Context::default(),
        )
        .unwrap();
        assert!(
            report.dev.primary() >= report.teacher.as_ref().unwrap().primary() - 0.1,
            "{family}: {report:?}"
        );
        assert_eq!(Checkpoint::load(&at("out")).unwrap().config.architecture, Architecture::Bert);

        // The same from a cache of the teacher's states in its own pieces, filled and found.
        let cached = TaskSettings { teacher_cache_bytes: 1 << 30, ..settings };
        let run = |out: &str| {
            let context = Context::default();
            tinybert_distill::distill_task(&cached, &teacher, &student, &data, at(out), &context).unwrap()
        };
        let (filled, found) = (run("filled"), run("found"));
        assert_eq!(toy::bits(&at("filled")), toy::bits(&at("found")));
        assert_eq!(filled.dev, found.dev);
        assert!(
            filled.dev.primary() >= filled.teacher.as_ref().unwrap().primary() - 0.1,
            "{family}: {filled:?}"
        );
    }
}
