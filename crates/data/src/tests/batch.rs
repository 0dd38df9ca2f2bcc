use proptest::prelude::*;

use crate::{EncodedSet, EpochBatches, collate, evaluation_batches, padding};
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
    assert_eq!((set.lengths(), set.total_tokens()), (vec![5, 5, 3], 13));
}

/// The batches of an epoch.
fn bucketed_batches(lengths: &[usize], batch_size: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let batches = EpochBatches::new(lengths.len(), |sample| lengths[sample], batch_size, seed, epoch);
    assert_eq!(batches.len(), lengths.len().div_ceil(batch_size));
    batches.iter().collect()
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
