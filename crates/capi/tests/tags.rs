//! Words and entities of a tagged answer, as C gets them.

use std::mem::MaybeUninit;

use tinybert::{
    CAnswer, CEntity, CTagPlace, CText, CWord, HANDLE_WORDS, Handle, Status, tinybert_label,
    tinybert_next_entity, tinybert_next_word, tinybert_open, tinybert_output_count, tinybert_run_text,
    tinybert_workspace_bytes,
};
use tinybert_image::toy::{INT8, PIECES, STATIC_INPUTS, ToyLayer, model, token_classification};
use tinybert_image::{AlignedBytes, ImageBuilder};
use tinybert_tokenizer::{Options, pack};

fn classifier() -> ImageBuilder {
    let layer = ToyLayer { heads: 2, head_dim: 4, ffn: 12, attention: INT8, inputs: STATIC_INPUTS };
    let vocabulary = pack(&PIECES, Options::UNCASED).unwrap();
    model(1, 8, PIECES.len(), &vocabulary, &[layer])
}

/// What C keeps: an open model, its workspace, and the answer to a text.
struct Asked {
    handle: Handle,
    _workspace: Vec<u8>,
    answer: CAnswer,
}

fn ask(image: &AlignedBytes, text: &str) -> Asked {
    let mut handle = Handle { words: [0; HANDLE_WORDS] };
    // SAFETY: everything is there and as large as said.
    unsafe {
        assert_eq!(tinybert_open(image.as_ptr(), image.len(), &raw mut handle), Status::Ok);
        let bytes = tinybert_workspace_bytes(&raw const handle);
        let mut workspace = vec![0; bytes];
        let mut answer = MaybeUninit::<CAnswer>::uninit();
        let room = workspace.as_mut_ptr();
        let run = tinybert_run_text(&raw const handle, room, bytes, c_text(text), answer.as_mut_ptr());
        assert_eq!(run, Status::Ok);
        Asked { handle, _workspace: workspace, answer: answer.assume_init() }
    }
}

fn c_text(text: &str) -> CText {
    CText { bytes: text.as_ptr().cast(), length: text.len() }
}

fn rust_text<'t>(CText { bytes, length }: CText) -> &'t str {
    // SAFETY: the tests keep what the library's texts point to.
    std::str::from_utf8(unsafe { std::slice::from_raw_parts(bytes.cast(), length) }).unwrap()
}

impl Asked {
    fn next_word(&self, text: CText, place: &mut CTagPlace) -> Result<CWord, Status> {
        let mut word = MaybeUninit::uninit();
        // SAFETY: everything is there; the status says that the word was written.
        unsafe {
            let (handle, answer) = (&raw const self.handle, &raw const self.answer);
            match tinybert_next_word(handle, answer, text, place, word.as_mut_ptr()) {
                Status::Ok => Ok(word.assume_init()),
                status => Err(status),
            }
        }
    }

    fn next_entity(&self, text: CText, place: &mut CTagPlace) -> Result<CEntity, Status> {
        let mut entity = MaybeUninit::uninit();
        // SAFETY: as above.
        unsafe {
            let (handle, answer) = (&raw const self.handle, &raw const self.answer);
            match tinybert_next_entity(handle, answer, text, place, entity.as_mut_ptr()) {
                Status::Ok => Ok(entity.assume_init()),
                status => Err(status),
            }
        }
    }

    fn tag(&self, word: &CWord) -> &str {
        let mut name = c_text("");
        // SAFETY: the model is open, and the text is there.
        assert_eq!(unsafe { tinybert_label(&raw const self.handle, word.tag, &raw mut name) }, Status::Ok);
        rust_text(name)
    }
}

#[test]
fn words_and_entities_come_one_after_the_other() {
    let image = token_classification(classifier()).build().unwrap();
    // Many texts, so that the random model gives every tag.
    let mut entities_found = 0;
    for text in
        ["turn  on\tthe lamp! ", "play jazz playing some", "the the on lamp jazz turn", "lamp", " ", ""]
    {
        let asked = ask(&image, text);
        let mut place = CTagPlace::default();
        let mut words = Vec::new();
        loop {
            match asked.next_word(c_text(text), &mut place) {
                Ok(word) => words.push(word),
                Err(status) => break assert_eq!(status, Status::End),
            }
        }
        assert!(words.iter().map(|word| &text[word.start..word.end]).eq(text.split_whitespace()));
        for word in &words {
            assert!(word.probability > 1.0 / 3.0 - 1e-6 && word.probability <= 1.0);
            // SAFETY: the model is open, and the answer's outputs are still in the workspace.
            let logits = unsafe {
                std::slice::from_raw_parts(word.logits, tinybert_output_count(&raw const asked.handle))
            };
            assert!(logits.iter().all(|logit| *logit <= logits[word.tag as usize]));
        }

        // The entities of the one type that there is, as the rules of CoNLL find them.
        let mut expected: Vec<(usize, usize)> = Vec::new();
        let mut inside = false;
        for word in &words {
            match asked.tag(word) {
                "I-thing" if inside => expected.last_mut().unwrap().1 = word.end,
                "O" => {}
                _ => expected.push((word.start, word.end)),
            }
            inside = asked.tag(word) != "O";
        }
        let mut place = CTagPlace::default();
        for expected in &expected {
            let entity = asked.next_entity(c_text(text), &mut place).unwrap();
            assert_eq!(((entity.start, entity.end), rust_text(entity.kind)), (*expected, "thing"));
        }
        entities_found += expected.len();
        // Behind the end, the status stays the same.
        for _ in 0..2 {
            assert_eq!(asked.next_entity(c_text(text), &mut place).err(), Some(Status::End));
        }
    }
    assert!(entities_found > 0);
}

#[test]
fn wrong_arguments_have_a_status() {
    let image = token_classification(classifier()).build().unwrap();
    let asked = ask(&image, "play jazz");
    let text = c_text("play jazz");
    let (mut place, mut word) = (CTagPlace::default(), MaybeUninit::<CWord>::uninit());
    let closed = Handle { words: [0; HANDLE_WORDS] };
    let (handle, answer) = (&raw const asked.handle, &raw const asked.answer);
    // SAFETY: null is refused; everything else is there.
    unsafe {
        let (place, word) = (&raw mut place, word.as_mut_ptr());
        let null = std::ptr::null_mut();
        assert_eq!(tinybert_next_word(&raw const closed, answer, text, place, word), Status::NotOpen);
        assert_eq!(tinybert_next_word(handle, std::ptr::null(), text, place, word), Status::NullPointer);
        assert_eq!(tinybert_next_word(handle, answer, text, null, word), Status::NullPointer);
        assert_eq!(tinybert_next_word(handle, answer, text, place, null.cast()), Status::NullPointer);
        let absent = CText { bytes: std::ptr::null(), length: 3 };
        assert_eq!(tinybert_next_word(handle, answer, absent, place, word), Status::NullPointer);
        let latin = CText { bytes: c"\xff".as_ptr(), length: 1 };
        assert_eq!(tinybert_next_word(handle, answer, latin, place, word), Status::NotUtf8);
        assert_eq!(tinybert_next_entity(handle, answer, text, place, null.cast()), Status::NullPointer);
    }
    assert_eq!((place.bytes, place.tokens), (0, 0), "a call that fails writes nothing");
    // Places that no call has written, and a text that was not answered, end the words.
    for (bytes, tokens) in [(usize::MAX, 0), (0, usize::MAX), (9, 2)] {
        assert_eq!(asked.next_word(text, &mut CTagPlace { bytes, tokens }).err(), Some(Status::End));
    }
    let accented = c_text("é");
    assert_eq!(asked.next_word(accented, &mut CTagPlace { bytes: 1, tokens: 0 }).err(), Some(Status::End));

    let other = ask(&classifier().build().unwrap(), "play");
    assert_eq!(other.next_word(text, &mut CTagPlace::default()).err(), Some(Status::OtherKind));
    assert_eq!(other.next_entity(text, &mut CTagPlace::default()).err(), Some(Status::OtherKind));
}
