//! Answers shared by threads: the same bits for any number of them.
#![cfg(feature = "threads")]

mod common;

use common::{all_kernels, mixed, three_layers, toy_model};
use tinybert_image::toy::{F32, INT8, PIECES, STATIC_INPUTS, ToyLayer};
use tinybert_runtime::{Error, Input, Model, Threads};

fn ids(tokens: usize) -> (Vec<u32>, Vec<u8>) {
    ((0..tokens).map(|i| (i * 7 % PIECES.len()) as u32).collect(), vec![0; tokens])
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let inputs = STATIC_INPUTS;
    let wide =
        [INT8, F32, INT8].map(|attention| ToyLayer { heads: 4, head_dim: 10, ffn: 70, attention, inputs });
    for builder in [three_layers(), mixed(three_layers()), toy_model(3, 40, &wide)] {
        let bytes = builder.build().unwrap();
        for kernels in all_kernels() {
            let model = Model::from_bytes(&bytes).unwrap().with_kernels(kernels);
            let mut alone = vec![0; model.config().workspace_bytes];
            let mut alone = model.session(&mut alone).unwrap();
            for threads in [1, 2, 3, 5] {
                let team = Threads::start(threads).unwrap();
                assert_eq!(team.count(), threads);
                let mut workspace = vec![0xa5; model.workspace_bytes_for(threads).unwrap()];
                let mut session = model.session_with(&team, &mut workspace).unwrap();
                for tokens in [1, 2, 7, 8, 9, 16, 17, 20] {
                    let (ids, type_ids) = ids(tokens);
                    let input = Input::ids(&ids, &type_ids);
                    let expected = alone.run(input).unwrap().answer.outputs().to_vec();
                    let got = session.run(input).unwrap();
                    assert_eq!(
                        got.answer.outputs(),
                        expected,
                        "{kernels:?}, {threads} threads, {tokens} tokens"
                    );
                }
            }
        }
    }
}

#[test]
fn a_workspace_for_one_thread_is_too_small_for_two() {
    let bytes = three_layers().build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let team = Threads::start(2).unwrap();
    let (one, two) = (model.config().workspace_bytes, model.workspace_bytes_for(2).unwrap());
    assert!(one < two);
    let refused = model.session_with(&team, &mut vec![0; two - 1]).err();
    assert_eq!(refused, Some(Error::WorkspaceTooSmall { needed: two, actual: two - 1 }));
    assert!(model.session_with(&team, &mut vec![0; two]).is_ok());
}

#[test]
fn errors_come_back_from_the_team() {
    let bytes = three_layers().build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let team = Threads::start(2).unwrap();
    let mut workspace = vec![0; model.workspace_bytes_for(2).unwrap()];
    let mut session = model.session_with(&team, &mut workspace).unwrap();
    assert_eq!(session.run(Input::ids(&[u32::MAX; 9], &[0; 9])).err(), Some(Error::TokenId));
    assert!(session.run(Input::ids(&[0; 9], &[0; 9])).is_ok());
}
