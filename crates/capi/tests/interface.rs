//! What C can rely on, beyond `targets/c-firmware/interface.c`: images that no tool of ours makes.

use std::mem::MaybeUninit;
use std::ptr::{from_mut, from_ref};

use tinybert::{
    CAnswer, CConfidence, CText, HANDLE_WORDS, Handle, Kind, Status, tinybert_confidence_of, tinybert_open,
    tinybert_probabilities, tinybert_run_text, tinybert_self_test, tinybert_threshold,
    tinybert_workspace_bytes,
};
use tinybert_image::toy::{INT8, PIECES, STATIC_INPUTS, ToyLayer, embedding, model, multi_label};
use tinybert_image::{AlignedBytes, Confidence, ImageBuilder};
use tinybert_tokenizer::{Options, pack};

/// A classifier without self-tests that states no workspace.
fn toy() -> ImageBuilder {
    let layer = ToyLayer { heads: 2, head_dim: 4, ffn: 12, attention: INT8, inputs: STATIC_INPUTS };
    let vocabulary = pack(&PIECES, Options::UNCASED).unwrap();
    model(1, 8, PIECES.len(), &vocabulary, &[layer])
}

fn open(image: &AlignedBytes, handle: &mut Handle) -> Status {
    // SAFETY: both are what they seem; the callers keep the image.
    unsafe { tinybert_open(image.as_ptr(), image.len(), handle) }
}

fn workspace_bytes(handle: &Handle) -> usize {
    // SAFETY: a handle that is zero or was opened.
    unsafe { tinybert_workspace_bytes(from_ref(handle)) }
}

const CLOSED: Handle = Handle { words: [0; HANDLE_WORDS] };

#[test]
fn the_workspace_is_what_the_model_needs_whatever_the_image_states() {
    let text = CText { bytes: c"play some jazz".as_ptr(), length: 14 };
    let needed = [0, 64, u32::MAX as usize].map(|stated| {
        let mut builder = toy();
        builder.config.workspace_bytes = stated;
        let image = builder.build().unwrap();
        let mut handle = CLOSED;
        assert_eq!(open(&image, &mut handle), Status::Ok);
        let needed = workspace_bytes(&handle);
        let mut workspace = vec![0; needed];
        let mut run = |bytes| {
            let mut answer = MaybeUninit::<CAnswer>::uninit();
            // SAFETY: everything is there and as large as said.
            unsafe {
                tinybert_run_text(&raw const handle, workspace.as_mut_ptr(), bytes, text, answer.as_mut_ptr())
            }
        };
        assert_eq!(run(needed), Status::Ok);
        assert_eq!(run(needed - 1), Status::WorkspaceTooSmall);
        needed
    });
    assert!(needed.iter().all(|bytes| *bytes == needed[0] && *bytes > 64));
}

#[test]
fn an_image_without_self_tests_passes_none() {
    let image = toy().build().unwrap();
    let mut handle = CLOSED;
    assert_eq!(open(&image, &mut handle), Status::Ok);
    let mut workspace = vec![0; workspace_bytes(&handle)];
    // SAFETY: the handle is open, the workspace as large as said.
    let status = unsafe { tinybert_self_test(&raw const handle, workspace.as_mut_ptr(), workspace.len()) };
    assert_eq!(status, Status::NoSelfTests);
}

#[test]
fn a_model_is_not_open_once_another_image_was_refused() {
    let image = toy().build().unwrap();
    let mut damaged = image.clone();
    damaged[image.len() / 2] ^= 1;
    let mut handle = CLOSED;
    assert_eq!(open(&image, &mut handle), Status::Ok);
    assert_eq!(open(&damaged, &mut handle), Status::ImageDamaged);
    assert_eq!((workspace_bytes(&handle), handle.words), (0, CLOSED.words));
    assert_eq!(open(&image, &mut handle), Status::Ok);
    // SAFETY: no image is an image that can be refused.
    assert_eq!(unsafe { tinybert_open(std::ptr::null(), 0, from_mut(&mut handle)) }, Status::NullPointer);
    assert_eq!(handle.words, CLOSED.words);
}

#[test]
fn a_set_of_labels_comes_with_its_thresholds() {
    let text = CText { bytes: c"play some jazz".as_ptr(), length: 14 };
    let ask = |builder: &ImageBuilder| {
        let image = builder.build().unwrap();
        let mut handle = CLOSED;
        assert_eq!(open(&image, &mut handle), Status::Ok);
        let mut workspace = vec![0; workspace_bytes(&handle)];
        let mut answer = MaybeUninit::<CAnswer>::uninit();
        // SAFETY: everything is there and as large as said; the status says that the answer was written. The outputs
        // lie in the workspace, which is still there.
        let (kind, outputs) = unsafe {
            let bytes = workspace.len();
            let run = tinybert_run_text(
                &raw const handle,
                workspace.as_mut_ptr(),
                bytes,
                text,
                answer.as_mut_ptr(),
            );
            assert_eq!(run, Status::Ok);
            let CAnswer { kind, outputs, output_count, .. } = answer.assume_init();
            (kind, std::slice::from_raw_parts(outputs, output_count).to_vec())
        };
        let threshold = |label: usize| {
            let mut threshold = f32::NAN;
            // SAFETY: the model is open, and the float is there.
            match unsafe { tinybert_threshold(&raw const handle, label as u32, &raw mut threshold) } {
                Status::Ok => Some(threshold),
                status => {
                    assert_eq!(status, Status::NoSuchLabel);
                    None
                }
            }
        };
        let thresholds: Vec<Option<f32>> = (0..=outputs.len()).map(threshold).collect();
        (kind, outputs, thresholds)
    };
    let (kind, logits, thresholds) = ask(&toy());
    assert_eq!((kind, thresholds), (Kind::Label, vec![None; 4]));
    let mut builder = multi_label(toy());
    let wanted = [logits[0], logits[1].next_up(), -9.0];
    builder.head.thresholds = wanted.to_vec();
    let [first, second, third] = wanted.map(Some);
    assert_eq!(ask(&builder), (Kind::Labels, logits, vec![first, second, third, None]));
}

/// Asks for the confidence and the probabilities of an answer: the status and the values of both, and the answer's
/// kind, label and logits.
struct Asked {
    confidence: Result<CConfidence, Status>,
    probabilities: Result<Vec<f32>, Status>,
    label: usize,
    logits: Vec<f32>,
}

fn ask_for_confidence(builder: &ImageBuilder) -> Asked {
    let text = CText { bytes: c"play some jazz".as_ptr(), length: 14 };
    let image = builder.build().unwrap();
    let mut handle = CLOSED;
    assert_eq!(open(&image, &mut handle), Status::Ok);
    let mut workspace = vec![0; workspace_bytes(&handle)];
    let bytes = workspace.len();
    let mut answer = MaybeUninit::<CAnswer>::uninit();
    let mut confidence = CConfidence { probability: f32::NAN, accepted: false };
    let mut probabilities = vec![f32::NAN; 3];
    // SAFETY: everything is there and as large as said; the status says that the answer was written. The outputs lie in
    // the workspace, which is still there. Null is refused.
    unsafe {
        let run =
            tinybert_run_text(&raw const handle, workspace.as_mut_ptr(), bytes, text, answer.as_mut_ptr());
        assert_eq!(run, Status::Ok);
        let answer = answer.assume_init();
        let model = &raw const handle;
        let null = std::ptr::null_mut();
        assert_eq!(tinybert_confidence_of(model, &raw const answer, null), Status::NullPointer);
        assert_eq!(tinybert_probabilities(model, &raw const answer, null.cast(), 3), Status::NullPointer);
        assert_eq!(
            tinybert_confidence_of(from_ref(&CLOSED), &raw const answer, &raw mut confidence),
            Status::NotOpen
        );
        let status = tinybert_confidence_of(model, &raw const answer, &raw mut confidence);
        let room = probabilities.as_mut_ptr();
        let all = tinybert_probabilities(model, &raw const answer, room, 3);
        if all == Status::Ok {
            let small = tinybert_probabilities(model, &raw const answer, room, 2);
            assert_eq!(small, Status::BufferTooSmall);
        }
        let shorter = CAnswer { output_count: 2, ..answer };
        assert_eq!(
            tinybert_confidence_of(model, &raw const shorter, &raw mut confidence),
            Status::ForeignAnswer
        );
        assert_eq!(tinybert_probabilities(model, &raw const shorter, room, 3), Status::ForeignAnswer);
        if status == Status::Ok {
            for label in [answer.label + 1, 99999] {
                let other = CAnswer { label, ..answer };
                let found = tinybert_confidence_of(model, &raw const other, &raw mut confidence);
                assert_eq!(found, Status::ForeignAnswer);
            }
        }
        let CAnswer { label, outputs, output_count, .. } = answer;
        Asked {
            confidence: if status == Status::Ok { Ok(confidence) } else { Err(status) },
            probabilities: if all == Status::Ok { Ok(probabilities) } else { Err(all) },
            label: label as usize,
            logits: std::slice::from_raw_parts(outputs, output_count).to_vec(),
        }
    }
}

#[test]
fn a_label_has_a_probability_and_is_accepted_or_not() {
    let asked = |confidence| ask_for_confidence(&ImageBuilder { confidence, ..toy() });
    let plain = asked(None);
    for temperature in [1.0, 0.25] {
        let confidence = Confidence { temperature, ..Confidence::default() };
        let Asked { confidence: found, probabilities, label, logits } = asked(Some(confidence));
        assert_eq!((label, &logits), (plain.label, &plain.logits));
        let (found, probabilities) = (found.unwrap(), probabilities.unwrap());
        let total: f64 = logits.iter().map(|logit| f64::from(logit / temperature).exp()).sum();
        for (probability, logit) in probabilities.iter().zip(&logits) {
            assert!((f64::from(*probability) - f64::from(logit / temperature).exp() / total).abs() < 1e-6);
        }
        assert_eq!(found.probability.to_bits(), probabilities[label].to_bits());
        assert!(found.accepted);
        let refused = [
            Confidence { threshold: found.probability.next_up(), ..confidence },
            Confidence { out_of_scope: Some(label as u32), ..confidence },
        ];
        assert!(refused.iter().all(|refused| !asked(Some(*refused)).confidence.unwrap().accepted));
        assert!(
            asked(Some(Confidence { threshold: found.probability, ..confidence }))
                .confidence
                .unwrap()
                .accepted
        );
    }
    assert_eq!(plain.probabilities.unwrap(), asked(Some(Confidence::default())).probabilities.unwrap());
}

#[test]
fn other_answers_have_no_confidence_and_labels_of_a_set_have_probabilities() {
    let sets = ask_for_confidence(&multi_label(toy()));
    assert_eq!(sets.confidence.err(), Some(Status::OtherKind));
    for (probability, logit) in sets.probabilities.unwrap().iter().zip(sets.logits) {
        assert!((f64::from(*probability) - 1.0 / (1.0 + f64::from(-logit).exp())).abs() < 1e-6);
    }
    let vector = ask_for_confidence(&embedding(toy()));
    assert_eq!(vector.confidence.err(), Some(Status::OtherKind));
    assert_eq!(vector.probabilities.err(), Some(Status::OtherKind));
}
