//! An answer in slices has the bits of an answer at once, whatever the budgets are.

mod common;

use common::{
    all_kernels, embedding, mixed, multi_label, regression, three_layers, token_classification, toy_model,
};
use proptest::prelude::*;
use tinybert_image::toy::{F32, INT8, PER_TOKEN_INPUTS, PIECES, STATIC_INPUTS, ToyLayer, ToyRandom};
use tinybert_image::{Image, ImageBuilder, repack};
use tinybert_runtime::{Error, Input, Model, Session, Step};

/// Models of all kinds, in all encodings, with both kinds of attention and of quantization.
fn models() -> Vec<ImageBuilder> {
    let fixed = ToyLayer { heads: 4, head_dim: 10, ffn: 130, attention: INT8, inputs: STATIC_INPUTS };
    let per_token = ToyLayer { inputs: PER_TOKEN_INPUTS, ..fixed };
    let wide = toy_model(5, 60, &[fixed, ToyLayer { attention: F32, ..fixed }, per_token]);
    vec![
        three_layers(),
        mixed(three_layers()),
        regression(three_layers()),
        token_classification(three_layers()),
        multi_label(mixed(three_layers())),
        embedding(three_layers()),
        embedding(wide.clone()),
        mixed(wide),
    ]
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn random_ids(random: &mut ToyRandom, count: usize) -> (Vec<u32>, Vec<u8>) {
    ((0..count).map(|_| random.below(PIECES.len()) as u32).collect(), vec![0; count])
}

/// Answers with a budget from `budgets` for every step; returns the bits of the outputs and the number of steps.
fn in_slices(
    session: &mut Session<'_, '_>,
    input: Input<'_>,
    mut budgets: impl FnMut() -> usize,
) -> (Vec<u32>, usize) {
    let mut run = session.start(input).unwrap();
    for steps in 1.. {
        match run.step(budgets()).unwrap() {
            Step::Pending => {}
            Step::Done(reply) => return (bits(reply.answer.outputs()), steps),
        }
    }
    unreachable!()
}

/// A budget of any magnitude up to a whole answer's.
fn random_budget(random: &mut ToyRandom) -> usize {
    let magnitude = random.below(22);
    random.below(1 << magnitude)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_budgets_give_the_bits_of_a_whole_run(kind in 0usize..8, tokens in 1usize..=20, seed: u64) {
        let builder = models().swap_remove(kind);
        let random = &mut ToyRandom(seed);
        let (ids, type_ids) = random_ids(random, tokens);
        let (input, one) = (Input::ids(&ids, &type_ids), random_budget(random));
        let bytes = builder.build().unwrap();
        for kernels in all_kernels() {
            // Weights as these kernels want them, or as nobody does.
            let repacked = repack(&Image::from_bytes(&bytes).unwrap(), kernels.native_panel()).unwrap();
            for bytes in [&*bytes, &*repacked] {
                let model = Model::from_bytes(bytes).unwrap().with_kernels(kernels);
                let mut workspace = vec![0xa5; model.max_workspace_bytes()];
                let mut session = model.session(&mut workspace).unwrap();
                let expected = bits(session.run(input).unwrap().answer.outputs());
                let (fixed, _) = in_slices(&mut session, input, || one);
                let (varied, _) = in_slices(&mut session, input, || random_budget(random));
                let (smallest, many) = in_slices(&mut session, input, || 0);
                let (whole, steps) = in_slices(&mut session, input, || usize::MAX);
                prop_assert_eq!(fixed, &*expected, "{:?}, budget {}", kernels, one);
                prop_assert_eq!(varied, &*expected, "{:?}", kernels);
                prop_assert_eq!(smallest, &*expected, "{:?}", kernels);
                prop_assert_eq!(whole, &*expected, "{:?}", kernels);
                prop_assert!(many > 20 && steps == 1, "{} and {} steps", many, steps);
            }
        }
    }

    #[test]
    fn a_session_is_free_after_a_run_that_was_cancelled_anywhere(
        kind in 0usize..8, seed: u64, budget in 1usize..30_000, steps in 0usize..50,
    ) {
        let bytes = models().swap_remove(kind).build().unwrap();
        let model = Model::from_bytes(&bytes).unwrap();
        let mut workspace = vec![0xa5; model.max_workspace_bytes()];
        let mut session = model.session(&mut workspace).unwrap();
        let random = &mut ToyRandom(seed);
        let (first, second) = (random_ids(random, 20), random_ids(random, 7));
        let input = Input::ids(&second.0, &second.1);
        let expected = bits(session.run(input).unwrap().answer.outputs());
        let mut run = session.start(Input::ids(&first.0, &first.1)).unwrap();
        for _ in 0..steps {
            run.step(budget).unwrap();
        }
        prop_assert_eq!(bits(session.run(input).unwrap().answer.outputs()), &*expected);
        prop_assert_eq!(in_slices(&mut session, input, || budget).0, &*expected);
    }
}

#[test]
fn blocks_of_rows_are_computed_in_slices_too() {
    for mut builder in [three_layers(), token_classification(mixed(three_layers()))] {
        let (tokens, hidden) = (150, builder.config.hidden);
        let rows = &mut builder.embeddings.position;
        rows.rows.resize(tokens * hidden, 3);
        rows.scales.resize(tokens, rows.scales[0]);
        (builder.config.positions, builder.config.max_tokens) = (tokens, tokens);
        let bytes = builder.build().unwrap();
        for kernels in all_kernels() {
            let model = Model::from_bytes(&bytes).unwrap().with_kernels(kernels);
            let mut workspace = vec![0; model.max_workspace_bytes()];
            let mut session = model.session(&mut workspace).unwrap();
            for tokens in [63, 64, 65, 72, 127, 128, 129, 150] {
                let (ids, type_ids) = random_ids(&mut ToyRandom(tokens as u64), tokens);
                let input = Input::ids(&ids, &type_ids);
                let expected = bits(session.run(input).unwrap().answer.outputs());
                for budget in [0, 10_000, 50_000, 300_000] {
                    let (got, _) = in_slices(&mut session, input, || budget);
                    assert_eq!(got, expected, "{kernels:?}, {tokens} tokens, budget {budget}");
                }
            }
        }
    }
}

#[test]
fn a_larger_budget_needs_fewer_steps() {
    let bytes = three_layers().build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let mut workspace = vec![0; model.max_workspace_bytes()];
    let mut session = model.session(&mut workspace).unwrap();
    let (ids, type_ids) = random_ids(&mut ToyRandom(1), 20);
    let mut steps = |budget| in_slices(&mut session, Input::ids(&ids, &type_ids), || budget).1;
    let counts = [0, 10_000, 40_000, 160_000, usize::MAX].map(&mut steps);
    assert!(counts.is_sorted_by(|more, fewer| more > fewer), "{counts:?}");
}

#[test]
fn a_finished_run_keeps_its_reply_and_texts_are_read_at_the_start() {
    let bytes = token_classification(three_layers()).build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let mut workspace = vec![0; model.max_workspace_bytes()];
    let mut session = model.session(&mut workspace).unwrap();
    let whole = format!("{:?}", session.run(Input::text("Play some jazz!")).unwrap());
    let mut run = session.start(Input::text("Play some jazz!")).unwrap();
    while run.step(5_000).unwrap() == Step::Pending {}
    for budget in [0, usize::MAX] {
        let Step::Done(reply) = run.step(budget).unwrap() else { panic!("it was done") };
        assert_eq!(format!("{reply:?}"), whole);
    }
    assert_eq!(session.start(Input::pair("play", "jazz")).err(), Some(Error::Pair));
    assert_eq!(
        session.start(Input::ids(&[1; 21], &[0; 21])).err(),
        Some(Error::TokenCount { actual: 21, limit: 20 })
    );
    assert_eq!(session.start(Input::ids(&[1; 2], &[0; 3])).err(), Some(Error::TypeCount));
}

#[test]
fn a_token_that_the_model_lacks_is_an_error_of_the_step_that_reads_it() {
    let bytes = three_layers().build().unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let mut workspace = vec![0; model.max_workspace_bytes()];
    let mut session = model.session(&mut workspace).unwrap();
    let mut ids = [1; 20];
    ids[12] = 99;
    let mut run = session.start(Input::ids(&ids, &[0; 20])).unwrap();
    assert_eq!(run.step(0), Ok(Step::Pending), "the first eight rows");
    assert_eq!(run.step(0), Err(Error::TokenId));
    assert_eq!(run.step(usize::MAX), Err(Error::TokenId), "the same row again");
}

#[cfg(feature = "threads")]
#[test]
fn threads_compute_slices_together() {
    for builder in models() {
        let bytes = builder.build().unwrap();
        let model = Model::from_bytes(&bytes).unwrap();
        let mut alone = vec![0; model.max_workspace_bytes()];
        let mut alone = model.session(&mut alone).unwrap();
        for threads in [1, 2, 3] {
            let team = tinybert_runtime::Threads::start(threads).unwrap();
            let mut workspace = vec![0xa5; model.workspace_bytes_for(threads).unwrap()];
            let mut session = model.session_with(&team, &mut workspace).unwrap();
            for tokens in [1, 8, 9, 17, 20] {
                let (ids, type_ids) = random_ids(&mut ToyRandom(tokens as u64), tokens);
                let input = Input::ids(&ids, &type_ids);
                let expected = bits(alone.run(input).unwrap().answer.outputs());
                for budget in [0, 3_000, 40_000] {
                    let (got, _) = in_slices(&mut session, input, || budget);
                    assert_eq!(got, expected, "{threads} threads, {tokens} tokens, budget {budget}");
                }
            }
        }
    }
}
