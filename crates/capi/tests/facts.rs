//! What C can ask before any answer, and about vectors.

use tinybert::{
    CText, HANDLE_WORDS, Handle, Kind, Status, tinybert_answer_kind, tinybert_cosine, tinybert_image_bytes,
    tinybert_kernels, tinybert_label_count, tinybert_max_tokens, tinybert_open, tinybert_output_count,
};
use tinybert_image::toy::{
    INT8, PIECES, STATIC_INPUTS, ToyLayer, embedding, model, multi_label, token_classification,
};
use tinybert_image::{AlignedBytes, ImageBuilder};
use tinybert_runtime::kernels::Kernels;
use tinybert_tokenizer::{Options, pack};

fn toy() -> ImageBuilder {
    let layer = ToyLayer { heads: 2, head_dim: 4, ffn: 12, attention: INT8, inputs: STATIC_INPUTS };
    let vocabulary = pack(&PIECES, Options::UNCASED).unwrap();
    model(1, 8, PIECES.len(), &vocabulary, &[layer])
}

const CLOSED: Handle = Handle { words: [0; HANDLE_WORDS] };

/// Kind, labels, outputs and maximum tokens.
fn facts(handle: &Handle) -> (Kind, usize, usize, usize) {
    let handle = &raw const *handle;
    // SAFETY: a model that is zero or was opened.
    unsafe {
        (
            tinybert_answer_kind(handle),
            tinybert_label_count(handle),
            tinybert_output_count(handle),
            tinybert_max_tokens(handle),
        )
    }
}

#[test]
fn an_open_model_says_what_it_is() {
    assert_eq!(facts(&CLOSED), (Kind::None, 0, 0, 0));
    let kinds = [
        (toy(), Kind::Label, 3),
        (token_classification(toy()), Kind::Tags, 3),
        (multi_label(toy()), Kind::Labels, 3),
        (embedding(toy()), Kind::Embedding, 0),
    ];
    for (builder, kind, labels) in kinds {
        let panel = builder.config.panel;
        let image = builder.build().unwrap();
        let mut handle = CLOSED;
        // SAFETY: the image is there.
        assert_eq!(unsafe { tinybert_open(image.as_ptr(), image.len(), &raw mut handle) }, Status::Ok);
        assert_eq!(facts(&handle), (kind, labels, 3, 20));
        let mut name = CText { bytes: std::ptr::null(), length: 0 };
        // SAFETY: the model is open, and the name is a part of the library.
        let name = unsafe {
            assert_eq!(tinybert_kernels(&raw const handle, &raw mut name), Status::Ok);
            std::slice::from_raw_parts(name.bytes.cast::<u8>(), name.length)
        };
        let best = Kernels::detect().for_panel(panel).isa().name();
        assert_eq!(name, best.as_bytes());
        // SAFETY: null is refused.
        let refused = unsafe {
            [
                tinybert_kernels(&raw const handle, std::ptr::null_mut()),
                tinybert_kernels(&CLOSED, &mut CText { bytes: std::ptr::null(), length: 0 }),
            ]
        };
        assert_eq!(refused, [Status::NullPointer, Status::NotOpen]);
    }
}

#[test]
fn an_image_in_a_slot_has_a_length() {
    let image = toy().build().unwrap();
    let mut slot = AlignedBytes::from_slice(&vec![0xff; image.len() + 1024]);
    let ask = |slot: *const u8, capacity: usize| {
        let mut bytes = 7;
        // SAFETY: the slot has as many bytes, or is null.
        match unsafe { tinybert_image_bytes(slot, capacity, &raw mut bytes) } {
            Status::Ok => Ok(bytes),
            status => {
                assert_eq!(bytes, 7, "a call that fails writes nothing");
                Err(status)
            }
        }
    };
    assert_eq!(ask(slot.as_ptr(), slot.len()), Err(Status::NotAnImage));
    slot[..image.len()].copy_from_slice(&image);
    assert_eq!(ask(slot.as_ptr(), slot.len()), Ok(image.len()));
    assert_eq!(ask(slot.as_ptr(), image.len()), Ok(image.len()));
    assert_eq!(ask(slot.as_ptr(), image.len() - 1), Err(Status::ImageDamaged));
    assert_eq!(ask(slot.as_ptr(), 8), Err(Status::NotAnImage));
    assert_eq!(ask(slot[1..].as_ptr(), 100), Err(Status::Misaligned));
    assert_eq!(ask(std::ptr::null(), 100), Err(Status::NullPointer));
    assert_eq!(ask(slot.as_ptr(), usize::MAX), Err(Status::TooLarge));
    // SAFETY: null is refused.
    let nowhere = unsafe { tinybert_image_bytes(slot.as_ptr(), slot.len(), std::ptr::null_mut()) };
    assert_eq!(nowhere, Status::NullPointer);
    let mut handle = CLOSED;
    // SAFETY: the slot is there.
    let open = |bytes, handle: &mut Handle| unsafe { tinybert_open(slot.as_ptr(), bytes, handle) };
    assert_eq!(open(slot.len(), &mut handle), Status::ImageDamaged);
    assert_eq!(open(image.len(), &mut handle), Status::Ok);
    slot[9] ^= 1;
    assert_eq!(ask(slot.as_ptr(), slot.len()), Err(Status::ImageDamaged), "the length was changed");
}

#[test]
fn vectors_have_a_cosine() {
    let (a, b) = ([3.0f32, 4.0, 0.0], [4.0f32, 3.0, 0.0]);
    let mut cosine = f32::NAN;
    // SAFETY: the vectors have three elements; null is refused.
    unsafe {
        let room = &raw mut cosine;
        assert_eq!(tinybert_cosine(a.as_ptr(), b.as_ptr(), 3, room), Status::Ok);
        assert!((cosine - 0.96).abs() < 1e-6);
        assert_eq!(tinybert_cosine(a[2..].as_ptr(), b.as_ptr(), 1, room), Status::Ok);
        assert_eq!(cosine, 0.0);
        assert_eq!(tinybert_cosine(a.as_ptr(), b.as_ptr(), usize::MAX, room), Status::TooLarge);
        assert_eq!(tinybert_cosine(std::ptr::null(), b.as_ptr(), 3, room), Status::NullPointer);
        assert_eq!(tinybert_cosine(a.as_ptr(), std::ptr::null(), 3, room), Status::NullPointer);
        assert_eq!(tinybert_cosine(a.as_ptr(), b.as_ptr(), 3, std::ptr::null_mut()), Status::NullPointer);
        let odd = a.as_ptr().wrapping_byte_add(1);
        assert_eq!(tinybert_cosine(odd, b.as_ptr(), 2, room), Status::Misaligned);
    }
    assert_eq!(cosine, 0.0, "a call that fails writes nothing");
}

#[cfg(feature = "sha256")]
#[test]
fn an_image_has_the_sha256_of_its_file() {
    use tinybert::tinybert_image_sha256;

    // NIST's example for SHA-256 of one block.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let mut digest = [0u8; 32];
    // SAFETY: everything is there; null is refused.
    unsafe {
        assert_eq!(tinybert_image_sha256(b"abc".as_ptr(), 3, digest.as_mut_ptr()), Status::Ok);
        assert_eq!(tinybert_image_sha256(std::ptr::null(), 3, digest.as_mut_ptr()), Status::NullPointer);
        let nowhere = tinybert_image_sha256(b"abc".as_ptr(), 3, std::ptr::null_mut());
        assert_eq!(nowhere, Status::NullPointer);
    }
    assert_eq!(digest.map(|byte| format!("{byte:02x}")).concat(), expected);
}
