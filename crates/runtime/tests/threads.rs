//! Sessions whose work threads share answer with the same bits.
#![cfg(feature = "threads")]

mod common;

use common::three_layers;
use tinybert_runtime::{Error, Input, Model, Threads};

fn bits(outputs: &[f32]) -> Vec<u32> {
    outputs.iter().map(|output| output.to_bits()).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let bytes = three_layers().build().unwrap();
    for kernels in common::all_kernels() {
        let model = Model::from_bytes(&bytes).unwrap().with_kernels(kernels);
        let mut workspace = vec![0; model.config().workspace_bytes];
        let mut alone = model.session(&mut workspace).unwrap();
        for count in 1..5 {
            let threads = Threads::start(count).unwrap();
            let mut workspace = vec![0; model.workspace_bytes_for(count).unwrap()];
            let mut shared = model.session_with(&threads, &mut workspace).unwrap();
            for tokens in 1..=model.config().max_tokens {
                let ids: Vec<u32> = (0..tokens as u32).map(|i| i * 7 % 16).collect();
                let types = vec![0; tokens];
                let expected = bits(alone.run(Input::ids(&ids, &types)).unwrap().answer.outputs());
                let outputs = bits(shared.run(Input::ids(&ids, &types)).unwrap().answer.outputs());
                assert_eq!(outputs, expected, "{count} threads, {tokens} tokens, {kernels:?}");
            }
        }
    }
}

#[test]
fn threads_want_their_own_workspace() {
    let bytes = three_layers().build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let threads = Threads::start(3).unwrap();
    let needed = model.workspace_bytes_for(3).unwrap();
    let mut workspace = vec![0; needed - 1];
    let refused = model.session_with(&threads, &mut workspace).err();
    assert_eq!(refused, Some(Error::WorkspaceTooSmall { needed, given: needed - 1 }));
}
