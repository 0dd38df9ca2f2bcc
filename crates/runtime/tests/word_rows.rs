//! Word rows in a file of their own, read as they are needed.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{mixed, three_layers};
use tinybert_image::{AlignedBytes, Image, ImageBuilder, detach_words};
use tinybert_runtime::{Error, Input, Model, WordRows};

/// Flash that counts what is read from it.
struct Flash {
    bytes: Vec<u8>,
    read: AtomicUsize,
}

impl WordRows for Flash {
    fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        let Some(bytes) = self.bytes.get(offset..offset + into.len()) else { return false };
        into.copy_from_slice(bytes);
        self.read.fetch_add(into.len(), Ordering::Relaxed);
        true
    }
}

fn detached() -> (AlignedBytes, AlignedBytes, Flash) {
    detached_of(&three_layers())
}

fn detached_of(builder: &ImageBuilder) -> (AlignedBytes, AlignedBytes, Flash) {
    let whole = builder.build().unwrap();
    let (image, bytes) = detach_words(&Image::from_bytes(&whole).unwrap()).unwrap();
    (whole, image, Flash { bytes, read: AtomicUsize::new(0) })
}

fn answer(model: &Model<'_>, text: &str) -> Result<Vec<u32>, Error> {
    let mut workspace = vec![0; model.config().workspace_bytes];
    let mut session = model.session(&mut workspace)?;
    let reply = session.run(Input::text(text))?;
    Ok(reply.answer.outputs().iter().map(|x| x.to_bits()).collect())
}

#[test]
fn rows_from_elsewhere_give_the_same_bits_and_only_those_of_the_text_are_read() {
    let (whole, image, flash) = detached();
    let whole = Model::from_bytes(&whole).unwrap();
    let model = Model::from_bytes(&image).unwrap().with_word_rows(&flash);
    let hidden = model.config().hidden;
    assert_eq!(flash.bytes.len(), model.config().vocab * hidden);
    assert_eq!(answer(&model, "play some jazz"), answer(&whole, "play some jazz"));
    assert_eq!(flash.read.load(Ordering::Relaxed), 5 * hidden, "[CLS], three words, [SEP]");
}

/// Rows of 24 channels take a multiplier and 16 bytes.
#[test]
fn rows_in_four_bits_are_read_as_they_are_stored() {
    let (whole, image, flash) = detached_of(&mixed(three_layers()));
    let whole = Model::from_bytes(&whole).unwrap();
    let model = Model::from_bytes(&image).unwrap().with_word_rows(&flash);
    assert_eq!(flash.bytes.len(), model.config().vocab * 17);
    assert_eq!(answer(&model, "play some jazz"), answer(&whole, "play some jazz"));
    assert_eq!(flash.read.load(Ordering::Relaxed), 5 * 17, "[CLS], three words, [SEP]");
    let mut bytes = flash.bytes.clone();
    bytes[5 * 17 + 3] ^= 1;
    let damaged = Flash { bytes, read: AtomicUsize::new(0) };
    let model = Model::from_bytes(&image).unwrap().with_word_rows(&damaged);
    assert_eq!(answer(&model, "play"), Err(Error::WordRow { id: 5 }));
}

#[test]
fn the_image_is_smaller_by_the_rows() {
    let (whole, image, flash) = detached();
    let checks = 4 * Image::from_bytes(&image).unwrap().config().vocab;
    // Each part and section is padded to 64 bytes; the table has one entry more.
    let saved = whole.len() - image.len();
    assert!(saved + checks + 128 >= flash.bytes.len() && saved < flash.bytes.len() + 64);
}

#[test]
fn without_the_rows_there_is_an_error() {
    let (_, image, _) = detached();
    assert_eq!(answer(&Model::from_bytes(&image).unwrap(), "play"), Err(Error::WordRowsMissing));
}

#[test]
fn a_flipped_bit_in_any_row_of_the_text_is_noticed() {
    let (_, image, flash) = detached();
    let hidden = Model::from_bytes(&image).unwrap().config().hidden;
    for byte in 5 * hidden..6 * hidden {
        let mut bytes = flash.bytes.clone();
        bytes[byte] ^= 0x10;
        let damaged = Flash { bytes, read: AtomicUsize::new(0) };
        let model = Model::from_bytes(&image).unwrap().with_word_rows(&damaged);
        assert_eq!(answer(&model, "play"), Err(Error::WordRow { id: 5 }), "byte {byte}");
        assert!(answer(&model, "the lamp").is_ok(), "other rows are whole");
    }
}

#[test]
fn rows_that_cannot_be_read_are_an_error() {
    let (_, image, flash) = detached();
    let cut = Flash { bytes: flash.bytes[..10].to_vec(), read: AtomicUsize::new(0) };
    let model = Model::from_bytes(&image).unwrap().with_word_rows(&cut);
    assert_eq!(answer(&model, "play"), Err(Error::WordRow { id: 2 }));
}

#[test]
fn rows_are_taken_out_once() {
    let (_, image, _) = detached();
    assert!(detach_words(&Image::from_bytes(&image).unwrap()).is_err());
}
