//! The device path never asks for memory.

mod common;

use tinybert_runtime::{Answer, Input, Model};

#[test]
fn from_the_image_to_the_answer_nothing_is_allocated() {
    let bytes = common::three_layers().build().unwrap();
    let mut workspace = vec![0; 1 << 17];
    for kernels in common::all_kernels() {
        let counted = allocation_counter::measure(|| {
            let model = Model::from_bytes(&bytes).unwrap().with_kernels(kernels);
            assert_eq!(model.self_test(&mut workspace), Ok(0));
            let mut session = model.session(&mut workspace).unwrap();
            for text in ["play some jazz", "", "Ünïcödé ÅÅÅÅ 漢字 \u{1F600}"] {
                let reply = session.run(Input::pair(text, "turn the lamp on")).unwrap();
                let mut room = [0.0; 3];
                assert_eq!(reply.answer.probabilities(&mut room).len(), 3);
                let Answer::Label { index, .. } = reply.answer else { panic!() };
                assert!(model.label(index).is_some());
            }
        });
        assert_eq!(counted.count_total, 0, "{kernels:?}");
    }
}

#[test]
fn a_set_of_labels_needs_no_memory() {
    let bytes = common::multi_label(common::three_layers()).build().unwrap();
    let mut workspace = vec![0; 1 << 17];
    let counted = allocation_counter::measure(|| {
        let model = Model::from_bytes(&bytes).unwrap();
        let mut session = model.session(&mut workspace).unwrap();
        let reply = session.run(Input::text("play some jazz")).unwrap();
        let mut room = [0.0; 3];
        assert_eq!(reply.answer.probabilities(&mut room).len(), 3);
        let Answer::Labels(labels) = reply.answer else { panic!() };
        assert!(labels.labels().all(|label| model.label(label).is_some()));
    });
    assert_eq!(counted.count_total, 0);
}
