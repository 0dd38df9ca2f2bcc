//! Judging names the data that it cannot judge, and ends when the user asks to stop: between two batches of a
//! folder, or two texts of an image.

use tinybert_base::{Context, Error};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::Target;
use tinybert_evaluate::predictor::{FloatModel, Predictor};
use tinybert_model::Checkpoint;
use tinybert_model::image_file::ImageFile;
use tinybert_model::plan::WeightEncoding;
use tinybert_quantize::sensitivity::{SensitivitySettings, sensitivity};
use tinybert_quantize::{QuantizeSettings, quantize};
use tinybert_testing::{runs, toy};

fn is_a_stop(error: &Error) -> bool {
    error.exit_code() == 130 && error.to_string().contains("stopped while a model was judged")
}

/// A model as a folder and as an image.
fn both_forms(model: &Checkpoint) -> [Predictor; 2] {
    let settings = QuantizeSettings { max_tokens: 16, ..QuantizeSettings::default() };
    let made = quantize(model, &toy::sentences(20, 2), &settings, &Context::default()).unwrap();
    let image = ImageFile::new(made.image).unwrap().native().unwrap();
    [Predictor::Folder(Box::new(FloatModel::new(model, 16).unwrap())), Predictor::Image(image)]
}

#[test]
fn a_file_without_labels_is_named() {
    let place = tempfile::tempdir().unwrap();
    let model = toy::model(&place.path().join("model"), &toy::config(1, 16), &runs::labelled());
    let mut data = toy::sentences(4, 1);
    data.sources = vec!["test.tsv".into()];
    data.examples[1].target = Target::None;
    for predictor in both_forms(&model) {
        let error = predictor.evaluate(&data, MetricSet::Accuracy, &Context::default()).unwrap_err();
        assert!(error.to_string().contains("test.tsv: example 2 has no label"), "{error}");
    }
}

#[test]
fn a_stop_ends_judging_and_sensitivity() {
    let place = tempfile::tempdir().unwrap();
    let model = toy::model(&place.path().join("model"), &toy::config(1, 16), &runs::labelled());
    let data = toy::sentences(100, 1);
    for predictor in both_forms(&model) {
        let judge = |context: &Context| predictor.evaluate(&data, MetricSet::Accuracy, context);
        // A folder has four batches.
        let error = judge(&toy::StopAfter::new(2).context()).unwrap_err();
        assert!(is_a_stop(&error), "{error}");
        assert_eq!(judge(&Context::default()).unwrap().samples, 100);
    }

    let settings = SensitivitySettings {
        max_tokens: 16,
        examples: 20,
        calibration_examples: 20,
        encodings: &[WeightEncoding::Int8],
        metrics: MetricSet::Accuracy,
    };
    // The calibration and the float model come first; then the parts, a batch each or more.
    let error = sensitivity(&model, &data, &data, &settings, &toy::StopAfter::new(4).context()).unwrap_err();
    assert!(is_a_stop(&error), "{error}");
}
