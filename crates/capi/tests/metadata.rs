//! What C reads of an image's metadata.

use std::mem::MaybeUninit;

use tinybert::{
    CMetadata, CText, HANDLE_WORDS, Handle, Status, tinybert_image_metadata, tinybert_metadata_of,
    tinybert_metadata_precedence, tinybert_open,
};
use tinybert_image::toy::{INT8, PIECES, STATIC_INPUTS, ToyLayer, model};
use tinybert_image::{AlignedBytes, ImageBuilder, Metadata};
use tinybert_tokenizer::{Options, pack};

const CLOSED: Handle = Handle { words: [0; HANDLE_WORDS] };

fn text(text: CText) -> String {
    // SAFETY: the text lies in an image that is still there.
    let bytes = unsafe { std::slice::from_raw_parts(text.bytes.cast::<u8>(), text.length) };
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An image with these metadata.
fn image(metadata: Option<Metadata<String>>) -> AlignedBytes {
    let layer = ToyLayer { heads: 2, head_dim: 4, ffn: 12, attention: INT8, inputs: STATIC_INPUTS };
    let vocabulary = pack(&PIECES, Options::UNCASED).unwrap();
    let builder = model(1, 8, PIECES.len(), &vocabulary, &[layer]);
    ImageBuilder { metadata, ..builder }.build().unwrap()
}

/// The texts and the security version.
fn contents(metadata: &CMetadata) -> ([String; 4], u32) {
    let CMetadata { name, version, license, created, security_version } = *metadata;
    ([name, version, license, created].map(text), security_version)
}

/// The texts and the security version of an image with these metadata.
fn asked(metadata: Option<Metadata<String>>) -> ([String; 4], u32) {
    let image = image(metadata);
    let closed = of_closed(&image).map(|metadata| contents(&metadata));
    let (mut handle, mut found) = (CLOSED, MaybeUninit::<CMetadata>::uninit());
    // SAFETY: everything is there and as large as said; the metadata are written if the status says so.
    unsafe {
        assert_eq!(tinybert_open(image.as_ptr(), image.len(), &mut handle), Status::Ok);
        assert_eq!(tinybert_metadata_of(&handle, found.as_mut_ptr()), Status::Ok);
        let found = contents(&found.assume_init());
        assert_eq!(closed, Ok(found.clone()), "of the image that is not open");
        found
    }
}

/// The metadata of an image that is not open.
fn of_closed(image: &[u8]) -> Result<CMetadata, Status> {
    let mut found = MaybeUninit::uninit();
    // SAFETY: everything is there and as large as said; the metadata are written if the status says so.
    unsafe {
        match tinybert_image_metadata(image.as_ptr(), image.len(), found.as_mut_ptr()) {
            Status::Ok => Ok(found.assume_init()),
            status => Err(status),
        }
    }
}

/// What C finds of the order of two images with these versions and security versions.
fn order(one: (Option<&str>, u32), other: (Option<&str>, u32)) -> i32 {
    let [one, other] = [one, other].map(|(version, security_version)| {
        let version = version.map(str::to_owned);
        image(Some(Metadata { version, security_version, ..Metadata::default() }))
    });
    let (one, other, mut order) = (of_closed(&one).unwrap(), of_closed(&other).unwrap(), 7);
    // SAFETY: everything is there.
    unsafe {
        assert_eq!(
            tinybert_metadata_precedence(&raw const one, &raw const other, &raw mut order),
            Status::Ok
        );
    }
    order
}

#[test]
fn the_newer_of_two_images_is_found_before_one_is_open() {
    // Security versions first, then the order that semver.org states.
    assert_eq!(order((Some("9.9.9"), 2), (Some("1.0.0"), 3)), -1);
    assert_eq!(order((Some("1.10.0"), 7), (Some("1.9.0"), 7)), 1);
    assert_eq!(order((Some("1.0.0-rc.1"), 0), (Some("1.0.0"), 0)), -1);
    assert_eq!(order((Some("1.0.0+a"), 0), (Some("1.0.0+b"), 0)), 0);
    assert_eq!(order((Some("0.0.1"), 0), (None, 0)), 1);
    assert_eq!(order((None, 0), (None, 0)), 0);
}

#[test]
fn metadata_of_no_image_have_a_status() {
    let mut image = image(None);
    let (last, mut order) = (image.len() - 1, 7);
    image[last / 2] ^= 1;
    assert_eq!(of_closed(&image).err(), Some(Status::ImageDamaged));
    image[last / 2] ^= 1;
    assert_eq!(of_closed(&image[..last]).err(), Some(Status::ImageDamaged));
    assert_eq!(of_closed(&AlignedBytes::zeroed(1024)).err(), Some(Status::NotAnImage));
    let metadata = of_closed(&image).unwrap();
    let latin = CText { bytes: c"\xe4".as_ptr(), length: 1 };
    let other = CMetadata { version: latin, ..metadata };
    // SAFETY: null pointers are refused, and everything else is there.
    unsafe {
        let nowhere = tinybert_image_metadata(image.as_ptr(), image.len(), std::ptr::null_mut());
        assert_eq!(nowhere, Status::NullPointer);
        let nothing = tinybert_metadata_precedence(std::ptr::null(), &raw const metadata, &raw mut order);
        assert_eq!(nothing, Status::NullPointer);
        let latin = tinybert_metadata_precedence(&raw const metadata, &raw const other, &raw mut order);
        assert_eq!((latin, order), (Status::NotUtf8, 7));
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
