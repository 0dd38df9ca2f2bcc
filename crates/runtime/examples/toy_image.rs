//! Writes a toy image with self-tests and with weights in every encoding, for trying firmware. Its answers mean nothing.
//!
//!     toy_image OUT.tbim [neon|dotprod|i8mm]
//!
//! The weights lie as those kernels want them; without a name as nobody does, so that the scalar kernel reads them.

use std::error::Error;

use tinybert_runtime::image::toy::{F32, INT8, Layer, PER_TOKEN, PIECES, STATIC, SYMMETRIC, mixed, model};
use tinybert_runtime::image::{Image, SelfTestData};
use tinybert_runtime::kernels::Panel;
use tinybert_runtime::tokenizer::{Options, pack};
use tinybert_runtime::{Input, Model, workspace_bytes};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (out, panel) = match &arguments[..] {
        [out] => (out, None),
        [out, layout] => match layout.as_str() {
            "neon" => (out, Some(Panel::NEON)),
            "dotprod" => (out, Some(Panel::DOTPROD)),
            "i8mm" => (out, Some(Panel::I8MM)),
            _ => return Err(format!("no layout is called {layout}").into()),
        },
        _ => return Err("usage: toy_image OUT.tbim [neon|dotprod|i8mm]".into()),
    };
    let fixed = Layer {
        heads: 12,
        head_dim: 26,
        ffn: 150,
        attention: INT8,
        inputs: [STATIC, SYMMETRIC, STATIC, STATIC],
    };
    let per_token = Layer { heads: 3, head_dim: 8, ffn: 61, attention: F32, inputs: [PER_TOKEN; 4] };
    let vocabulary = pack(&PIECES, Options::UNCASED)?;
    let mut builder = mixed(model(1, 60, PIECES.len(), &vocabulary, &[fixed, per_token]));
    if let Some(Panel { nr, kr }) = panel {
        builder.config.panel = tinybert_runtime::image::Panel { nr: nr.into(), kr: kr.into() };
    }

    let bytes = builder.build()?;
    let configs: Vec<_> = Image::from_bytes(&bytes)?.layer_configs().collect();
    builder.config.workspace_bytes =
        workspace_bytes(&builder.config, configs, builder.config.max_tokens).ok_or("too large")?;
    let mut workspace = vec![0; builder.config.workspace_bytes];
    let model = Model::from_bytes(&bytes)?;
    let mut session = model.session(&mut workspace)?;
    for ids in [vec![2, 3], vec![2, 5, 6, 7, 13, 3], (0..16).chain([3]).collect()] {
        let type_ids = vec![0; ids.len()];
        let outputs = session.run(Input::ids(&ids, &type_ids))?.answer.outputs().to_vec();
        builder.self_tests.push(SelfTestData { ids, type_ids, outputs });
    }
    std::fs::write(out, &*builder.build()?)?;
    Ok(())
}
