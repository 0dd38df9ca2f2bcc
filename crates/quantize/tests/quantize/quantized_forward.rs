//! The fake-quantized student against the code of the device: the same logits.

use std::path::Path;
use std::sync::Arc;

use tinybert_base::Context;
use tinybert_data::collate;
use tinybert_model::image_file::ImageFile;
use tinybert_model::plan::{AttentionPrecision, LayerEncodings, Precision, WeightEncoding};
use tinybert_model::{Checkpoint, Head, Pooling};
use tinybert_nn::{Mode, TaskModel};
use tinybert_quantize::{QuantizeSettings, calibrate, calibration_inputs, quantize};
use tinybert_runtime::Input;
use tinybert_testing::toy;

/// Logits of every sentence by the image and by the fake-quantized model, which sees them in padded batches.
fn both(checkpoint: &Checkpoint, settings: &QuantizeSettings) -> Vec<(Vec<f32>, Vec<f32>)> {
    let data = toy::sentences(40, 1);
    let made = quantize(checkpoint, &data, settings, &Context::default()).unwrap();
    let image = ImageFile::new(made.image).unwrap().native().unwrap();
    let model = image.model().unwrap();
    let inputs = calibration_inputs(&checkpoint.text, &data, settings.calibration_examples, 16).unwrap();
    let plan =
        calibrate(checkpoint, &inputs, settings.attention, &settings.precision, &Context::default()).unwrap();
    let fake = TaskModel::frozen(&checkpoint.config, &checkpoint.head, &checkpoint.tensors)
        .unwrap()
        .quantized(Arc::new(plan));

    let mut workspace = vec![0; model.config().workspace_bytes];
    let mut session = model.session(&mut workspace).unwrap();
    let mut answers = Vec::new();
    for samples in (0..40).collect::<Vec<_>>().chunks(8) {
        let batch = collate(&inputs, samples, 0);
        let (_, logits) = fake.forward(&batch, Mode::Train { seed: 1, step: 2 }).unwrap();
        for (row, &sample) in samples.iter().enumerate() {
            let ids = &inputs[sample].ids;
            let types = vec![0; ids.len()];
            let reply = session.run(Input::ids(ids, &types)).unwrap();
            let logits = match checkpoint.head {
                Head::TokenClassification { .. } => logits.get(row).unwrap().narrow(0, 0, ids.len()),
                _ => logits.get(row),
            };
            let logits = logits.unwrap().flatten_all().unwrap().to_vec1().unwrap();
            answers.push((reply.answer.outputs().to_vec(), logits));
        }
    }
    answers
}

fn heads() -> [Head; 6] {
    let labels = toy::labels();
    [
        Head::Classification { labels: labels.clone() },
        Head::Regression,
        Head::TokenClassification { labels },
        Head::Embedding {
            dimensions: 8,
            projected: true,
            pooling: Pooling::Mean,
            normalized: true,
            prompt: String::new(),
        },
        Head::Embedding {
            dimensions: 8,
            projected: true,
            pooling: Pooling::Cls,
            normalized: true,
            prompt: String::new(),
        },
        Head::Embedding {
            dimensions: 8,
            projected: true,
            pooling: Pooling::Max,
            normalized: false,
            prompt: String::new(),
        },
    ]
}

fn model(place: &Path, head: &Head) -> Checkpoint {
    // Widths that fill no panel, and a group of four bits that is shorter than others.
    let config = tinybert_model::BertConfig { initializer_range: 0.3, ..toy::config(3, 36) };
    toy::model(place, &config, head)
}

#[test]
fn logits_are_those_of_the_image() {
    let place = tempfile::tempdir().unwrap();
    let alike = |weights, embeddings| Precision { weights: LayerEncodings::Alike(weights), embeddings };
    for head in heads() {
        let checkpoint = model(&place.path().join(head.kind()), &head);
        for attention in [AttentionPrecision::Int8, AttentionPrecision::F32] {
            for precision in [
                alike(WeightEncoding::Int8, WeightEncoding::Int8),
                alike(WeightEncoding::Int4, WeightEncoding::Int4),
            ] {
                let what = format!("{} {attention:?} {precision:?}", head.kind());
                let settings = QuantizeSettings {
                    max_tokens: 16,
                    calibration_examples: 40,
                    attention,
                    precision,
                    ..QuantizeSettings::default()
                };
                for (image, fake) in both(&checkpoint, &settings) {
                    match head {
                        // The mean and the length of a vector are sums in another order.
                        Head::Embedding { .. } => {
                            let near = image.iter().zip(&fake).all(|(a, b)| (a - b).abs() < 1e-5);
                            assert!(near, "{what}: {image:?}, not {fake:?}");
                        }
                        _ => assert_eq!(image, fake, "{what}"),
                    }
                }
            }
        }
    }
}
