use proptest::prelude::*;

use crate::{EncodedSet, EpochBatches, Rows, collate, evaluation_batches, padding};
use tinybert_model::EncodedInput;

fn sorted(batches: &[Vec<usize>]) -> Vec<usize> {
    let mut all = batches.concat();
    all.sort_unstable();
    all
}

#[test]
fn rows_are_padded_to_the_longest() {
    let encoded = [
        EncodedInput { ids: vec![9; 5], type_ids: vec![0; 5] },
        EncodedInput { ids: vec![2, 10, 3, 11, 3], type_ids: vec![0, 0, 0, 1, 1] },
        EncodedInput { ids: vec![2, 12, 3], type_ids: vec![0, 0, 0] },
    ];
    let batch = collate(&encoded, &[2, 1], 7);
    assert_eq!(batch.ids, [2, 12, 3, 7, 7, 2, 10, 3, 11, 3]);
    assert_eq!(batch.type_ids, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    assert_eq!(
        (batch.lengths.as_slice(), batch.samples.as_slice(), batch.tokens),
        (&[3, 5][..], &[2, 1][..], 5)
    );

    let set: EncodedSet = encoded.into_iter().collect();
    assert_eq!(set.collate(&[2, 1], 7).unwrap(), batch);
    assert_eq!((set.lengths().unwrap(), set.total_tokens()), (vec![5, 5, 3], 13));
}

/// The batches of an epoch.
fn bucketed_batches(lengths: &[usize], batch_size: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let mut rows = Rows::default();
    lengths.iter().for_each(|&length| rows.push(&vec![1; length]));
    let batches = EpochBatches::new(&EncodedSet::of_sentences(rows), batch_size, seed, epoch).unwrap();
    assert_eq!(batches.len(), lengths.len().div_ceil(batch_size));
    batches.iter().map(Result::unwrap).collect()
}

#[test]
fn an_epoch_has_an_order_of_its_own_that_a_seed_repeats() {
    let lengths: Vec<usize> = (0..1000).map(|sample| 3 + sample * 7 % 61).collect();
    let first = bucketed_batches(&lengths, 16, 1, 0);
    assert_eq!(first, bucketed_batches(&lengths, 16, 1, 0));
    assert_ne!(first, bucketed_batches(&lengths, 16, 1, 1));
    assert_ne!(first, bucketed_batches(&lengths, 16, 2, 0));
}

#[test]
#[ignore = "a million samples take a minute or more on a busy machine"]
fn the_batches_of_many_samples_are_the_same_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let batches = |mut rows: Rows| {
        for sample in 0..1_100_000 {
            rows.push(&[1, 2, 3][..1 + sample * 7919 % 61 % 3]);
        }
        rows.spill().unwrap();
        let batches = EpochBatches::new(&EncodedSet::of_sentences(rows), 32, 5, 1).unwrap();
        batches.iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(batches(Rows::spilling_to(folder.path())), batches(Rows::default()));
}

#[test]
fn parts_of_a_set_have_the_samples_that_were_chosen() {
    let mut rows = Rows::default();
    (0..100).for_each(|id| rows.push(&vec![id; id as usize % 5]));
    let all = EncodedSet::of_sentences(rows);
    let ids = |set: &EncodedSet| {
        let first = |sample| set.ids(sample).unwrap().first().copied();
        (0..set.len()).filter_map(first).collect::<Vec<_>>()
    };
    let (kept, empty) = all.partition(|sample| Ok(sample % 5 > 0)).unwrap();
    assert_eq!((kept.len(), empty.len(), empty.total_tokens()), (80, 20, 0));
    let (train, held_out) = kept.hold_out(10).unwrap();
    assert_eq!((train.len(), held_out.len()), (70, 10));
    assert_eq!(train.total_tokens() + held_out.total_tokens(), all.total_tokens());
    assert_eq!(held_out.lengths().unwrap().iter().sum::<usize>(), held_out.total_tokens());
    let mut together = [ids(&train), ids(&held_out)].concat();
    together.sort_unstable();
    assert_eq!(together, (0..100).filter(|id| id % 5 > 0).collect::<Vec<u32>>());
    assert!(ids(&train).is_sorted() && ids(&held_out).is_sorted());
    // A part of a part that was listed.
    let (some, others) = held_out.partition(|sample| Ok(sample < 3)).unwrap();
    assert_eq!([ids(&some), ids(&others)].concat(), ids(&held_out));
}

#[test]
fn buckets_save_most_of_the_padding_without_sorting_the_epoch() {
    let lengths: Vec<usize> = (0..20_000).map(|sample| 3 + sample * 7919 % 61).collect();
    let shuffled: Vec<Vec<usize>> =
        (0..lengths.len()).collect::<Vec<_>>().chunks(32).map(<[usize]>::to_vec).collect();
    let bucketed = bucketed_batches(&lengths, 32, 0, 0);
    assert!(padding(&lengths, &shuffled) > 0.4);
    assert!(padding(&lengths, &bucketed) < 0.04);
    let first_lengths: Vec<usize> = bucketed.iter().map(|batch| lengths[batch[0]]).collect();
    assert!(!first_lengths.is_sorted());
}

#[test]
fn padding_by_hand() {
    // 2 + 4 real tokens in 2 x 4 positions, and one row without padding.
    let share = padding(&[2, 4, 8], &[vec![0, 1], vec![2]]);
    assert!((share - 2.0 / 16.0).abs() < 1e-12);
    assert_eq!(padding(&[], &[]), 0.0);
}

#[test]
fn evaluation_begins_with_the_longest() {
    assert_eq!(evaluation_batches(&[5, 9, 7, 9], 2), [vec![1, 3], vec![2, 0]]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_sample_comes_once_an_epoch(
        lengths in proptest::collection::vec(2usize..130, 0..700),
        batch_size in 1usize..40,
        seed: u64,
        epoch: u64,
    ) {
        let all: Vec<usize> = (0..lengths.len()).collect();
        let training = bucketed_batches(&lengths, batch_size, seed, epoch);
        prop_assert_eq!(sorted(&training), all.clone());
        prop_assert_eq!(training.len(), lengths.len().div_ceil(batch_size));
        prop_assert!(training.iter().all(|batch| !batch.is_empty() && batch.len() <= batch_size));
        prop_assert_eq!(sorted(&evaluation_batches(&lengths, batch_size)), all);
    }
}
