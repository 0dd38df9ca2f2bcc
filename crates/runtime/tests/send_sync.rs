//! What the documentation of the crate says about threads: every type is `Send` and `Sync`. This file compiles if that
//! is so. What must not compile is in the documentation itself.

use tinybert_runtime::kernels::Kernels;
use tinybert_runtime::{
    Answer, Error, Input, LabelSet, Model, Reply, Run, Session, Step, TaggedWord, Tags, WordRows,
};

const fn is_send_and_sync<T: Send + Sync + ?Sized>() {}
const fn is_sync<T: Sync + ?Sized>() {}

const _: () = {
    is_send_and_sync::<Model<'static>>();
    is_send_and_sync::<Session<'static, 'static>>();
    is_send_and_sync::<Run<'static, 'static, 'static>>();
    is_send_and_sync::<Step<'static>>();
    is_send_and_sync::<Reply<'static>>();
    is_send_and_sync::<Answer<'static>>();
    is_send_and_sync::<Tags<'static>>();
    is_send_and_sync::<TaggedWord<'static>>();
    is_send_and_sync::<LabelSet<'static>>();
    is_send_and_sync::<Input<'static>>();
    is_send_and_sync::<Error>();
    is_send_and_sync::<Kernels>();
    is_sync::<dyn WordRows>();
};

#[cfg(feature = "threads")]
const _: () = is_send_and_sync::<tinybert_runtime::Threads>();

#[test]
fn threads_share_a_model_and_hand_a_run_on() {
    use tinybert_image::toy;
    let layer =
        toy::ToyLayer { heads: 2, head_dim: 4, ffn: 12, attention: toy::INT8, inputs: toy::PER_TOKEN_INPUTS };
    let vocabulary = tinybert_tokenizer::pack(&toy::PIECES, tinybert_tokenizer::Options::UNCASED).unwrap();
    let image = toy::model(1, 8, toy::PIECES.len(), &vocabulary, &[layer]).build().unwrap();
    let model = &Model::from_bytes(&image).unwrap();
    let answer = || {
        let mut workspace = vec![0; model.max_workspace_bytes()];
        let mut session = model.session(&mut workspace).unwrap();
        let mut run = session.start(Input::text("play some jazz")).unwrap();
        assert_eq!(run.step(0), Ok(Step::Pending));
        std::thread::scope(|scope| {
            let handed_on = scope.spawn(move || match run.step(usize::MAX).unwrap() {
                Step::Done(reply) => reply.answer.outputs().to_vec(),
                Step::Pending => panic!("the budget was enough"),
            });
            handed_on.join().unwrap()
        })
    };
    std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(answer));
        let outputs = threads.map(|thread| thread.join().unwrap());
        assert!(outputs.iter().all(|of_one| *of_one == outputs[0]));
    });
}
