//! Distillation of a student that computes as its image will.

use std::fs;
use std::path::Path;

use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_distill::alignment::Align;
use tinybert_distill::{TaskReport, TaskSettings, distill_task};
use tinybert_evaluate::predictor::Predictor;
use tinybert_model::image_file::ImageFile;
use tinybert_model::plan::{LayerEncodings, WeightEncoding};
use tinybert_model::{BertConfig, Checkpoint, Head, TextEncoder, WORD_EMBEDDINGS};
use tinybert_quantize::{QuantizeSettings, quantize};
use tinybert_testing::runs::{fine_tune_settings, labelled, output, quantization_aware, with_data};
use tinybert_testing::toy;
use tinybert_train::{FineTune, Recipe, fine_tune};

fn run(
    settings: &TaskSettings,
    teacher: &Checkpoint,
    student: &Checkpoint,
    out: &Path,
) -> Result<TaskReport> {
    with_data(|data| distill_task(settings, teacher, student, data, output(out, false), &Context::default()))
}

fn pair(place: &Path) -> [Checkpoint; 2] {
    let model =
        |name: &str, layers, hidden| toy::model(&place.join(name), &toy::config(layers, hidden), &labelled());
    [model("teacher", 4, 32), model("student", 2, 24)]
}

#[test]
fn the_image_answers_as_the_student_that_was_kept() {
    for encoding in [WeightEncoding::Int8, WeightEncoding::Int4] {
        let place = tempfile::tempdir().unwrap();
        let [teacher, student] = pair(place.path());
        let out = place.path().join("out");
        let mut settings = quantization_aware();
        let aware = settings.quantization_aware.as_mut().unwrap();
        aware.precision.weights = LayerEncodings::Alike(encoding);
        let report = run(&settings, &teacher, &student, &out).unwrap();

        let trained = Checkpoint::load(&out).unwrap();
        let plan = trained.quantization.as_ref().expect("the folder says how it was trained");
        assert_eq!(plan.precision().weights, LayerEncodings::Alike(encoding));
        let settings = QuantizeSettings { max_tokens: 16, ..QuantizeSettings::default() };
        // Calibration text plays no part: the scales are those of the training.
        let made = quantize(&trained, &toy::sentences(3, 99), &settings, &Context::default()).unwrap();
        let made = ImageFile::new(made.image).unwrap();
        let afresh = QuantizeSettings { calibration_examples: 16, ..settings };
        let of_student = quantize(&student, &toy::sentences(40, 1), &afresh, &Context::default()).unwrap();
        let of_student = ImageFile::new(of_student.image).unwrap();
        let calibration =
            |image: &ImageFile| image.model().unwrap().image().provenance().unwrap().calibration;
        assert_eq!(calibration(&made), calibration(&of_student), "the texts of the training");
        let image = Predictor::Image(made.native().unwrap());
        let dev = image.evaluate(&toy::sentences(20, 2), MetricSet::Accuracy, &Context::default()).unwrap();
        assert_eq!(dev, report.dev);
        assert_ne!(toy::bits(&out), toy::bits(&student.folder), "something was learned");
    }
}

/// A student that has learned the task already, and steps so long that they only harm it.
#[test]
fn the_student_stays_as_it_was_where_training_only_loses() {
    let place = tempfile::tempdir().unwrap();
    let [learned, out] = ["learned", "out"].map(|name| place.path().join(name));
    let fresh = toy::model(&place.path().join("fresh"), &toy::config(2, 24), &Head::None);
    let long =
        FineTune { recipe: Recipe { epochs: 20, ..fine_tune_settings().recipe }, ..fine_tune_settings() };
    with_data(|data| fine_tune(&long, &fresh, data, output(&learned, false), &Context::default())).unwrap();
    let student = Checkpoint::load(&learned).unwrap();
    let mut settings = quantization_aware();
    settings.prediction.learning_rate = 0.3;
    let report = run(&settings, &student, &student, &out).unwrap();
    assert!(report.dev.primary() > 0.8, "{:?}", report.dev);
    assert_eq!(toy::bits(&out), toy::bits(&learned));
}

#[test]
fn the_longest_input_is_that_of_the_training() {
    let place = tempfile::tempdir().unwrap();
    let [teacher, student] = pair(place.path());
    let out = place.path().join("out");
    run(&quantization_aware(), &teacher, &student, &out).unwrap();
    let made = |max_tokens| {
        let settings = QuantizeSettings { max_tokens, ..QuantizeSettings::default() };
        quantize(&Checkpoint::load(&out).unwrap(), &toy::sentences(40, 1), &settings, &Context::default())
    };
    let error = made(12).map(drop).unwrap_err();
    assert!(
        matches!(&error, Error::Usage(what) if what.contains("--max-tokens 12") && what.contains("for 16")),
        "{error}"
    );
    made(16).unwrap();

    // A plan from before any of this was kept.
    let path = out.join("quantization.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let plan = json["plan"].as_object_mut().unwrap();
    assert!(plan.remove("max_tokens").is_some() && plan.remove("calibration").is_some());
    fs::write(&path, json.to_string()).unwrap();
    let image = ImageFile::new(made(12).unwrap().image).unwrap();
    assert_eq!(image.model().unwrap().image().provenance().unwrap().calibration, [0; 32]);
}

#[test]
fn a_plan_of_other_weights_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let [teacher, student] = pair(place.path());
    let out = place.path().join("out");
    run(&quantization_aware(), &teacher, &student, &out).unwrap();
    fs::copy(student.folder.join("model.safetensors"), out.join("model.safetensors")).unwrap();
    let error = Checkpoint::load(&out).err().expect("refused").to_string();
    assert!(error.contains("of other weights") && error.contains("remove the file"), "{error}");
    fs::remove_file(out.join("quantization.json")).unwrap();
    assert_eq!(Checkpoint::load(&out).unwrap().quantization, None);
}

#[test]
fn a_damaged_plan_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let [teacher, student] = pair(place.path());
    let out = place.path().join("out");
    run(&quantization_aware(), &teacher, &student, &out).unwrap();
    let path = out.join("quantization.json");
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let refused = |what: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = whole.clone();
        change(&mut json);
        fs::write(&path, json.to_string()).unwrap();
        let error = Checkpoint::load(&out).err().expect(what);
        assert!(
            matches!(error, Error::Input(_)) && error.to_string().contains("quantization.json"),
            "{error}"
        );
    };
    refused("a layer is missing", &|json| drop(json["plan"]["layers"].as_array_mut().unwrap().pop()));
    refused("a scale is 0", &|json| json["plan"]["layers"][1]["qkv_scales"][0] = 0.0.into());
    refused("a scale is negative", &|json| {
        json["plan"]["layers"][0]["choices"][0]["fixed"]["scale"] = (-1.0).into();
    });
    refused("a hash is short", &|json| json["plan"]["calibration"] = "ab".into());
    refused("a field is unknown", &|json| json["plan"]["more"] = 1.into());
    refused("embeddings are sparse", &|json| json["plan"]["embeddings"] = "sparse".into());
}

#[test]
fn what_cannot_be_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let [teacher, student] = pair(place.path());
    let out = place.path().join("out");
    let mut settings = quantization_aware();
    settings.intermediate.epochs = 1;
    let error = run(&settings, &teacher, &student, &out).unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("--intermediate-epochs 0")), "{error}");
    let bare = toy::model(&place.path().join("bare"), &toy::config(2, 16), &Head::None);
    let error = run(&quantization_aware(), &teacher, &bare, &out).unwrap_err();
    assert!(matches!(&error, Error::Input(what) if what.contains("answers the task already")), "{error}");
}

/// The student without its last two word pieces.
fn pruned(place: &Path, student: &Checkpoint) -> Checkpoint {
    let mut pieces = student.text.pieces();
    pieces.truncate(pieces.len() - 2);
    let config = BertConfig { vocab_size: pieces.len(), ..student.config.clone() };
    let mut tensors = student.tensors.clone();
    let words = tensors[WORD_EMBEDDINGS].narrow(0, 0, pieces.len()).unwrap().contiguous().unwrap();
    tensors.insert(WORD_EMBEDDINGS.into(), words);
    let text = TextEncoder::from_pieces(pieces, true).unwrap();
    let folder = place.join("pruned");
    tinybert_model::save(&folder, &config, &student.head, &tensors, &text, &toy::record()).unwrap();
    Checkpoint::load(&folder).unwrap()
}

#[test]
fn a_student_without_some_word_pieces_learns_answers_and_layers_word_by_word() {
    let place = tempfile::tempdir().unwrap();
    let [teacher, student] = pair(place.path());
    let small = pruned(place.path(), &student);
    let out = place.path().join("out");
    let float = TaskSettings { quantization_aware: None, ..quantization_aware() };
    for settings in [quantization_aware(), float.clone()] {
        run(&settings, &teacher, &small, &out).unwrap();
        let trained = Checkpoint::load(&out).unwrap();
        assert_eq!(trained.config.vocab_size, small.config.vocab_size);
        assert_eq!(trained.quantization.is_some(), settings.quantization_aware.is_some());
    }
    let mut layers = float;
    layers.intermediate.epochs = 1;
    run(&layers, &teacher, &small, &out).unwrap();
    layers.transfer.align = Some(Align::Pieces);
    let error = run(&layers, &teacher, &small, &out).unwrap_err().to_string();
    assert!(error.contains("--align words") && error.contains("--intermediate-epochs 0"), "{error}");
}

#[test]
fn a_teacher_with_another_vocabulary_gives_the_answers_it_gives_alone() {
    // With the student's vocabulary equal to the teacher's in other order, ids differ but answers must not:
    // the run is the same as with the order they share.
    let place = tempfile::tempdir().unwrap();
    let [teacher, student] = pair(place.path());
    let renamed = {
        // The last two pieces change places, and so do their rows.
        let mut pieces = teacher.text.pieces();
        let last = pieces.len() - 1;
        pieces.swap(last, last - 1);
        let text = TextEncoder::from_pieces(pieces, true).unwrap();
        let mut tensors = teacher.tensors.clone();
        let words = &tensors[WORD_EMBEDDINGS];
        let order: Vec<u32> = (0..=last as u32)
            .map(|id| match id as usize {
                id if id == last => last as u32 - 1,
                id if id == last - 1 => last as u32,
                id => id as u32,
            })
            .collect();
        let order = candle_core::Tensor::new(order, &candle_core::Device::Cpu).unwrap();
        let words = words.index_select(&order, 0).unwrap();
        tensors.insert(WORD_EMBEDDINGS.into(), words);
        let folder = place.path().join("renamed");
        tinybert_model::save(&folder, &teacher.config, &teacher.head, &tensors, &text, &toy::record())
            .unwrap();
        Checkpoint::load(&folder).unwrap()
    };
    let settings = TaskSettings { quantization_aware: None, ..quantization_aware() };
    let outs = [("shared", &teacher), ("own", &renamed)].map(|(name, teacher)| {
        let out = place.path().join(name);
        run(&settings, teacher, &student, &out).unwrap();
        toy::bits(&out)
    });
    assert_eq!(outs[0], outs[1]);
}
