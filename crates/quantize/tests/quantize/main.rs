//! Tests of quantization on toy models. One program, because linking candle takes longer than these tests.

mod judging;
mod quantized_forward;
mod quantized_gradient;
mod sensitivity;
