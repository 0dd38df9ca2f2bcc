//! How good a model is, in either form: a float folder, or the image that runs on the device.
//!
//! An image is judged by the runtime itself, so that what is evaluated is what a device computes.

mod image;
pub mod judge;
pub mod latency;
pub mod predictor;
