//! Judging ends when the user asks to stop, between two batches of a folder and between two texts of an image.

mod toy;

use tinybert_host::Error;
use tinybert_host::image_file::ImageFile;
use tinybert_host::metrics::MetricSet;
use tinybert_host::predictor::{FloatModel, Predictor};
use tinybert_host::progress::{Progress, Silent};
use tinybert_host::quantize::sensitivity::{SensitivitySettings, sensitivity};
use tinybert_host::quantize::{Encoding, Settings, quantize};

fn is_a_stop(error: &Error) -> bool {
    error.exit_code() == 130 && error.to_string().contains("stopped while a model was judged")
}

#[test]
fn a_stop_ends_judging_and_sensitivity() {
    let place = tempfile::tempdir().unwrap();
    let model = toy::model(&place.path().join("model"), &toy::config(1, 16), &toy::runs::labelled());
    let data = toy::sentences(100, 1);
    let settings = Settings { max_tokens: 16, ..Settings::default() };
    let image = ImageFile::new(quantize(&model, &data, &settings, &Silent).unwrap().image).unwrap();
    for predictor in [
        Predictor::Folder(Box::new(FloatModel::new(&model, 16).unwrap())),
        Predictor::Image(image.native().unwrap()),
    ] {
        let judge = |progress: &dyn Progress| predictor.evaluate(&data, MetricSet::Accuracy, progress);
        // A folder has four batches.
        let error = judge(&toy::StopAfter::new(2)).unwrap_err();
        assert!(is_a_stop(&error), "{error}");
        assert_eq!(judge(&Silent).unwrap().samples, 100);
    }

    let settings = SensitivitySettings {
        max_tokens: 16,
        examples: 20,
        encodings: &[Encoding::Int8],
        metrics: MetricSet::Accuracy,
    };
    // Three calibrations and the float model come first, one batch each.
    let error = sensitivity(&model, &data, &settings, &toy::StopAfter::new(4)).unwrap_err();
    assert!(is_a_stop(&error), "{error}");
}
