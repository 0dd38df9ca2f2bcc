//! Writes a toy image with self-tests and with weights in every encoding, for trying firmware. Its answers mean
//! nothing.
//!
//!     toy_image OUT.tbim [neon|dotprod|i8mm] [tags|embedding|labels|calibrated] [demo] [wrong] [--word-rows FILE]
//!
//! The weights lie as those kernels want them; without a name as nobody does, so that the scalar kernel reads them.
//! The model is a classifier, or a tagger of words, a sentence encoder, a multi-label classifier or a classifier with
//! a temperature and a threshold; with `demo` in the sizes of the shipped demo's student. With `wrong` its last
//! self-test fails. With `--word-rows` its word rows are in a file of their own. It states no workspace: what
//! believes an image there does not work.

use std::error::Error;

use tinybert_runtime::image::toy::{
    self, F32, INT8, PER_TOKEN_INPUTS, PIECES, STATIC_INPUTS, ToyLayer, mixed,
};
use tinybert_runtime::image::{Image, ImageBuilder, Panel, SelfTestData, detach_words};
use tinybert_runtime::tokenizer::{Options, pack};
use tinybert_runtime::{Input, Model};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("usage: toy_image OUT.tbim [OPTION...]")?;
    let (mut panel, mut head, mut demo, mut wrong, mut word_rows) = (None, None, false, false, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "neon" => panel = Some(Panel::NEON),
            "cortex-m" => panel = Some(Panel::CORTEX_M),
            "dotprod" => panel = Some(Panel::DOTPROD),
            "i8mm" => panel = Some(Panel::I8MM),
            "tags" => head = Some(toy::token_classification as fn(ImageBuilder) -> ImageBuilder),
            "embedding" => head = Some(toy::embedding),
            "labels" => head = Some(toy::multi_label),
            "calibrated" => head = Some(toy::calibrated),
            "demo" => demo = true,
            "wrong" => wrong = true,
            "--word-rows" => word_rows = Some(arguments.next().ok_or("--word-rows needs a file")?),
            _ => return Err(format!("unknown option {argument}").into()),
        }
    }
    let mut builder = if demo { demo_size()? } else { small()? };
    if let Some(panel) = panel {
        builder.config.panel = panel;
    }
    if let Some(head) = head {
        builder = head(builder);
    }

    let bytes = builder.build()?;
    let model = Model::from_bytes(&bytes)?;
    let mut workspace = vec![0; model.max_workspace_bytes()];
    let mut session = model.session(&mut workspace)?;
    for ids in [vec![2, 3], vec![2, 5, 6, 7, 13, 3], (0..16).chain([3]).collect()] {
        let type_ids = vec![0; ids.len()];
        let outputs = session.run(Input::ids(&ids, &type_ids))?.answer.outputs().to_vec();
        builder.self_tests.push(SelfTestData { ids, type_ids, outputs });
    }
    if let Some(SelfTestData { outputs, .. }) = builder.self_tests.last_mut().filter(|_| wrong) {
        outputs.reverse();
    }
    let bytes = builder.build()?;
    let Some(word_rows) = word_rows else { return Ok(std::fs::write(out, &*bytes)?) };
    let (detached, rows) = detach_words(&Image::from_bytes(&bytes)?)?;
    std::fs::write(word_rows, rows)?;
    Ok(std::fs::write(out, &*detached)?)
}

/// Two layers that have everything: both kinds of attention, both of quantization, all encodings, odd sizes.
fn small() -> Result<ImageBuilder, Box<dyn Error>> {
    let fixed = ToyLayer { heads: 12, head_dim: 26, ffn: 150, attention: INT8, inputs: STATIC_INPUTS };
    let per_token = ToyLayer { heads: 3, head_dim: 8, ffn: 61, attention: F32, inputs: PER_TOKEN_INPUTS };
    let vocabulary = pack(&PIECES, Options::UNCASED)?;
    Ok(mixed(toy::model(1, 60, PIECES.len(), &vocabulary, &[fixed, per_token])))
}

/// Four layers of 96 channels, 4,096 pieces.
fn demo_size() -> Result<ImageBuilder, Box<dyn Error>> {
    let layer = ToyLayer { heads: 12, head_dim: 8, ffn: 384, attention: INT8, inputs: STATIC_INPUTS };
    let unused = (PIECES.len()..4096).map(|piece| format!("[unused{piece}]"));
    let pieces: Vec<String> = PIECES.into_iter().map(String::from).chain(unused).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let vocabulary = pack(&pieces, Options::UNCASED)?;
    Ok(toy::model(1, 96, pieces.len(), &vocabulary, &[layer; 4]))
}
