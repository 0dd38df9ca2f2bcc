//! What C reads of an image's metadata.

use std::mem::MaybeUninit;

use tinybert::{CMetadata, CText, HANDLE_WORDS, Handle, Status, tinybert_metadata_of, tinybert_open};
use tinybert_image::toy::{INT8, PIECES, STATIC_INPUTS, ToyLayer, model};
use tinybert_image::{ImageBuilder, Metadata};
use tinybert_tokenizer::{Options, pack};

const CLOSED: Handle = Handle { words: [0; HANDLE_WORDS] };

fn text(text: CText) -> String {
    // SAFETY: the text lies in an image that is still there.
    let bytes = unsafe { std::slice::from_raw_parts(text.bytes.cast::<u8>(), text.length) };
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The texts and the security version of an image with these metadata.
fn asked(metadata: Option<Metadata<String>>) -> ([String; 4], u32) {
    let layer = ToyLayer { heads: 2, head_dim: 4, ffn: 12, attention: INT8, inputs: STATIC_INPUTS };
    let vocabulary = pack(&PIECES, Options::UNCASED).unwrap();
    let builder = model(1, 8, PIECES.len(), &vocabulary, &[layer]);
    let image = ImageBuilder { metadata, ..builder }.build().unwrap();
    let (mut handle, mut found) = (CLOSED, MaybeUninit::<CMetadata>::uninit());
    // SAFETY: everything is there and as large as said; the metadata are written if the status says so.
    unsafe {
        assert_eq!(tinybert_open(image.as_ptr(), image.len(), &mut handle), Status::Ok);
        assert_eq!(tinybert_metadata_of(&handle, found.as_mut_ptr()), Status::Ok);
        let CMetadata { name, version, license, created, security_version } = found.assume_init();
        ([name, version, license, created].map(text), security_version)
    }
}

#[test]
fn metadata_are_those_of_the_image() {
    let given = Metadata {
        name: Some("Jäzz".to_owned()),
        version: Some("1.2.0".to_owned()),
        license: None,
        created: Some("2026-12-01T13:00:00Z".to_owned()),
        security_version: 7,
    };
    let expected = ["Jäzz", "1.2.0", "", "2026-12-01T13:00:00Z"].map(str::to_owned);
    assert_eq!(asked(Some(given)), (expected, 7));
    assert_eq!(asked(None), (["", "", "", ""].map(str::to_owned), 0));
}

#[test]
fn a_closed_model_and_a_null_pointer_have_a_status() {
    let mut found = MaybeUninit::<CMetadata>::uninit();
    // SAFETY: a null pointer is refused, and the model is zero.
    unsafe {
        assert_eq!(tinybert_metadata_of(&CLOSED, found.as_mut_ptr()), Status::NotOpen);
        assert_eq!(tinybert_metadata_of(&CLOSED, std::ptr::null_mut()), Status::NotOpen);
        assert_eq!(tinybert_metadata_of(std::ptr::null(), found.as_mut_ptr()), Status::NullPointer);
    }
}
