//! Writes an image of random weights in any shape, for counting what its answers execute.
//!
//!     random_image OUT.tbim LAYOUT ENCODING HIDDEN LAYERS HEADS HEAD_DIM FFN TOKENS
//!
//! LAYOUT is neon, cortex-m, dotprod or i8mm, ENCODING that of the layers' weights, int8, int4 or sparse (about half of
//! them zero); every layer has HEADS heads of HEAD_DIM channels and FFN neurons; inputs may have up to TOKENS tokens.
//! All quantization is static.

use std::error::Error;

use tinybert_runtime::image::toy::{INT8, PIECES, STATIC_INPUTS, ToyLayer, model};
use tinybert_runtime::image::{Bf16, Encoding, LayerData, Panel, PerLinear};
use tinybert_runtime::tokenizer::{Options, pack};
use tinybert_runtime::workspace_bytes;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, layout, encoding, sizes @ ..] = &arguments[..] else { return Err(usage()) };
    let sizes = sizes.iter().map(|size| size.parse()).collect::<Result<Vec<usize>, _>>()?;
    let &[hidden, layers, heads, head_dim, ffn, tokens] = &sizes[..] else { return Err(usage()) };
    let panel = match layout.as_str() {
        "neon" => Panel::NEON,
        "cortex-m" => Panel::CORTEX_M,
        "dotprod" => Panel::DOTPROD,
        "i8mm" => Panel::I8MM,
        _ => return Err(format!("no layout is called {layout}").into()),
    };
    let layer = ToyLayer { heads, head_dim, ffn, attention: INT8, inputs: STATIC_INPUTS };
    let layers = vec![layer; layers];
    let mut builder = model(1, hidden, PIECES.len(), &pack(&PIECES, Options::UNCASED)?, &layers);
    match encoding.as_str() {
        "int8" => {}
        "int4" => builder.layers.iter_mut().for_each(in_four_bits),
        "sparse" => builder.layers.iter_mut().for_each(without_half),
        _ => return Err(format!("no encoding is called {encoding}").into()),
    }
    builder.config.panel = panel;
    (builder.config.positions, builder.config.max_tokens) = (tokens, tokens);
    let position = &mut builder.embeddings.position;
    position.rows.resize(tokens * hidden, 1);
    position.scales.resize(tokens, Bf16::from_f32(0.01));
    let configs: Vec<_> = builder.layers.iter().map(|layer| layer.config).collect();
    builder.config.workspace_bytes = workspace_bytes(&builder.config, configs, tokens).ok_or("too large")?;
    std::fs::write(out, &*builder.build()?)?;
    Ok(())
}

/// Makes weights that have four bits.
fn in_four_bits(layer: &mut LayerData) {
    layer.config.encodings = PerLinear::all(Encoding::Int4);
    layer.linears_mut().into_iter().flat_map(|linear| &mut linear.weights).for_each(|weight| *weight /= 16);
}

/// Makes about half of the weights zero and stores the others.
fn without_half(layer: &mut LayerData) {
    layer.config.encodings = PerLinear::all(Encoding::Sparse);
    let weights = layer.linears_mut().into_iter().flat_map(|linear| &mut linear.weights);
    weights.filter(|weight| **weight & 2 == 0).for_each(|weight| *weight = 0);
}

fn usage() -> Box<dyn Error> {
    "usage: random_image OUT.tbim LAYOUT ENCODING HIDDEN LAYERS HEADS HEAD_DIM FFN TOKENS".into()
}
